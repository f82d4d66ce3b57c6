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


def pauses_in(run: np.ndarray, running: bool) -> int:
    """How often a job pauses that follows a schedule, bool (steps,), and runs before it or not."""
    starts = int(np.count_nonzero(run & ~np.concatenate(([running], run[:-1]))))
    return starts if running else starts - 1


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
        return Timetable(now_s, step_s, self._cheapest(costs, left_s / step_s, step_s, running), False)

    def _cheapest(self, costs: np.ndarray, left: float, step_s: float, running: bool) -> np.ndarray:
        """In which steps to run, bool (steps,), with room for what the pauses cost beside whole steps.

        Args:
            costs: of running through each step (steps,).
            left: work that is left, in steps; less than there are.
            step_s: length of a step, s.
            running: whether the job runs.
        """
        whole, part = divmod(self._config.pause_cost_s / step_s, 1)
        dearest = float(np.partition(costs, math.ceil(left) - 1)[math.ceil(left) - 1])  # of the cheapest that it takes

        def plan(pauses: int, interruptible: bool) -> np.ndarray:
            return cheapest_schedule(
                costs,
                math.ceil(left + pauses * part),
                running=running,
                pause_steps=int(whole),
                pause_cost=part * dearest,
                idle_share=self._config.idle_share,
                interruptible=interruptible,
            )

        if self._config.uninterrupted:
            return plan(0, False)
        room = 0  # for the parts of steps of so many pauses
        while math.ceil(left + room * part) < len(costs):
            run = plan(room, True)
            pauses = pauses_in(run, running)
            if math.ceil(left + pauses * part) <= math.ceil(left + room * part):
                return run
            room = pauses
        return plan(0, False)
