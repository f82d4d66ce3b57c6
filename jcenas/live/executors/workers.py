"""Worker processes that evaluate a user's function, one a device: begun, paused at the end of the hour, gone on later.

One thread looks after all of them. Time is charged in slices while an evaluation goes on, so that a kill loses one
slice, and a carbon budget stops what runs. A worker that dies is one failed evaluation, and is replaced.
"""

import contextlib
import math
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import NamedTuple

import numpy as np

from jcenas.live.executors.executor import Hooks, Parts, Plan, Report
from jcenas.live.executors.worker import Answer, Task, Worker, problem_with
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job, Outcome
from jcenas.problems.function import FunctionProblem

SLICE_S = 0.5  # of time that is charged at once
GRACE_S = 10.0  # to pause, where the search is stopped; then the process is killed
_TINY_H = 1e-9
_LARGEST_SEED = 2**31


class Settings(NamedTuple):
    """What the executor needs of a search's settings."""

    seed: int
    epochs: int
    real_time: bool


class _Call:
    """An evaluation in progress."""

    def __init__(self, job: Job):
        self.job, self.charged = job, time.monotonic()  # up to when its seconds are in the ledger
        self.told_to_pause: float | None = None  # when


class _Hour:
    """What the devices of one hour take from, and what became of it."""

    def __init__(self, plan: Plan):
        self.plan, self.jobs = plan, list(plan.jobs)
        self.waits: dict[int, tuple[float, float]] = {}  # device -> since when on the wall, and its clock
        self.started: set[int] = set()
        self.ended: set[int] = set()
        self.left_s: dict[int, float] = {}

    def report(self) -> Report:
        """As the loop wants it."""
        left = {row: seconds for row, seconds in self.left_s.items() if row not in self.ended}
        return Report(frozenset(self.started), frozenset(self.ended), left, {})


