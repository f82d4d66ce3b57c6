"""The devices of this machine at work, a thread each: score, train from scratch, cut at the hour's end, go on later."""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from jcenas.engine.stages import Stage
from jcenas.live.config import SearchConfig
from jcenas.live.executors.executor import DevicePlan, Hooks, Parts, Plan, Report
from jcenas.live.executors.interrupted import charge_standstill, load_or_begin
from jcenas.live.executors.supernet import CHECKPOINT_EVERY_S, Supernets
from jcenas.live.ledger import Ledger
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job, Outcome
from jcenas.problems.network import NetworkProblem
from jcenas.runtime import checkpoint
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.training import TrainState

_TINY_H = 1e-9
_EVENT_POLL_S = 0.5


class _Hour:
    """What the devices of one hour take from: trainings in their order, proposals to score."""

    def __init__(self, plan: Plan):
        self._lock = threading.Lock()
        self._jobs, self._to_score = list(plan.jobs), list(plan.to_score)
        self.started: set[int] = set()
        self.ended: set[int] = set()
        self.left_s: dict[int, float] = {}
        self.scores: dict[int, float] = {}

    def next_job(self) -> Job | None:
        """Take the next training."""
        with self._lock:
            if not self._jobs:
                return None
            job = self._jobs.pop(0)
            self.started.add(job.row)
            return job

    def next_batch(self, size: int) -> list[Job]:
        """Take the next proposals to score."""
        with self._lock:
            batch, self._to_score = self._to_score[:size], self._to_score[size:]
            return batch


