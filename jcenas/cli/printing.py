"""Printing for the commands: tables, and a standard output that says in one line why it cannot be written."""

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from jcenas.errors import one_line

_STDOUT = 1


class OutputError(Exception):
    """Standard output cannot be written: closed, full, or nobody reads it.

    It is no `OSError`, so that nobody takes it for a fault of the disk that holds the results.
    """

    def __init__(self, message: str, *, harmless: bool = False):
        """`harmless`: a reader such as `head` has seen enough, and nothing but output is lost."""
        super().__init__(message)
        self.harmless = harmless


class _GuardedFile(io.FileIO):
    """Standard output without a buffer; once it has failed, what is still in the buffers above it is dropped."""

    failed = False

    def write(self, data: Any) -> int:
        """Write bytes; fails once."""
        if self.failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.failed = True
            reason = "nobody reads it any more" if error.errno == errno.EPIPE else error.strerror
            raise OutputError(f"standard output: {reason}", harmless=error.errno == errno.EPIPE) from error


class _ClosedOutput(io.TextIOBase):
    """Standard output of a process that was started without one; complains when something is to be written."""

    def writable(self) -> bool:
        """True: the complaint comes from `write`."""
        return True

    def write(self, text: str) -> int:
        """Complain unless there is nothing to write."""
        if not text:
            return 0
        raise OutputError("standard output is closed")


def guard_output() -> None:
    """Make `sys.stdout` raise `OutputError` where it cannot be written, and give the process all three streams."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)
    if sys.stdout is None:
        # Its number is taken, so that no file of results gets it and receives what libraries print.
        null = os.open(os.devnull, os.O_WRONLY)
        if null != _STDOUT:
            os.dup2(null, _STDOUT)
        sys.stdout = _ClosedOutput()
        return
    old = sys.stdout
    raw = _GuardedFile(old.fileno(), "w", closefd=False)
    buffered = io.BufferedWriter(raw)
    sys.stdout = io.TextIOWrapper(buffered, old.encoding, old.errors, line_buffering=old.isatty())


def warn(message: str) -> None:
    """Tell the user on standard error of what did not work and ends nothing."""
    print(f"jcenas: warning: {one_line(message)}", file=sys.stderr)


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns, wrapped by the terminal only; a header of empty texts is left out."""
    lines = [header, *rows] if any(header) else list(rows)
    if not lines:
        return
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
