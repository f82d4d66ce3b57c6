"""Download prepared data files from a mirror: checked by SHA-256, put in place atomically, resumed where possible.

A mirror is any HTTP(S) address below which the prepared files lie under their names. The project runs none; a copy of
the data folder behind any web server will do.
"""

import http.client
import os
import pathlib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, cast

import pooch
from pooch.utils import get_logger

from jcenas.errors import InputError
from jcenas.tables import store

VARIABLE = "JCENAS_MIRROR"
TIMEOUT_S = 30.0
_CHUNK = 1 << 18
Progress = Callable[[str, int, int], None]  # name, bytes so far, bytes in all


def mirror(address: str = "") -> str:
    """The mirror's address: the one given, else `JCENAS_MIRROR`.

    Raises:
      InputError: neither is set, or it is no HTTP(S) address.
    """
    chosen = address or os.environ.get(VARIABLE, "")
    if not chosen:
        raise InputError(
            "there is no public mirror of the prepared data; name one with --from URL or in JCENAS_MIRROR, "
            "or use `jcenas data import NAME PATH` with a copy of the file"
        )
    if urllib.parse.urlsplit(chosen).scheme not in ("http", "https") or not urllib.parse.urlsplit(chosen).netloc:
        raise InputError(f"{chosen!r} is no mirror; give an address that begins with http:// or https://")
    return chosen.rstrip("/")


def matching(name: str) -> list[str]:
    """Files of that name, or all below that folder, sorted; see `store.locate` for the error on an unknown name."""
    names = sorted(store.registry())
    found = [known for known in names if known == name or known.startswith(name.rstrip("/") + "/")]
    if not found:
        raise InputError(f"no data file is called {name!r}; `jcenas data list` shows the {len(names)} names")
    return found


def fetch(name: str, address: str = "", *, progress: Progress | None = None) -> pathlib.Path:
    """Download one file into the data folder, unless a whole one lies there already.

    Args:
      name: the file, as `jcenas data list` writes it.
      address: the mirror; default `JCENAS_MIRROR`.
      progress: called after every piece.

    Returns:
      The file's path. What an interrupted download has got stays beside it, hidden, and the next one goes on from
      there if the server allows ranges.

    Raises:
      InputError: unknown name, no mirror, the server does not answer or ends too early, or it has another file.
    """
    if name not in store.registry():
        matching(name)  # raises unless it is a folder
        raise InputError(f"{name!r} is a folder; fetch its files one by one")
    entry = store.registry()[name]
    base = mirror(address)
    target = store.data_folder() / name
    if target.is_file() and target.stat().st_size == entry.size_bytes and store.sha256(target) == entry.sha256:
        return target
    part = target.with_name(f".{target.name}.part")
    get_logger().setLevel("WARNING")  # errors are raised as one line

    def download(url: str, output_file: Any, pooch: Any) -> None:
        del pooch
        resume(url, part, name, entry.size_bytes, progress)
        os.replace(part, output_file)

    url = f"{base}/{urllib.parse.quote(name)}"
    try:
        target.unlink(missing_ok=True)  # a damaged one, which pooch would mend but report
        target.parent.mkdir(parents=True, exist_ok=True)
        known = f"sha256:{entry.sha256}"
        # pooch's protocol names other parameters than the ones it passes (by position)
        pooch.retrieve(url, known, fname=target.name, path=target.parent, downloader=cast(Any, download))
    except OSError as error:
        raise InputError(
            f"cannot write {target} ({error.strerror or error}); free the disk or set {store.VARIABLE} to a folder "
            "that you may write"
        ) from error
    except InputError:
        raise
    except ValueError as error:  # pooch: the SHA-256 is wrong
        raise InputError(
            f"{url} is not {name}: its SHA-256 differs from the registered one; use another mirror"
        ) from error
    return target


def resume(url: str, part: pathlib.Path, name: str, size: int, progress: Progress | None = None) -> None:
    """Bring `part` to `size` bytes with what `url` serves, going on where an earlier download ended.

    Raises:
      InputError: the server does not answer, says no, or ends before or after `size` bytes.
    """
    have = part.stat().st_size if part.is_file() else 0
    if have >= size:
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            if have and not (
                answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            ):
                have = 0  # the server sends all of it
            with part.open("ab" if have else "wb") as out:
                while chunk := answer.read(_CHUNK):
                    out.write(chunk)
                    have += len(chunk)
                    if progress is not None:
                        progress(name, have, size)
                    if have > size:
                        break
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url}: the server says {error.code} {error.reason}; check the address of the mirror"
        ) from error
    except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{url}: the download broke off ({reason}); run the command again to go on") from error
    if have > size:
        part.unlink()
        raise InputError(f"{url} is longer than the {size} bytes of {name}; use another mirror")
    if have < size:
        raise InputError(f"{url}: only {have} of {size} bytes came; run the command again to go on")