class LocalExecutor:
    """One thread a device. All time that a device uses goes through the ledger."""

    def __init__(
        self,
        config: SearchConfig,
        folder: RunFolder,
        ledger: Ledger,
        problem: NetworkProblem,
        programs: Sequence[DevicePrograms],
        stage: Stage,
    ):
        """Bind; nothing is trained yet."""
        self.config, self.folder, self.ledger, self.problem = config, folder, ledger, problem
        self.programs, self.stage = list(programs), stage
        self._supernets = (
            Supernets(config, folder, self.programs, few_shot=stage.score == "few-shot") if stage.supernet else None
        )
        self._resident: dict[int, tuple[int, TrainState]] = {}  # device -> the cut training that is still on it
        self._fractions: dict[int, tuple[int, float]] = {}

    @classmethod
    def of(cls, parts: Parts) -> "LocalExecutor":
        """The executor `local` of the registry: the networks of a run on this machine's devices."""
        problem = parts.problem
        assert isinstance(problem, NetworkProblem), "SearchConfig refuses a function"
        return cls(parts.config, parts.folder, parts.ledger, problem, parts.programs, parts.stage)

    def close(self) -> None:
        """Nothing to end: a thread lives as long as the work of its device."""

    @property
    def devices(self) -> int:
        """How many."""
        return len(self.programs)

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        self.hooks = hooks

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running trainings: row -> (device, share of its steps done)."""
        return dict(self._fractions)

    def prepare(self, until: float) -> bool:
        """Train the supernets until an hour; whether they are done."""
        if self._supernets is None:
            return True
        with self.ledger.working(*range(self.devices)):
            return self._supernets.train(self.ledger, until, self.hooks.should_stop, self.hooks.notify)

    def score_together(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """Training-free scores, on all devices."""
        waiting, lock, scores = list(jobs), threading.Lock(), {}

        def score(device: int) -> None:
            programs = self.programs[device]
            while self.ledger.clock[device] < until - _TINY_H and not self.hooks.should_stop():
                with lock:
                    batch, waiting[:] = waiting[: programs.score_batch], waiting[programs.score_batch :]
                if not batch:
                    return
                watch = Stopwatch()
                values = programs.training_free(np.array([job.genome for job in batch], np.int32))
                self._spend(device, "scoring", "scoring", watch)
                scores.update({job.row: float(value) for job, value in zip(batch, values, strict=True)})

        self._on_all(score)
        return scores

    def work(self, plan: Plan) -> Report:
        """Do the work of an hour on all devices."""
        hour = _Hour(plan)
        self._on_all(lambda device: self._work(device, plan.devices[device], plan.end, hour))
        ended = frozenset(hour.ended)
        return Report(
            frozenset(hour.started), ended, {r: s for r, s in hour.left_s.items() if r not in ended}, hour.scores
        )

    def _on_all(self, function) -> None:
        """Run a function of the device on every device, and wait for all."""

        def work(device: int) -> None:
            with self.ledger.working(device):
                function(device)

        if self.devices == 1:
            work(0)
            return
        with ThreadPoolExecutor(self.devices) as pool:
            for job in [pool.submit(work, device) for device in range(self.devices)]:
                job.result()

    def _work(self, device: int, plan: DevicePlan, end: float, hour: _Hour) -> None:
        """One device's hour."""
        if plan.samples:
            until = plan.turn if plan.evaluates else end
            while self._open(device, until) and self._score(device, hour):
                pass
            self._wait(device, until)
        if plan.evaluates:
            while self._open(device, end) and self._train(device, end, hour):
                pass
            self._wait(device, end)

    def _open(self, device: int, until: float) -> bool:
        return self.ledger.clock[device] < until - _TINY_H and not self.hooks.should_stop()

    def _wait(self, device: int, until: float) -> None:
        """Nothing to do: the rest is idle, waited for in real time only; not charged where the search was stopped."""
        if not self._open(device, until):
            return
        if self.config.real_time:
            clock = self.ledger.clock[device]
            end = time.monotonic() + (until - clock) * self.config.hour_seconds
            with self.ledger.resting(device):
                while time.monotonic() < end and not self.hooks.should_stop():
                    time.sleep(min(_EVENT_POLL_S, max(0.0, end - time.monotonic())))
            until -= max(0.0, end - time.monotonic()) / self.config.hour_seconds
        self.ledger.idle(device, until)

    def _score(self, device: int, hour: _Hour) -> bool:
        """Score one batch with the supernet; False where there is none left."""
        batch = hour.next_batch(self.programs[device].score_batch)
        if not batch or self._supernets is None:
            return False
        watch = Stopwatch()
        errors = self._supernets.errors(self.programs[device], np.array([job.genome for job in batch], np.int32))
        self._spend(device, "scoring", "scoring", watch)
        hour.scores.update({job.row: float(error) for job, error in zip(batch, errors, strict=True)})
        return True

    def _train(self, device: int, until: float, hour: _Hour) -> bool:
        """Train what is next until it, the hour or the search ends; False where there is nothing."""
        job = hour.next_job()
        if job is None:
            return False
        self.hooks.begin(job)
        programs = self.programs[device]
        train, steps = self._resume(device, job)
        total, chunk = int(train.total), programs.trainer.chunk_steps
        loss, saved = None, time.perf_counter()  # None: all steps were done before an interruption
        try:
            while steps < total:
                if not self._open(device, until):
                    self._cut(device, job, train)
                    hour.left_s[job.row] = self._expected_s(job) * (1 - steps / total)
                    return True
                watch = Stopwatch()
                train, loss = programs.train_candidate(train, job.genome)
                self._spend(device, "training", "candidate", watch, job.proposal)
                steps += chunk
                self._fractions[job.row] = (device, steps / total)
                self.hooks.notify("")
                if not math.isfinite(loss):
                    break
                if time.perf_counter() - saved > CHECKPOINT_EVERY_S and steps < total:
                    checkpoint.save(self.folder.candidate(job.proposal), train)
                    saved = time.perf_counter()
            self._finish(device, job, train, steps, loss)
            hour.ended.add(job.row)
        finally:
            self._fractions.pop(job.row, None)
        return True

    def _expected_s(self, job: Job) -> float:
        return float(self.problem.seconds(np.array([job.genome]))[0])

    def _resume(self, device: int, job: Job) -> tuple[TrainState, int]:
        """The state of a cut training, from the device or from its checkpoint; fresh weights for a new one."""
        row, train = self._resident.pop(device, (-1, None))
        if row != job.row or train is None:
            key = jax.random.fold_in(jax.random.key(self.config.seed), job.proposal)
            train = self.programs[device].init(key, self.config.epochs)
            folder = self.folder.candidate(job.proposal)
            train = load_or_begin(folder, train, f"candidate {job.proposal}", self.hooks.notify)
        return train, int(train.step)

    def _cut(self, device: int, job: Job, train: TrainState) -> None:
        checkpoint.save(self.folder.candidate(job.proposal), train)
        self._resident[device] = (job.row, train)
        self.hooks.cut(job)

    def _spend(self, device: int, state: str, purpose: str, watch: Stopwatch, proposal: int | None = None) -> None:
        """Charge what a device did; time in which the process was stopped is idle."""
        ran, stood = watch.read()
        self.ledger.spend(device, state, purpose, ran, proposal)
        charge_standstill(self.ledger, [device], stood, self.hooks.notify)

    def _finish(self, device: int, job: Job, train: TrainState, steps: int, loss: float | None) -> None:
        programs, reason = self.programs[device], None
        error, costs = math.nan, (math.nan,) * len(self.problem.cost_names)
        latencies: dict[int, float] = {}
        if loss is None or math.isfinite(loss):
            watch = Stopwatch()
            error = programs.validation_error(train, job.genome)
            self._spend(device, "training", "candidate", watch, job.proposal)
            costs, latencies = self._costs(device, job)
            if any(map(math.isnan, costs)):
                reason = f"meter {self.ledger.meter.name} gave no readings of its energy that could be used"
        else:
            reason = f"loss {loss} after {steps} steps"
        outcome = Outcome(error, costs, steps, loss, *self.ledger.job(job.proposal), reason, latencies)
        folder = self.folder.candidate(job.proposal)
        if reason is None:
            checkpoint.save(folder, train)  # before the row: a recorded evaluation always has its weights
        if not self.hooks.record(job, outcome, self.ledger.clock[device]):
            checkpoint.delete(folder)
        self.hooks.notify(_message(job, outcome, self.problem.cost_names))

    def _costs(self, device: int, job: Job) -> tuple[tuple[float, ...], dict[int, float]]:
        """The exact costs; latencies by batch size and an inference's energy are measured, and charged as scoring."""
        costs = dict(zip(self.problem.cost_names, self.problem.costs(np.array([job.genome]))[0].tolist(), strict=True))
        latencies, programs, batch = {}, self.programs[device], self.config.latency_batch
        if self.problem.clocked:
            watch = Stopwatch()
            latencies = programs.latencies_s(job.genome)
            self._spend(device, "scoring", "latency", watch)
            costs |= dict.fromkeys(self.problem.clocked, latencies[batch])
        if self.problem.metered:
            watch = Stopwatch()
            joules = programs.inference_energy_j(job.genome, batch, self.ledger.meter, device)
            self._spend(device, "scoring", "inference-energy", watch)
            costs |= dict.fromkeys(self.problem.metered, joules)
        return tuple(costs.values()), latencies


def _message(job: Job, outcome: Outcome, names: Sequence[str]) -> str:
    if outcome.reason is not None:
        return f"candidate {job.proposal} failed: {outcome.reason}"
    costs = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, outcome.costs, strict=True))
    return f"candidate {job.proposal}: validation accuracy {1 - outcome.validation_error:.4f}, {costs}"
