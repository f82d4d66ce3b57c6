"""The trainings of one device: as many at once as it has slots; each begins, goes on, ends, fails or is cut by itself.

A training that was cut lies in its slot and in a checkpoint. It goes on from the slot where this device was the last
to train it and has trained nothing since, else from the checkpoint, on whatever device takes it. So does one whose
device is gone.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jcenas.live.config import SearchConfig
from jcenas.live.device_work import DeviceLostError, DeviceWork
from jcenas.live.executors.executor import Hooks
from jcenas.live.executors.hour import Hour
from jcenas.live.interrupted import CHECKPOINT_EVERY_S
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job, Outcome
from jcenas.problems.problem import Problem
from jcenas.runtime import checkpoint
from jcenas.runtime.running_time import Took


class Shared(NamedTuple):
    """What the devices of a run have in common."""

    config: SearchConfig
    folder: RunFolder
    ledger: Ledger
    problem: Problem
    spend: Callable[[int, str, str, Took, Sequence[int]], None]  # device, state, purpose, seconds, proposals
    cut_on: dict[int, int]  # row of a cut training -> the device that trained it last


@dataclasses.dataclass
class _Member:
    """A training in a slot."""

    job: Job
    steps: int
    total: int
    saved_steps: int  # in its checkpoint
    saved: float = dataclasses.field(default_factory=time.perf_counter)  # when its checkpoint was written, or it began
    loss: float | None = None  # of the last chunk; None: all steps were done before an interruption

    @property
    def over(self) -> bool:
        """Whether no further step is to be trained."""
        return self.steps >= self.total or not (self.loss is None or math.isfinite(self.loss))


class DeviceTrainings:
    """The slots of one device and who trains in them."""

    def __init__(self, device: int, at_work: DeviceWork, shared: Shared):
        """Bind; all slots are free."""
        self._device, self._at_work, self._shared = device, at_work, shared
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
        """Train what the hour has left until that is done, or `is_open` says that the hour or the search ends.

        Raises:
            DeviceLostError: the device is gone; what it trained is given back to the hour.
        """
        try:
            while is_open() and self._fill(hour):
                self._advance()
                for slot in [slot for slot, member in self._members.items() if member.over]:
                    self._finish(slot, hour)
            for slot in list(self._members):
                self._stop(slot, hour)
        except DeviceLostError:
            for member in self._members.values():
                self._give_back(member.job, member.saved_steps / member.total, hour)
            raise
        finally:
            self._members.clear()
            self._fractions.clear()

    def _give_back(self, job: Job, done: float, hour: Hour) -> None:
        """Let another device go on from the last checkpoint, in which a share was done."""
        self._hooks.cut(job)
        hour.give_back(job, self._left_s(job, done))

    def _left_s(self, job: Job, done: float) -> float:
        """Device-seconds that a training still needs when a share is done."""
        return float(self._shared.problem.seconds(np.array([job.genome]))[0]) * (1 - done)

    def _fill(self, hour: Hour) -> bool:
        """Give the free slots to the next trainings; whether any slot is taken then."""
        while len(self._members) < self._at_work.count and (job := hour.next_job()) is not None:
            self._hooks.begin(job)
            try:
                self._enter(job)
            except DeviceLostError:
                self._give_back(job, 0.0, hour)
                raise
        return bool(self._members)

    def _enter(self, job: Job) -> None:
        """Go on where the training was cut, or begin it."""
        free = [slot for slot in range(self._at_work.count) if slot not in self._members]
        here = self._shared.cut_on.pop(job.row, None) == self._device
        for slot in free if here else []:
            if slot in self._cut and self._cut[slot].job.row == job.row:
                self._members[slot] = dataclasses.replace(self._cut.pop(slot), saved=time.perf_counter(), loss=None)
                return
        slot = min(free, key=lambda slot: slot in self._cut)
        self._cut.pop(slot, None)
        entered = self._at_work.enter(slot, job.proposal)
        for line in entered.said:
            self._hooks.notify(line)
        self._members[slot] = _Member(job, entered.steps, entered.total, saved_steps=entered.steps)

    def _advance(self) -> None:
        """Train a chunk of everyone who has steps left, charged once."""
        busy = {slot: member for slot, member in self._members.items() if not member.over}
        if not busy:
            return
        self._cut.clear()  # what lies in free slots is computed too, and is a training no more
        genomes = [busy[slot].job.genome if slot in busy else None for slot in range(self._at_work.count)]
        losses, took = self._at_work.train(genomes)
        proposals = [member.job.proposal for member in busy.values()]
        self._shared.spend(self._device, "training", "candidate", took, proposals)
        for slot, member in busy.items():
            member.loss = losses[slot]
            member.steps += self._at_work.chunk_steps
            self._fractions[member.job.row] = (self._device, member.steps / member.total)
        self._hooks.notify("")
        for slot, member in busy.items():
            if time.perf_counter() - member.saved > CHECKPOINT_EVERY_S and not member.over:
                self._save(slot, member)

    def _save(self, slot: int, member: _Member) -> None:
        self._at_work.save(slot, member.job.proposal)
        member.saved, member.saved_steps = time.perf_counter(), member.steps

    def _stop(self, slot: int, hour: Hour) -> None:
        """Cut a training; it stays in its slot until another wants that."""
        member = self._members[slot]
        self._save(slot, member)
        del self._members[slot]
        self._cut[slot], self._shared.cut_on[member.job.row] = member, self._device
        self._fractions.pop(member.job.row, None)
        self._hooks.cut(member.job)
        hour.left_s[member.job.row] = self._left_s(member.job, member.steps / member.total)

    def _finish(self, slot: int, hour: Hour) -> None:
        """Measure a training that is over, record it, and free its slot."""
        member, problem = self._members[slot], self._shared.problem
        job, reason = member.job, None
        error, costs = math.nan, (math.nan,) * len(problem.cost_names)
        latencies: dict[int, float] = {}
        if member.loss is None or math.isfinite(member.loss):
            error, took = self._at_work.validation_error(slot, job.genome)
            self._shared.spend(self._device, "training", "candidate", took, [job.proposal])
            costs, latencies = self._costs(job)
            if any(map(math.isnan, costs)):
                meter = self._shared.ledger.meter.name
                reason = f"meter {meter} gave no readings of its energy that could be used"
        else:
            reason = f"loss {member.loss} after {member.steps} steps"
        spent = self._shared.ledger.job(job.proposal)
        outcome = Outcome(error, costs, member.steps, member.loss, *spent, reason, latencies)
        if reason is None:
            self._save(slot, member)  # before the row: a recorded evaluation always has its weights
        del self._members[slot]
        if not self._hooks.record(job, outcome, self._shared.ledger.clock[self._device]):
            checkpoint.delete(self._shared.folder.candidate(job.proposal))
        self._hooks.notify(_message(job, outcome, problem.cost_names))
        hour.ended.add(job.row)
        self._fractions.pop(job.row, None)

    def _costs(self, job: Job) -> tuple[tuple[float, ...], dict[int, float]]:
        """The exact costs; latencies by batch size and an inference's energy are measured, and charged as scoring."""
        problem, at_work, spend = self._shared.problem, self._at_work, self._shared.spend
        costs = dict(zip(problem.cost_names, problem.costs(np.array([job.genome]))[0].tolist(), strict=True))
        latencies = {}
        if clocked := getattr(problem, "clocked", ()):
            latencies, took = at_work.latencies_s(job.genome)
            spend(self._device, "scoring", "latency", took, [])
            costs |= dict.fromkeys(clocked, latencies[self._shared.config.latency_batch])
        if metered := getattr(problem, "metered", ()):
            joules, took = at_work.inference_energy_j(job.genome, self._shared.ledger.meter, self._device)
            spend(self._device, "scoring", "inference-energy", took, [])
            costs |= dict.fromkeys(metered, joules)
        return tuple(costs.values()), latencies


def _message(job: Job, outcome: Outcome, names: Sequence[str]) -> str:
    if outcome.reason is not None:
        return f"candidate {job.proposal} failed: {outcome.reason}"
    costs = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, outcome.costs, strict=True))
    return f"candidate {job.proposal}: validation accuracy {1 - outcome.validation_error:.4f}, {costs}"
