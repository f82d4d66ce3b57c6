"""The trainings of one device: as many at once as it has slots; each begins, goes on, ends, fails or is cut by itself.

A training that was cut lies in its slot and in a checkpoint. It goes on from the slot where this device was the last
to train it and has trained nothing since, else from the checkpoint, on whatever device takes it.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jcenas.live.config import SearchConfig
from jcenas.live.executors.executor import Hooks
from jcenas.live.executors.hour import Hour
from jcenas.live.executors.interrupted import load_or_begin
from jcenas.live.executors.supernet import CHECKPOINT_EVERY_S
from jcenas.live.ledger import Ledger
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.side_by_side import Slots
from jcenas.live.state import Job, Outcome
from jcenas.problems.network import NetworkProblem
from jcenas.runtime import checkpoint
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.training import TrainState


class Shared(NamedTuple):
    """What the devices of a run have in common."""

    config: SearchConfig
    folder: RunFolder
    ledger: Ledger
    problem: NetworkProblem
    spend: Callable[[int, str, str, Stopwatch, Sequence[int]], None]  # device, state, purpose, watch, proposals
    cut_on: dict[int, int]  # row of a cut training -> the device that trained it last


@dataclasses.dataclass
class _Member:
    """A training in a slot."""

    job: Job
    steps: int
    total: int
    saved: float = dataclasses.field(default_factory=time.perf_counter)  # when its checkpoint was written, or it began
    loss: float | None = None  # of the last chunk; None: all steps were done before an interruption

    @property
    def over(self) -> bool:
        """Whether no further step is to be trained."""
        return self.steps >= self.total or not (self.loss is None or math.isfinite(self.loss))


class DeviceTrainings:
    """The slots of one device and who trains in them."""

    def __init__(self, device: int, programs: DevicePrograms, slots: Slots, shared: Shared):
        """Bind; all slots are free."""
        self._device, self._programs, self._slots, self._shared = device, programs, slots, shared
        self._states: Any = None
        self._members: dict[int, _Member] = {}  # by slot
        self._cut: dict[int, _Member] = {}  # that still lie in their slots
        self._fractions: dict[int, tuple[int, float]] = {}

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        self._hooks = hooks

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running trainings: row -> (device, share of its steps done)."""
        return dict(self._fractions)

    def work(self, is_open: Callable[[], bool], hour: Hour) -> None:
        """Train what the hour has left until that is done, or `is_open` says that the hour or the search ends."""
        try:
            while is_open() and self._fill(hour):
                self._advance()
                for slot in [slot for slot, member in self._members.items() if member.over]:
                    self._finish(slot, hour)
            for slot in list(self._members):
                self._stop(slot, hour)
        finally:
            self._members.clear()
            self._fractions.clear()

    def _fill(self, hour: Hour) -> bool:
        """Give the free slots to the next trainings; whether any slot is taken then."""
        while len(self._members) < self._slots.count and (job := hour.next_job()) is not None:
            self._hooks.begin(job)
            self._enter(job)
        return bool(self._members)

    def _enter(self, job: Job) -> None:
        """Go on where the training was cut, or begin it."""
        free = [slot for slot in range(self._slots.count) if slot not in self._members]
        here = self._shared.cut_on.pop(job.row, None) == self._device
        for slot in free if here else []:
            if slot in self._cut and self._cut[slot].job.row == job.row:
                self._members[slot] = dataclasses.replace(self._cut.pop(slot), saved=time.perf_counter(), loss=None)
                return
        slot = min(free, key=lambda slot: slot in self._cut)
        self._cut.pop(slot, None)
        if self._states is None:
            self._states = self._slots.empty()
        train = self._load_or_begin(job)
        self._members[slot] = _Member(job, int(train.step), int(train.total))
        self._states = self._slots.put(self._states, slot, train)

    def _load_or_begin(self, job: Job) -> TrainState:
        """The state of a cut training from its checkpoint; fresh weights for a new one."""
        config, folder = self._shared.config, self._shared.folder
        key = jax.random.fold_in(jax.random.key(config.seed), job.proposal)
        train = self._programs.init(key, config.epochs)
        return load_or_begin(folder.candidate(job.proposal), train, f"candidate {job.proposal}", self._hooks.notify)

    def _advance(self) -> None:
        """Train a chunk of everyone who has steps left, charged once."""
        busy = {slot: member for slot, member in self._members.items() if not member.over}
        if not busy:
            return
        self._cut.clear()  # what lies in free slots is computed too, and is a training no more
        genomes = [busy[slot].job.genome if slot in busy else None for slot in range(self._slots.count)]
        watch = Stopwatch()
        self._states, losses = self._slots.train(self._states, genomes)
        proposals = [member.job.proposal for member in busy.values()]
        self._shared.spend(self._device, "training", "candidate", watch, proposals)
        for slot, member in busy.items():
            member.loss = losses[slot]
            member.steps += self._programs.trainer.chunk_steps
            self._fractions[member.job.row] = (self._device, member.steps / member.total)
        self._hooks.notify("")
        for slot, member in busy.items():
            if time.perf_counter() - member.saved > CHECKPOINT_EVERY_S and not member.over:
                self._save(slot, member.job)
                member.saved = time.perf_counter()

    def _save(self, slot: int, job: Job) -> TrainState:
        train = self._slots.take(self._states, slot)
        checkpoint.save(self._shared.folder.candidate(job.proposal), train)
        return train

    def _stop(self, slot: int, hour: Hour) -> None:
        """Cut a training; it stays in its slot until another wants that."""
        member = self._members.pop(slot)
        self._save(slot, member.job)
        self._cut[slot], self._shared.cut_on[member.job.row] = member, self._device
        self._fractions.pop(member.job.row, None)
        self._hooks.cut(member.job)
        expected_s = float(self._shared.problem.seconds(np.array([member.job.genome]))[0])
        hour.left_s[member.job.row] = expected_s * (1 - member.steps / member.total)

    def _finish(self, slot: int, hour: Hour) -> None:
        """Measure a training that is over, record it, and free its slot."""
        member, problem = self._members.pop(slot), self._shared.problem
        job, reason = member.job, None
        error, costs = math.nan, (math.nan,) * len(problem.cost_names)
        latencies: dict[int, float] = {}
        train = self._slots.take(self._states, slot)
        if member.loss is None or math.isfinite(member.loss):
            watch = Stopwatch()
            error = self._programs.validation_error(train, job.genome)
            self._shared.spend(self._device, "training", "candidate", watch, [job.proposal])
            costs, latencies = self._costs(job)
            if any(map(math.isnan, costs)):
                meter = self._shared.ledger.meter.name
                reason = f"meter {meter} gave no readings of its energy that could be used"
        else:
            reason = f"loss {member.loss} after {member.steps} steps"
        spent = self._shared.ledger.job(job.proposal)
        outcome = Outcome(error, costs, member.steps, member.loss, *spent, reason, latencies)
        folder = self._shared.folder.candidate(job.proposal)
        if reason is None:
            checkpoint.save(folder, train)  # before the row: a recorded evaluation always has its weights
        if not self._hooks.record(job, outcome, self._shared.ledger.clock[self._device]):
            checkpoint.delete(folder)
        self._hooks.notify(_message(job, outcome, problem.cost_names))
        hour.ended.add(job.row)
        self._fractions.pop(job.row, None)

    def _costs(self, job: Job) -> tuple[tuple[float, ...], dict[int, float]]:
        """The exact costs; latencies by batch size and an inference's energy are measured, and charged as scoring."""
        problem, programs, spend = self._shared.problem, self._programs, self._shared.spend
        costs = dict(zip(problem.cost_names, problem.costs(np.array([job.genome]))[0].tolist(), strict=True))
        latencies, batch = {}, self._shared.config.latency_batch
        if problem.clocked:
            watch = Stopwatch()
            latencies = programs.latencies_s(job.genome)
            spend(self._device, "scoring", "latency", watch, [])
            costs |= dict.fromkeys(problem.clocked, latencies[batch])
        if problem.metered:
            watch = Stopwatch()
            joules = programs.inference_energy_j(job.genome, batch, self._shared.ledger.meter, self._device)
            spend(self._device, "scoring", "inference-energy", watch, [])
            costs |= dict.fromkeys(problem.metered, joules)
        return tuple(costs.values()), latencies


def _message(job: Job, outcome: Outcome, names: Sequence[str]) -> str:
    if outcome.reason is not None:
        return f"candidate {job.proposal} failed: {outcome.reason}"
    costs = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, outcome.costs, strict=True))
    return f"candidate {job.proposal}: validation accuracy {1 - outcome.validation_error:.4f}, {costs}"
