"""Takes a job through its greener hours: starts, pauses and resumes it, and lets it run when time gets short."""

import math
from collections.abc import Callable
from typing import NamedTuple

from jcenas.live.greener.clock import Clock
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.durations import spelled
from jcenas.live.greener.job import AT_WORK, Pausable
from jcenas.live.greener.known import HOUR_S, GridView
from jcenas.live.greener.planner import Planner

SLEPT_S = 60.0  # by which the time of day is ahead of the time that passed, at least, where the machine slept


class Flown(NamedTuple):
    """What happened to a job.

    Attributes:
        code: how it ended.
        spans: begin and end of each time in which it ran, in seconds of the grid.
        ran_s: their sum; time in which the machine slept is in neither.
        pauses: that it made.
        begin_s: when it could have started.
        ended_s: when it ended.
        deadline_s: when it had to have ended.
    """

    code: int
    spans: list[tuple[float, float]]
    ran_s: float
    pauses: int
    begin_s: float
    ended_s: float
    deadline_s: float


class Pilot:
    """The loop round one job."""

    def __init__(
        self,
        config: GreenerConfig,
        view: GridView,
        job: Pausable,
        *,
        clock: Clock,
        begin_s: float,
        say: Callable[[str], None],
    ):
        """Bind the parts.

        Args:
            config: of the job.
            view: what is known of the grid.
            job: not started yet.
            clock: of the grid.
            begin_s: from when on the time to the deadline counts.
            say: told what happens, a line each.
        """
        self._config, self._view, self._job, self._clock, self._say = config, view, job, clock, say
        self._begin_s = begin_s
        self._planner = Planner(config, view, self._begin_s)
        self._spans: list[tuple[float, float]] = []
        self._ran_s, self._since, self._pauses = 0.0, (0.0, 0.0), 0
        self._at_work, self._said = False, set()

    def fly(self) -> Flown:
        """Return when the job has ended, or has been told to before it had started."""
        while True:
            self._count()
            if self._job.state == "ended" or (self._job.leaving and self._job.state in ("waiting", "paused")):
                break
            run, until_s = self._wanted()
            if run and self._job.state not in AT_WORK:
                self._tell("goes on" if self._spans else "starts")
                self._job.go_on()
            elif not run and self._job.state == "running":
                self._tell(f"pauses, until {self._hour_of(until_s)} or later")
                self._job.pause()
                self._pauses += 1
            elif not run and self._job.state == "waiting":
                self._once("waits", f"waits, until {self._hour_of(until_s)} or later")
            self._count()
            if self._job.state != "ended":
                next_hour_s = (math.floor(self._clock.now_s() / HOUR_S) + 1) * HOUR_S  # when more is known
                self._clock.wait(min(until_s, next_hour_s), self._job.changes)
        now = self._clock.now_s()
        code, deadline_s = self._job.code, self._begin_s + self._config.deadline_s
        return Flown(code, self._spans, self._ran_s, self._pauses, self._begin_s, now, deadline_s)

    def _wanted(self) -> tuple[bool, float]:
        """Whether the job should run now, and when to look again."""
        if self._job.leaving:
            return True, math.inf
        left_s = self._config.work_s + self._pauses * self._config.pause_cost_s - self._ran_s
        if self._spans and left_s <= 0:
            self._once("over", f"has run for the {self._config.work} of --work and runs on, without a pause")
            return True, math.inf
        now_s = self._clock.now_s()
        plan = self._planner.plan(
            now_s, left_s, running=self._job.state in AT_WORK, started=bool(self._spans) or self._at_work
        )
        if plan.through:
            self._once("through", "needs the time that is left: it runs through")
            return True, now_s + left_s
        return bool(plan.run[0]), plan.until_s()

    def _count(self) -> None:
        """Add the time since the last call to what the job has run."""
        now, steady = self._clock.now_s(), self._clock.steady_s()
        if self._at_work:
            began, was_steady = self._since
            ran_s = steady - was_steady
            self._ran_s += ran_s
            if now - began > ran_s + SLEPT_S:  # the machine slept, and drew no power for the job
                began = now - ran_s
            if self._spans and self._spans[-1][1] == began:
                began = self._spans.pop()[0]
            self._spans.append((began, now))
        self._at_work, self._since = self._job.state in AT_WORK, (now, steady)

    def _tell(self, what: str) -> None:
        now = self._clock.now_s()
        intensity = self._view.trace(now).at_hour(math.floor(now / HOUR_S))
        self._say(f"{self._view.when(now):%a %H:%M} UTC, {intensity:.0f} g/kWh: {what}")

    def _once(self, kind: str, what: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._tell(what)

    def _hour_of(self, moment_s: float) -> str:
        return f"{self._view.when(moment_s):%a %H:%M}"


def outcome_lines(flown: Flown, config: GreenerConfig) -> list[str]:
    """How a job ended, for people: against its work and its deadline."""
    early_s = flown.deadline_s - flown.ended_s
    place = f"{spelled(early_s)} before the deadline" if early_s >= 0 else f"{spelled(-early_s)} after the deadline"
    pauses = "without a pause" if not flown.pauses else f"with {flown.pauses} pause{'s' * (flown.pauses > 1)}"
    lines = [f"ended with code {flown.code} after {spelled(flown.ran_s)} of running {pauses}, {place}"]
    if early_s < 0 and flown.ran_s > config.work_s:
        lines.append(f"the deadline was missed since it took longer than --work {config.work}; give more next time")
    return lines
