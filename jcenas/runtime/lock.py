"""A lock on an open file, which the operating system lets go when its process ends, however it ends."""

import importlib
from typing import IO, Any


def _module(name: str) -> Any:
    """A module of the standard library that some systems lack; None there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")  # POSIX, Windows


def lock_file(file: IO) -> None:
    """Lock an open file for this process without waiting. Systems that have no such locks get none.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the file system has no locks.
    """
    if _fcntl is not None:
        _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    elif _msvcrt is not None:
        file.seek(0)
        try:
            _msvcrt.locking(file.fileno(), _msvcrt.LK_NBLCK, 1)
        except OSError as error:  # which says no more than that
            raise BlockingIOError(error.errno, error.strerror) from error
