"""Ctrl-C while a command starts: the process ends at once, since an exception could be lost among its imports."""

import os
import pathlib
import signal
import sys

EXIT_INTERRUPTED = 130


def is_program() -> bool:
    """True where this process was started as `jcenas`, or as a module of it, and not by a script that imports it."""
    name = pathlib.Path(sys.argv[0] if sys.argv else "").name.split(".")[0]
    return name in {"jcenas", "jcenas-script"} or (name == "-m" and "jcenas.cli" in sys.orig_argv)


def quit_at_once() -> None:
    """From now on Ctrl-C ends the process, silently: nothing has been begun that could be lost."""
    signal.signal(signal.SIGINT, _quit)


def raise_again() -> None:
    """From now on Ctrl-C is an exception, so that what was begun is cleaned up; only after `quit_at_once`."""
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _quit(number: int, frame: object) -> None:
    del number, frame
    os._exit(EXIT_INTERRUPTED)
