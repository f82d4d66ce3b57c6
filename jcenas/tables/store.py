"""Where the prepared data files live, and whether they are whole. Standard library and platformdirs only.

The folder is `JCENAS_DATA`, or the user's cache folder. `registry.json` lists every file that the package can use with
its size and SHA-256; it ships with the package, the data does not.
"""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import platformdirs

from jcenas.errors import InputError
from jcenas.runtime import paths

VARIABLE = "JCENAS_DATA"
REGISTRY = pathlib.Path(__file__).with_name("registry.json")


class Entry(NamedTuple):
    """One known file: its size and its SHA-256."""

    size_bytes: int
    sha256: str


class Row(NamedTuple):
    """One line of `jcenas data list`; state is 'ready', 'missing' or 'damaged'."""

    name: str
    size_bytes: int
    state: str


@functools.cache
def registry() -> dict[str, Entry]:
    """All known files by their name, which is their path under the data folder."""
    entries = json.loads(REGISTRY.read_text())
    return {name: Entry(size, sha256) for name, (size, sha256) in entries.items()}


def data_folder() -> pathlib.Path:
    """The data folder: `JCENAS_DATA` if it is set, else the platform's user cache folder. It need not exist."""
    named = os.environ.get(VARIABLE)
    return pathlib.Path(named).expanduser() if named else pathlib.Path(platformdirs.user_cache_dir("jcenas")) / "data"


def _entry(name: str) -> Entry:
    entries = registry()
    if name not in entries:
        raise InputError(f"no data file is called {name!r}; `jcenas data list` shows the {len(entries)} names")
    return entries[name]


def sha256(path: pathlib.Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(path: pathlib.Path, entry: Entry, *, anew: bool = False) -> bool:
    """Whether a file has the registered SHA-256; one that had it is known by size and time, and not read again.

    Args:
      path: the file.
      entry: what it should be.
      anew: read it in any case.
    """
    status = path.stat()
    mark, name = [status.st_size, status.st_mtime_ns, entry.sha256], str(path.resolve())
    if not anew and _remembered().get(name) == mark:
        return True
    if status.st_size != entry.size_bytes or sha256(path) != entry.sha256:
        return False
    known = _remembered() | {name: mark}
    with contextlib.suppress(OSError, InputError), replacing(memory()) as part:  # it is only slower without
        part.write_text(json.dumps(known))
    return True


def memory() -> pathlib.Path:
    """The file, in the user's cache folder, that remembers which data files were whole."""
    return pathlib.Path(platformdirs.user_cache_dir("jcenas")) / "whole.json"


def _remembered() -> dict[str, list]:
    """Size, time and SHA-256 of the files that were whole, by their paths."""
    try:
        known = json.loads(memory().read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def locate(name: str, *, verify: bool = False) -> pathlib.Path:
    """Path of a prepared file, after a check of its size and its SHA-256.

    A file that was whole once is known by its size and time, and is not read again.

    Args:
      name: path under the data folder, for example `images/cifar10_train_jpeg.npz`.
      verify: read the file and compare its SHA-256 in any case.

    Raises:
      InputError: if the name is unknown, or the file is missing or damaged; names the command that mends it.
    """
    entry = _entry(name)
    path = data_folder() / name
    mend = f"run `jcenas data import {name} PATH` with a copy of it, or `jcenas data fetch {name} --from URL`"
    if not path.is_file():
        raise InputError(
            f"data file {name} is missing in {data_folder()}; {mend}, or set {VARIABLE} to the folder that has it"
        )
    size = path.stat().st_size
    if size != entry.size_bytes:
        raise InputError(f"data file {path} is damaged ({size} bytes instead of {entry.size_bytes}); {mend}")
    try:
        whole = _is_whole(path, entry, anew=verify)
    except OSError as error:
        raise InputError(f"data file {path} cannot be read ({error.strerror}); {mend}") from error
    if not whole:
        raise InputError(f"data file {path} is damaged (its SHA-256 is not {entry.sha256[:12]}...); {mend}")
    return path


@contextlib.contextmanager
def replacing(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Path of an empty file beside `target` to write; it takes its place at the end, or is gone after an error.

    Raises:
      InputError: the folder cannot be written, or the disk is full.
    """
    try:
        with paths.replacing(target) as part:
            yield part
    except OSError as error:
        raise InputError(
            f"cannot write {target} ({error.strerror or error}); "
            f"free the disk or set {VARIABLE} to a folder that you may write"
        ) from error


def import_file(name: str, source: str | os.PathLike) -> pathlib.Path:
    """Take a file into the data folder, atomically: a copy of a prepared one, or a benchmark's own record file.

    Args:
      name: what the file is, as in `jcenas data list`; a table, such as ecnas-4v, for a record file (`.tfrecord`).
      source: the file. A copy must have the SHA-256 of the prepared one; a record file is converted, see
        `jcenas.tables.ecnas.imported`.

    Returns:
      Its new path. An interrupted import leaves nothing behind under that path.

    Raises:
      InputError: if the name is unknown, the source cannot be read or is another file, or the folder cannot be written.
    """
    source = pathlib.Path(source).expanduser()
    if source.suffix == ".tfrecord":
        from jcenas.tables.ecnas.imported import import_records  # needs JAX

        return import_records(name, source)
    entry = _entry(name)
    target = data_folder() / name
    try:
        found = sha256(source)
    except OSError as error:
        raise InputError(
            f"{source} cannot be read ({error.strerror or error}); give the path of a copy of {name}"
        ) from error
    if found != entry.sha256:
        raise InputError(f"{source} is not {name}: its SHA-256 is {found}, expected {entry.sha256}; get the file again")
    with replacing(target) as part:
        shutil.copyfile(source, part)
        if sha256(part) != entry.sha256:
            raise InputError(f"{source} changed while it was copied; run the import again")
    return target


def listing(*, verify: bool = False) -> list[Row]:
    """State of every known file; `verify` reads those anew that were whole once, too."""
    rows = []
    for name, entry in sorted(registry().items()):
        path = data_folder() / name
        if not path.is_file():
            state = "missing"
        elif not _is_whole(path, entry, anew=verify):
            state = "damaged"
        else:
            state = "ready"
        rows.append(Row(name, entry.size_bytes, state))
    return rows
