"""An executor without devices: trainings take a table's seconds, on a clock that jumps.

It is the live search with nothing real under it: the loop, its queue, ledger and database are the real ones. It holds
the two clusters together (`tests/test_parity.py`), and runs a search on a table in seconds.
"""

import heapq
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jcenas import units
from jcenas.live.executors.executor import Hooks, Plan, Report
from jcenas.live.ledger import Ledger
from jcenas.live.state import Job, Outcome
from jcenas.problems.table import TableProblem

_TINY_H = 1e-9


class Costs(NamedTuple):
    """What things take, device-seconds."""

    prepare_s: float = 0.0  # of the whole supernet
    score_s: float = 0.0  # of one score
    switch_s: float = 0.0  # of a change between sampling and evaluating


class _Span(NamedTuple):
    """A stretch of one device's time, trace hours."""

    device: int
    state: str
    purpose: str
    begin: float
    end: float
    row: int | None = None


class VirtualExecutor:
    """Devices that exist in the ledger only."""

    def __init__(
        self,
        problem: TableProblem,
        ledger: Ledger,
        costs: Costs,
        *,
        devices: int,
        score: str,
        carbon_budget_g: float = float("inf"),
    ):
        """Bind.

        Args:
          problem: whose columns are the results.
          ledger: of the run.
          costs: what scoring, switching and preparing take.
          devices: how many.
          score: the stage's score, see `jcenas.engine.stages.Stage`.
          carbon_budget_g: at which everything stops, within an hour.
        """
        self.problem, self.ledger, self.costs, self.devices = problem, ledger, costs, devices
        self._score, self._budget_g = score, carbon_budget_g
        self._prepare_s = costs.prepare_s
        self._left_s: dict[int, float] = {}
        self._evaluated: list[bool] | None = None
        self._free = [0.0] * devices

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        self.hooks = hooks

    def progress(self) -> dict[int, tuple[int, float]]:
        """Nothing runs between two calls."""
        return {}

    def close(self) -> None:
        """Nothing to end."""

    def prepare(self, until: float) -> bool:
        """All devices train the supernet together."""
        begin = min(self.ledger.clock)
        end = min(until, begin + self._hours(self._prepare_s / self.devices))
        if self._prepare_s > 0:
            cut = self._book([_Span(d, "training", "supernet", begin, end) for d in range(self.devices)])
            done_s = self.devices * self._seconds(cut - begin)
            self._prepare_s = 0.0 if end < until - _TINY_H else self._prepare_s - done_s
        return self._prepare_s <= 0

    def score_together(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """All devices share the scores evenly."""
        begin = min(self.ledger.clock)
        time_s = self.devices * self._seconds(until - begin)
        done = self._affordable(jobs, time_s)
        end = begin + self._hours(len(done) * self.costs.score_s / self.devices)
        self._book([_Span(d, "scoring", "scoring", begin, end) for d in range(self.devices)])
        return self._scores(done)

    def work(self, plan: Plan) -> Report:
        """Lay out the hour, cut it where the carbon budget ends, and charge it."""
        spans, scored = [], []
        begins = self._ready(plan, spans)
        samplers = [d for d, device in enumerate(plan.devices) if device.samples]
        limits = {d: plan.devices[d].turn if plan.devices[d].evaluates else plan.end for d in samplers}
        time_s = sum(self._seconds(max(0.0, limits[d] - begins[d])) for d in samplers)
        scored = self._affordable(plan.to_score, time_s)
        left_h = self._hours(len(scored) * self.costs.score_s)
        for place, d in enumerate(samplers):  # evenly, but for one that turns before: the others do what it leaves
            share_h = left_h / (len(samplers) - place)
            own_h = share_h if len(samplers) == 1 else min(share_h, max(0.0, limits[d] - begins[d]))
            spans.append(_Span(d, "scoring", "scoring", begins[d], begins[d] + own_h))
            left_h -= own_h
        free = []
        for d, device in enumerate(plan.devices):
            if device.evaluates and device.samples:
                turn = max(device.turn, begins[d])
                start = min(turn + self._hours(self.costs.switch_s), plan.end)
                spans.append(_Span(d, "switching", "switching", turn, start))
                free.append((start, d))
            elif device.evaluates:
                free.append((begins[d], d))
        runs = self._schedule(plan, free)
        spans += [_Span(d, "training", "candidate", start, min(end, plan.end), row) for row, start, end, d in runs]
        cut = self._book(spans, plan.end)
        self._evaluated = [device.evaluates for device in plan.devices]
        return self._report(plan, runs, scored, cut)

    def _ready(self, plan: Plan, spans: list[_Span]) -> list[float]:
        """When each device can begin; changes of stage take their time first."""
        begins = []
        for d, device in enumerate(plan.devices):
            now = max(self.ledger.clock[d], plan.begin)
            changed = self._evaluated is not None and device.samples == self._evaluated[d]
            ready = min(now + self._hours(self.costs.switch_s), plan.end) if changed else min(now, plan.end)
            spans.append(_Span(d, "switching", "switching", now, ready))
            begins.append(ready)
        return begins

    def _schedule(self, plan: Plan, free: list[tuple[float, int]]) -> list[tuple[int, float, float, int]]:
        """(row, begin, end, device) of every training that a device takes: the first free one, the smaller number."""
        heapq.heapify(free)
        runs = []
        for job in plan.jobs:
            if not free or free[0][0] >= plan.end - _TINY_H:
                break
            start, d = heapq.heappop(free)
            needs_s = self._left_s.get(job.row, float(self.problem.seconds(np.array([job.genome]))[0]))
            end = start + self._hours(needs_s)
            runs.append((job.row, start, end, d))
            heapq.heappush(free, (end, d))
        return runs

    def _report(
        self, plan: Plan, runs: list[tuple[int, float, float, int]], scored: Sequence[Job], cut: float
    ) -> Report:
        """Record what ended by the hour's end or the budget's."""
        jobs = {job.row: job for job in plan.jobs}
        started, ended = set(), set()
        for row, start, end, _ in sorted(runs, key=lambda run: run[2]):
            if start >= cut - _TINY_H:
                continue
            started.add(row)
            self.hooks.begin(jobs[row])
            if end <= cut + _TINY_H:
                ended.add(row)
                self._left_s.pop(row, None)
                self._finish(jobs[row], end)
            else:
                self._left_s[row] = self._seconds(end - cut)
                self.hooks.cut(jobs[row])
        left = {row: self._left_s[row] for row in started - ended}
        return Report(frozenset(started), frozenset(ended), left, self._scores(scored))

    def _finish(self, job: Job, end: float) -> None:
        genome = np.array([job.genome])
        error = float(self.problem.column(self.problem.error, genome)[0])
        costs = tuple(self.problem.costs(genome)[0].tolist())
        spent = self.ledger.job(job.proposal)
        self.hooks.record(job, Outcome(error, costs, 1, None, *spent), end)

    def _affordable(self, jobs: Sequence[Job], time_s: float) -> Sequence[Job]:
        """The first so many jobs that so many device-seconds suffice to score."""
        if time_s <= 0:
            return []
        return jobs if self.costs.score_s <= 0 else jobs[: int(time_s / self.costs.score_s + 1e-6)]

    def _scores(self, jobs: Sequence[Job]) -> dict[int, float]:
        if not jobs:
            return {}
        values = self.problem.scores(self._score, np.array([job.genome for job in jobs]))
        return {job.row: float(value) for job, value in zip(jobs, values, strict=True)}

    def _book(self, spans: Sequence[_Span], end: float | None = None) -> float:
        """Charge spans in the order of time, idle time between them and up to `end`.

        Returns the hour at which the carbon budget stops everything, or the end.
        """
        spans = [span for span in spans if span.end > span.begin + _TINY_H]
        last = max([span.end for span in spans] + ([] if end is None else [end]) + [min(self.ledger.clock)])
        idle = self._idle(spans, last if end is not None else None)
        cut = self._time_of_budget([*spans, *idle], last)
        for span in sorted([*spans, *idle], key=lambda span: (span.begin, span.device)):
            stop = min(span.end, cut)
            if stop > span.begin + _TINY_H:
                proposal = None if span.row is None else span.row + 1
                self.ledger.spend(span.device, span.state, span.purpose, self._seconds(stop - span.begin), proposal)
        return cut

    def _idle(self, spans: Sequence[_Span], end: float | None) -> list[_Span]:
        """The gaps between a device's spans, and from its last one to the end."""
        gaps = []
        for d in range(self.devices):
            now = self.ledger.clock[d]
            for span in sorted((s for s in spans if s.device == d), key=lambda s: s.begin):
                gaps.append(_Span(d, "idle", "idle", now, span.begin))
                now = span.end
            gaps.append(_Span(d, "idle", "idle", now, now if end is None else end))
        return [gap for gap in gaps if gap.end > gap.begin + _TINY_H]

    def _time_of_budget(self, spans: Sequence[_Span], last: float) -> float:
        """The hour at which the spans spend what is left of the carbon budget; `last` where they do not."""
        left_g = self._budget_g - self.ledger.emissions_g
        if not np.isfinite(left_g):
            return last
        times = sorted({span.begin for span in spans} | {span.end for span in spans} | {last})
        for begin, end in itertools.pairwise(times):
            rate = sum(self._grams_an_hour(span, begin) for span in spans if span.begin <= begin < span.end)
            if rate * (end - begin) >= left_g:
                return begin + left_g / rate if rate > 0 else begin
            left_g -= rate * (end - begin)
        return last

    def _grams_an_hour(self, span: _Span, hour: float) -> float:
        """Emissions of a span in one trace hour, g, at the intensity of `hour`."""
        kwh = self.ledger.power.power_kw(span.state) * self.ledger.hour_seconds / units.SECONDS_PER_HOUR
        return kwh * self.ledger.trace.at_hour(int(hour + _TINY_H))

    def _hours(self, seconds: float) -> float:
        return seconds / self.ledger.hour_seconds

    def _seconds(self, hours: float) -> float:
        return hours * self.ledger.hour_seconds
