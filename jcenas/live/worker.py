"""What one device does in its part of an hour: sample (propose and score) or evaluate (train from scratch)."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jcenas.live.config import SearchConfig
from jcenas.live.ledger import Ledger
from jcenas.live.objectives import CostObjective
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Outcome, Proposal, SearchState
from jcenas.runtime import checkpoint
from jcenas.train.training import TrainState

CHECKPOINT_EVERY_S = 10.0  # of training; what a kill can cost at most
_EVENT_POLL_S = 0.5


class Phase(NamedTuple):
    """What a device does until a trace hour: "sample" or "evaluate"."""

    stage: str
    until: float


class Shared(NamedTuple):
    """What the workers of all devices share."""

    config: SearchConfig
    folder: RunFolder
    state: SearchState
    ledger: Ledger
    objective: CostObjective
    should_stop: Callable[[], bool]
    notify: Callable[[str], None]
    fractions: dict[int, tuple[int, float]]  # proposal -> (device, share of its steps done)


class Worker:
    """One device at work. All trace time that it uses goes through the ledger."""

    def __init__(self, device: int, programs: DevicePrograms, supernet: TrainState, shared: Shared):
        """Bind a device number, its programs and its copy of the supernet."""
        self.device, self.programs, self.supernet, self.shared = device, programs, supernet, shared
        self._resident: tuple[int, TrainState] | None = None  # the cut training that is still on this device

    @property
    def clock(self) -> float:
        """This device's trace hour."""
        return self.shared.ledger.clock[self.device]

    def work(self, phases: list[Phase]) -> None:
        """Go through the phases of an hour."""
        for phase in phases:
            while self.clock < phase.until - 1e-9 and not self.shared.should_stop():
                if phase.stage == "evaluate" and self._train_next(phase.until):
                    continue
                if self._sample():
                    continue
                self._wait(phase.until)

    def _wait(self, until: float) -> None:
        """Nothing to do: the rest of the phase is idle, waited for in real time only."""
        shared = self.shared
        if shared.config.real_time:
            seconds = (until - self.clock) * shared.config.hour_seconds
            end = time.monotonic() + seconds
            while time.monotonic() < end and not shared.should_stop():
                time.sleep(min(_EVENT_POLL_S, max(0.0, end - time.monotonic())))
            until -= max(0.0, end - time.monotonic()) / shared.config.hour_seconds
        shared.ledger.idle(self.device, until)

    def _sample(self) -> bool:
        """Propose and score one batch; False where the queue is full and enough was scored for what can be trained."""
        shared, config = self.shared, self.shared.config
        state = shared.state
        full = len(state.queue) >= config.queue
        if full and state.scored >= config.oversample * (state.started + config.queue):
            return False
        began = time.perf_counter()
        batch = state.propose(self.clock)
        if not batch:
            return False
        genomes = np.array([p.genome for p in batch], np.int32)
        padded = np.resize(genomes, (config.proposals, 6))
        errors = self.programs.scores(self.supernet, padded)[: len(batch)]
        shared.ledger.spend(self.device, "scoring", "scoring", time.perf_counter() - began)
        state.score(batch, errors, shared.objective.estimate(genomes))
        return True

    def _train_next(self, until: float) -> bool:
        """Train what is first in line until it, the phase or the search ends; False where there is nothing."""
        job = self.shared.state.next_training()
        if job is None:
            return False
        train, steps = self._resume(job)
        total, chunk = int(train.total), self.programs.trainer.chunk_steps
        loss, saved = None, time.perf_counter()  # None: all steps were done before an interruption
        try:
            while steps < total:
                if self.clock >= until - 1e-9 or self.shared.should_stop():
                    self._cut(job, train)
                    return True
                began = time.perf_counter()
                train, loss = self.programs.train_candidate(train, job.genome)
                self._spend(job, began)
                steps += chunk
                self.shared.fractions[job.proposal] = (self.device, steps / total)
                self.shared.notify("")
                if not math.isfinite(loss):
                    break
                if time.perf_counter() - saved > CHECKPOINT_EVERY_S and steps < total:
                    checkpoint.save(self.shared.folder.candidate(job.proposal), train)
                    saved = time.perf_counter()
            self._finish(job, train, steps, loss)
        finally:
            self.shared.fractions.pop(job.proposal, None)
        return True

    def _resume(self, job: Proposal) -> tuple[TrainState, int]:
        """The state of a cut training, from the device or from its checkpoint; fresh weights for a new one."""
        if self._resident is not None and self._resident[0] == job.proposal:
            train = self._resident[1]
        else:
            key = jax.random.fold_in(jax.random.key(self.shared.config.seed), job.proposal)
            train = self.programs.init(key, self.shared.config.epochs)
            folder = self.shared.folder.candidate(job.proposal)
            if checkpoint.exists(folder):
                train = checkpoint.load(folder, train)
        self._resident = None
        return train, int(train.step)

    def _cut(self, job: Proposal, train: TrainState) -> None:
        checkpoint.save(self.shared.folder.candidate(job.proposal), train)
        self._resident = (job.proposal, train)
        self.shared.state.cut(job)

    def _spend(self, job: Proposal, began: float) -> None:
        seconds = time.perf_counter() - began
        self.shared.ledger.spend(self.device, "training", "candidate", seconds, job.proposal)

    def _finish(self, job: Proposal, train: TrainState, steps: int, loss: float | None) -> None:
        shared, reason = self.shared, None
        error = cost = math.nan
        latencies: dict[int, float] = {}
        if loss is None or math.isfinite(loss):
            began = time.perf_counter()
            error = self.programs.validation_error(train, job.genome)
            self._spend(job, began)
            cost, latencies = shared.objective.exact(job.genome, self.programs)
        else:
            reason = f"loss {loss} after {steps} steps"
        spent = shared.ledger.job(job.proposal)
        outcome = Outcome(error, cost, steps, loss, *spent, reason, latencies)
        folder = shared.folder.candidate(job.proposal)
        if reason is None:
            checkpoint.save(folder, train)  # before the row: a recorded evaluation always has its weights
        if not shared.state.finish(job, outcome, self.clock):
            checkpoint.delete(folder)
        shared.notify(_message(job, outcome))


def _message(job: Proposal, outcome: Outcome) -> str:
    if outcome.reason is not None:
        return f"candidate {job.proposal} failed: {outcome.reason}"
    return f"candidate {job.proposal}: validation accuracy {1 - outcome.validation_error:.4f}, cost {outcome.cost:.4g}"
