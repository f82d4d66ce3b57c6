"""Text of a file that a user hands over: regular files only, with limits on size, plain or gzip, UTF-8 or UTF-16.

Every way in which a path may be no such file ends in one `InputError` line that names the path and the remedy.
"""

import codecs
import gzip
import io
import os
import pathlib
import re
import stat
import zlib

from jcenas.errors import InputError

MAX_BYTES = 128 << 20  # of the text, after decompression; a million rows of 120 characters
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def shown(value: object, most: int = 60) -> str:
    """`value` as text on one line: control characters escaped, and cut after `most` characters."""
    text = _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", str(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(value: object, most: int = 60) -> str:
    """`value` as `repr` writes it, cut after `most` characters; safe for one line of a message."""
    return shown(value if isinstance(value, int) and not isinstance(value, bool) else repr(value), most)


def shown_path(path: str | os.PathLike) -> str:
    """A path for messages: on one line, its end kept where it is too long."""
    text = shown(os.fspath(path), 10_000)
    return text if len(text) <= 250 else f"...{text[-240:]}"


def read_text(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> str:
    """The text of a regular file, decompressed where it is gzip, without byte-order mark.

    Args:
      path: the file.
      max_bytes: the longest text in bytes, after decompression.

    Raises:
      InputError: if the path names no regular file that can be read, the file is empty, too large, a damaged gzip or a
        zip archive, no text in UTF-8 or UTF-16, or holds control characters (with the line).
    """
    name = shown_path(path)
    data = _bytes(pathlib.Path(path), name, max_bytes)
    if data.startswith(_ZIP):
        raise InputError(f"{name}: is a zip archive; unpack it and give the file inside")
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}, line {line}: is no text in UTF-8; save it as CSV in UTF-8") from None
    if not text.strip():
        raise InputError(f"{name}: is empty; a trace is a CSV with the columns datetime_utc and intensity_g_per_kwh")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(f"{name}, line {line}: holds the control character {found[0]!r}; export the file again")
    return text


def _bytes(path: pathlib.Path, name: str, max_bytes: int) -> bytes:
    """What is in the file; never waits on a pipe or a device, never inflates more than `max_bytes`."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
            raise InputError(f"{name}: is {kind}; give a file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        if data.startswith(_GZIP) or path.suffix == ".gz":
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(max_bytes + 1)
    except InputError:
        raise
    except (OSError, EOFError, zlib.error, ValueError) as error:  # ValueError: a NUL in the path
        reason = shown(getattr(error, "strerror", None) or error)
        raise InputError(f"{name}: cannot be read ({reason}); check the path and the file") from None
    if len(data) > max_bytes:
        raise InputError(f"{name}: holds more than {max_bytes >> 20} MiB; cut out the period that is needed")
    return data
