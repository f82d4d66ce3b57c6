"""A clock that jumps and a job that takes so many of its seconds: months of `jcenas run` in a moment."""

import math
import queue

from jcenas.live.greener.job import AT_WORK, State


class VirtualClock:
    """Time that passes only while somebody waits, up to the next thing that happens."""

    def __init__(self, begin_s: float = 0.0):
        """Begin at a time of the grid, s."""
        self._now = begin_s
        self.job: VirtualJob | None = None

    def now_s(self) -> float:
        """The time of day."""
        return self._now

    def steady_s(self) -> float:
        """The same: nothing sleeps here."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._now += seconds

    def wait(self, until_s: float, changes: queue.SimpleQueue) -> None:
        """Jump to a time, or to the end of the job if that comes sooner."""
        del changes  # nothing happens by itself but the end
        job = self.job if self.job is not None and self.job.state in AT_WORK else None
        passes = max(0.0, min(until_s - self._now, math.inf if job is None else job.left_s))
        if job is not None:
            job.passed(passes)
        self._now = until_s if passes == until_s - self._now else self._now + passes


class VirtualJob:
    """A job that runs for so many seconds in all, and is paused and resumed at once.

    Attributes:
        left_s: what is left to run, s.
        starts: how often it was started or resumed.
    """

    def __init__(self, clock: VirtualClock, seconds: float, *, pause_cost_s: float = 0.0, code: int = 0):
        """Bind it to the clock; every pause adds `pause_cost_s` to what is left."""
        self.left_s, self._pause_cost_s = seconds, pause_cost_s
        self.state: State = "waiting"
        self.code, self.leaving, self.starts = code, False, 0
        self.changes: queue.SimpleQueue = queue.SimpleQueue()
        clock.job = self

    def go_on(self) -> None:
        """Start or resume it."""
        if self.state != "running":
            self.state = "running"
            self.starts += 1

    def pause(self) -> None:
        """Pause it."""
        self.state = "paused"
        self.left_s += self._pause_cost_s

    def passed(self, seconds: float) -> None:
        """It has run for so long."""
        self.left_s -= seconds
        if self.left_s <= 1e-6:
            self.state = "ended"