class WorkersExecutor:
    """Worker processes. All time that one works goes through the ledger."""

    def __init__(
        self, problem: FunctionProblem, folder: RunFolder, ledger: Ledger, settings: Settings, *, devices: int
    ):
        """Bind; no process is started yet.

        Args:
            problem: whose function is called.
            folder: of the run.
            ledger: to charge.
            settings: of the search.
            devices: how many workers.
        """
        self.problem, self.folder, self.ledger, self.settings = problem, folder, ledger, settings
        self.devices = devices
        self._workers: list[Worker] = []
        self._calls: list[_Call | None] = [None] * devices
        self._tries: Counter[int] = Counter()
        self._done: dict[int, float] = {}  # row -> share, as it said when it paused
        self._seconds: list[float] = []  # of finished evaluations

    @classmethod
    def of(cls, parts: Parts) -> "WorkersExecutor":
        """The executor `workers` of the registry: a process a device, which calls the user's function."""
        problem, config = parts.problem, parts.config
        assert isinstance(problem, FunctionProblem), "SearchConfig refuses networks"
        settings = Settings(config.seed, config.epochs, config.real_time)
        return cls(problem, parts.folder, parts.ledger, settings, devices=parts.devices)

    # --- what the loop asks ------------------------------------------------------------------------------------------

    def begin(self, hooks: Hooks) -> None:
        """Start the processes, which import the user's program: charged, before the first hour.

        Raises:
            InputError: a process cannot import what it needs.
        """
        self.hooks = hooks
        began = time.monotonic()
        self._workers = []
        with self.ledger.working(*range(self.devices)):
            for device in range(self.devices):
                self._workers.append(Worker(device, self.problem.evaluate))
            for device, worker in enumerate(self._workers):
                worker.wait_until_ready()
                self.ledger.standing(device, "compiling", "starting", time.monotonic() - began)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.kill()
        self._workers = []

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running evaluations: row -> (device, share done, by what is expected)."""
        calls = [(device, call) for device, call in enumerate(self._calls) if call is not None]
        return {call.job.row: (device, self._share(call.job)) for device, call in calls}

    def prepare(self, until: float) -> bool:
        """Nothing to prepare."""
        del until
        return True

    def score_together(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """No score, and no time: the predictor looks at the genomes."""
        del until
        return {job.row: math.nan for job in jobs}

    def work(self, plan: Plan) -> Report:
        """Do the work of an hour; an evaluation that does not pause at its end goes on to its own."""
        hour = _Hour(plan)
        while True:
            open_ = [self._calls[d] is None and self._next(d, hour) for d in range(self.devices)]
            calls = [d for d, call in enumerate(self._calls) if call is not None]
            if not calls and not any(open_):
                return hour.report()
            with contextlib.suppress(OSError):
                wait([self._workers[d].connection for d in calls], self._patience(calls))
            for device in calls:
                self._look(device, hour)
            if calls:
                self.hooks.notify("")

    # --- a device that is free ---------------------------------------------------------------------------------------

    def _next(self, device: int, hour: _Hour) -> bool:
        """Begin what is next on a free device; whether it still waits for something in this hour."""
        plan, end = hour.plan.devices[device], hour.plan.end
        if plan.samples and not self._waited(device, plan.turn if plan.evaluates else end, hour):
            return True
        if plan.evaluates and hour.jobs and self._open(device, end):
            self._begin(device, hour.jobs.pop(0), hour)
            return False
        return not self._waited(device, end, hour)

    def _open(self, device: int, until: float) -> bool:
        return self.ledger.clock[device] < until - _TINY_H and not self.hooks.should_stop()

    def _waited(self, device: int, until: float, hour: _Hour) -> bool:
        """Let a device idle until a trace hour; in real time, whether that hour has come on the wall."""
        clock = self.ledger.clock[device]
        if clock >= until - _TINY_H:
            return True
        if self.settings.real_time:
            since, before = hour.waits.get(device, (0.0, -1.0))
            if before != clock:
                since, before = hour.waits[device] = time.monotonic(), clock
            passed = clock + (time.monotonic() - since) / self.ledger.hour_seconds
            if self.ledger.now_h is not None:  # what passed between two waits counts as well
                passed = max(passed, self.ledger.now_h())
            if passed < until and not self.hooks.should_stop():
                return False
            until = min(until, passed)
        elif self.hooks.should_stop():
            return True  # time that did not pass is not charged
        self.ledger.idle(device, until)
        return True

    def _begin(self, device: int, job: Job, hour: _Hour) -> None:
        """Hand an evaluation to a worker, or hand it over again."""
        hour.started.add(job.row)
        self.hooks.begin(job)
        folder = self.folder.candidate(job.proposal).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        left_s = (hour.plan.end - self.ledger.clock[device]) * self.ledger.hour_seconds
        seed = int(np.random.SeedSequence([self.settings.seed, job.proposal]).generate_state(1)[0]) % _LARGEST_SEED
        call = self._calls[device] = _Call(job)
        self.ledger.meter.begin([device])
        self._workers[device].ask(
            Task(self.problem.given(job.genome), seed, self.settings.epochs, folder, max(left_s, 0.0))
        )
        call.charged = time.monotonic()
        self.hooks.notify("")

    # --- a device that evaluates -------------------------------------------------------------------------------------

    def _patience(self, calls: list[int]) -> float:
        """Seconds until somebody has to look again."""
        left = [self._limit_left_s(call.job) for d in calls if (call := self._calls[d]) is not None]
        return max(0.01, min([SLICE_S, *left]))

    def _limit_left_s(self, job: Job) -> float:
        return self.problem.time_limit_s - self.ledger.job(job.proposal).seconds

    def _look(self, device: int, hour: _Hour) -> None:
        """Charge what has passed, and see what became of an evaluation."""
        call = self._calls[device]
        assert call is not None, "the device evaluates"
        answer = self._workers[device].answer()
        now = time.monotonic()
        self.ledger.spend(device, "training", "candidate", now - call.charged, call.job.proposal)
        call.charged = now
        if answer is not None:
            self._calls[device] = None
            self._take(device, call.job, answer, hour)
        elif self._limit_left_s(call.job) <= 0:
            self._calls[device] = None
            self._replace(device)
            limit = f"longer than the time limit of {self.problem.time_limit_s:g} s"
            self._fail(device, call.job, limit, hour)
        elif self.hooks.should_stop():
            self._stop(device, call, hour)
        if self._calls[device] is None:  # it may have been handed over again
            self.ledger.meter.end([device])

    def _stop(self, device: int, call: _Call, hour: _Hour) -> None:
        """The search ends: ask for a pause, and wait for it a while."""
        if call.told_to_pause is None:
            call.told_to_pause = time.monotonic()
            self._workers[device].pause()
        elif time.monotonic() - call.told_to_pause > GRACE_S:
            self._calls[device] = None
            self._workers[device].kill()  # goes on from its last checkpoint in another start of the search
            self._cut(call.job, self._done.get(call.job.row, 0.0), hour)

    def _take(self, device: int, job: Job, answer: Answer, hour: _Hour) -> None:
        """An evaluation ended, paused or failed."""
        if answer.done is not None:
            self._cut(job, answer.done, hour)
        elif answer.values is not None:
            wrong = problem_with(answer.values, self.problem.returned, self.problem.reference[0])
            if wrong is None:
                self._finish(device, job, answer.values, hour)
            else:
                self._fail(device, job, wrong, hour)
        else:
            if answer.died:
                self._replace(device)
            self._tries[job.row] += 1
            reason = answer.reason or "no reason was given"
            if self._tries[job.row] <= self.problem.retries and self._open(device, hour.plan.end):
                self.hooks.notify(f"candidate {job.proposal} is tried again: {reason}")
                self._begin(device, job, hour)
            elif self._tries[job.row] <= self.problem.retries:
                self._cut(job, 0.0, hour)  # tried again in a later hour
            else:
                self._fail(device, job, reason, hour, answer.trace)

    def _replace(self, device: int) -> None:
        """Start another process in the place of one that died or has to; charged."""
        began = time.monotonic()
        self._workers[device].kill()
        if self.hooks.should_stop():
            return
        self._workers[device] = Worker(device, self.problem.evaluate)
        self._workers[device].wait_until_ready()
        self.ledger.spend(device, "compiling", "starting", time.monotonic() - began)

    def _cut(self, job: Job, done: float, hour: _Hour) -> None:
        """An evaluation will go on later."""
        self._done[job.row] = done
        share = self._share(job)
        hour.left_s[job.row] = max(self._expected_s(job) * (1 - share), 1e-3)
        self.hooks.cut(job)

    def _expected_s(self, job: Job) -> float:
        """Seconds of the whole evaluation: by what has passed, as the user said, or as the others took."""
        done = self._done.get(job.row, 0.0)
        if done > 0:
            return self.ledger.job(job.proposal).seconds / done
        if self.problem.expected_s is None and self._seconds:
            return float(np.mean(self._seconds))
        return float(self.problem.seconds(np.array([job.genome]))[0])

    def _share(self, job: Job) -> float:
        spent = self.ledger.job(job.proposal).seconds
        return min(spent / self._expected_s(job), 0.99) if spent > 0 else 0.0

    # --- the end of an evaluation ------------------------------------------------------------------------------------

    def _finish(self, device: int, job: Job, values: list[float], hour: _Hour) -> None:
        """Record what it showed; its folder stays where it is on the front."""
        names = self.problem.cost_names
        known = dict(zip(names, self.problem.costs(np.array([job.genome]))[0].tolist(), strict=True))
        known |= dict(zip(self.problem.returned, values[1:], strict=True))
        costs = tuple(known[name] for name in names)
        spent = self.ledger.job(job.proposal)
        self._seconds.append(spent.seconds)
        hour.ended.add(job.row)
        if not self.hooks.record(job, Outcome(values[0], costs, 1, None, *spent), self.ledger.clock[device]):
            shutil.rmtree(self.folder.candidate(job.proposal), ignore_errors=True)
        said = ", ".join(f"{name} {cost:.4g}" for name, cost in zip(names, costs, strict=True))
        self.hooks.notify(f"candidate {job.proposal}: error {values[0]:.4g}, {said}")

    def _fail(self, device: int, job: Job, reason: str, hour: _Hour, trace: str = "") -> None:
        """Record a failure; its folder stays, with where it happened."""
        if trace:
            with contextlib.suppress(OSError):
                (self.folder.candidate(job.proposal) / "error.txt").write_text(trace)
        hour.ended.add(job.row)
        unknown = (math.nan,) * len(self.problem.cost_names)
        outcome = Outcome(math.nan, unknown, 0, None, *self.ledger.job(job.proposal), reason)
        self.hooks.record(job, outcome, self.ledger.clock[device])
        self.hooks.notify(f"candidate {job.proposal} failed: {reason}")
