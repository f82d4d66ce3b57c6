"""Time in which this process ran: a clock that stands still while the process is stopped (SIGSTOP, a paused container).

A thread reads the clock four times a second. Where seconds lie between two readings in which the process used hardly
any CPU time, it was not running: the thread would have read the clock meanwhile.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

_EVERY_S = 0.25
_LONGEST_S = 3.0  # between two readings of a process that runs, on a machine with much else to do
_BUSY_SHARE = 0.2  # of CPU time in the time between; a call that lets no other thread run uses all of it


class Took(NamedTuple):
    """Seconds of some work."""

    ran: float  # in which the process ran
    stood: float = 0.0  # in which it stood still


class RunningTime:
    """A clock of the seconds in which the process ran."""

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        used: Callable[[], float] = time.process_time,
        *,
        longest_s: float = _LONGEST_S,
    ):
        """Begin at zero.

        Args:
            now: seconds of a clock that goes on while the process is stopped.
            used: seconds of CPU time that the process has used.
            longest_s: between two readings; more is standing still.
        """
        self._now, self._used, self._longest_s = now, used, longest_s
        self._lock = threading.Lock()
        self._last, self._last_used = now(), used()
        self._ran = self._stood = 0.0

    def watch(self) -> "RunningTime":
        """Start the thread; without it, only calls of `read` tell that the process runs."""
        threading.Thread(target=self._watch, daemon=True, name="running time").start()
        return self

    def _watch(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            self.read()

    def read(self) -> tuple[float, float]:
        """Seconds since the begin in which the process ran, and in which it stood still."""
        with self._lock:
            now, used = self._now(), self._used()
            passed = now - self._last
            if passed > self._longest_s and used - self._last_used < _BUSY_SHARE * passed:
                self._stood += passed
            else:
                self._ran += passed
            self._last, self._last_used = now, used
            return self._ran, self._stood


_process: list[RunningTime] = []
_lock = threading.Lock()


def read() -> tuple[float, float]:
    """Seconds in which this process ran, and in which it stood still, since the first call."""
    with _lock:
        if not _process:
            _process.append(RunningTime().watch())
    return _process[0].read()


class Stopwatch:
    """Measures work without the time in which the process stood still."""

    def __init__(self):
        """Start it."""
        self._began = read()

    def read(self) -> Took:
        """Seconds since the start in which the process ran, and in which it stood still."""
        now = read()
        return Took(now[0] - self._began[0], now[1] - self._began[1])
