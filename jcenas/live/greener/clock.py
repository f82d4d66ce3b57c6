"""The clock of a job that waits for greener hours: seconds of the grid, in real time or sped up."""

import contextlib
import queue
import time
from typing import Protocol

from jcenas import units

LONGEST_WAIT_S = 30.0  # real; a machine that slept, or whose clock was set, is noticed after so long


class Clock(Protocol):
    """Seconds since the begin of the grid's first hour."""

    def now_s(self) -> float:
        """The time of day."""
        ...

    def steady_s(self) -> float:
        """Seconds that do not count while the machine sleeps; from any begin."""
        ...

    def wait(self, until_s: float, changes: queue.SimpleQueue) -> None:
        """Return at a time, when something is put into the queue, or somewhat before."""
        ...


class RealClock:
    """The machine's clock, times 3600 over the seconds that an hour lasts."""

    def __init__(self, begin_s: float, hour_seconds: float = units.SECONDS_PER_HOUR, *, began: float | None = None):
        """Begin now, or at a moment that is over.

        Args:
            begin_s: what time it is now, in seconds since the begin of the grid's first hour.
            hour_seconds: real seconds that an hour of the grid lasts.
            began: `time.time()` at `begin_s`; None: now.
        """
        self._scale = units.SECONDS_PER_HOUR / hour_seconds
        self._begin_s, self._began = begin_s, time.time() if began is None else began

    def now_s(self) -> float:
        """The time of day."""
        return self._begin_s + (time.time() - self._began) * self._scale

    def steady_s(self) -> float:
        """Seconds that do not count while the machine sleeps; from any begin."""
        return time.monotonic() * self._scale

    def wait(self, until_s: float, changes: queue.SimpleQueue) -> None:
        """Return at a time, when something is put into the queue, or somewhat before."""
        seconds = (until_s - self.now_s()) / self._scale
        with contextlib.suppress(queue.Empty):
            changes.get(timeout=min(max(seconds, 0.0), LONGEST_WAIT_S))
