"""Where a file that is not there yet would be written, and writing it whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from jcenas.errors import InputError


def nearest_above(path: Path) -> Path:
    """The nearest of the folders above a path that exists; a file where one stands in the place of a folder."""
    return next(above for above in path.parents if above.exists())


def is_writable(folder: Path) -> bool:
    """Whether this user may make files in it; False of what is no folder."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def check_file(flag: str, path: Path, suffix: str) -> None:
    """Raise InputError where `path` cannot be written in the end, before anything is computed for it."""
    if path.suffix != suffix:
        raise InputError(f"{flag} {path}: the file's name must end in {suffix}")
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise InputError(f"{flag} {path}: this is {what}; give the name of a file")
    above = nearest_above(path.absolute())
    if not is_writable(above):
        raise InputError(f"{flag} {path}: nothing can be written in {above}; choose another folder")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Path of an empty file beside `target` to write; it takes its place at the end, or is gone after an error.

    Each has a name of its own, so that two who write the same target at once do not mix.

    Raises:
        OSError: the folder cannot be written, or the disk is full; what was there is still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    part.open("xb").close()
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
