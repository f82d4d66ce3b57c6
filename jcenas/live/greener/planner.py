"""Decides whether a job runs now: the cheapest schedule by the forecast, made anew whenever something is learnt."""

import math
from typing import NamedTuple

import numpy as np

from jcenas.alloc.schedule import cheapest_schedule, step_costs
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import HOUR_S, GridView

MOST_STEPS = 600
STEPS_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)  # that a plan may have


class Timetable(NamedTuple):
    """A schedule from a moment on."""

    begin_s: float
    step_s: float
    run: np.ndarray  # bool (steps,)
    through: bool  # whether no time is left to choose from

    def until_s(self) -> float:
        """When the first change is due; infinity if there is none."""
        changes = np.flatnonzero(self.run != self.run[0])
        return self.begin_s + self.step_s * int(changes[0]) if len(changes) else math.inf

    def spans(self, left_s: float, pause_cost_s: float) -> list[tuple[float, float]]:
        """Begin and end of every time in which it runs, s: as long as the work and its pauses cost, in no whole steps.

        Args:
            left_s: work that is left, s.
            pause_cost_s: work that every pause adds, s.
        """
        edges = np.flatnonzero(np.diff(np.concatenate(([0], self.run.astype(int), [0]))))
        times = self.begin_s + self.step_s * edges
        spans = []
        for first, last in zip(times[::2].tolist(), times[1::2].tolist(), strict=True):
            if left_s <= 0:
                break
            left_s += pause_cost_s if spans else 0.0
            spans.append((first, min(last, first + left_s)))
            left_s -= last - first
        return spans


class Planner:
    """Plans the rest of a job."""

    def __init__(self, config: GreenerConfig, view: GridView, begin_s: float):
        """Bind the deadline.

        Args:
            config: of the job.
            view: what is known of the grid.
            begin_s: when the time to the deadline began, in seconds of the grid.
        """
        self.view = view
        self.end_s = begin_s + config.deadline_s - config.margin_s
        self._config = config

    def plan(self, now_s: float, left_s: float, *, running: bool, started: bool) -> Timetable:
        """The schedule of what is left.

        Args:
            now_s: the time.
            left_s: work that is left, s.
            running: whether the job runs.
            started: whether it has run before; one that must not be interrupted then goes on.
        """
        free_s = self.end_s - now_s
        step_s = next((s for s in STEPS_S if free_s <= MOST_STEPS * s), free_s / MOST_STEPS)
        steps, work = math.floor(free_s / step_s), math.ceil(left_s / step_s)
        if work >= steps:
            return Timetable(now_s, left_s, np.ones(1, bool), True)
        if started and self._config.uninterrupted:
            return Timetable(now_s, left_s, np.ones(1, bool), False)
        hour = math.floor(now_s / HOUR_S)
        costs = step_costs(self.view.expected(hour), begin_h=now_s / HOUR_S - hour, step_h=step_s / HOUR_S, steps=steps)
        run = cheapest_schedule(
            costs,
            work,
            running=running,
            pause_steps=math.ceil(self._config.pause_cost_s / step_s),
            idle_share=self._config.idle_share,
            interruptible=not self._config.uninterrupted,
        )
        return Timetable(now_s, step_s, run, False)
