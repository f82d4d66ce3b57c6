"""The devices of this machine at work, a thread each: score, train from scratch, cut at the hour's end, go on later.

What one device trains, and how many at once, is the matter of `jcenas.live.executors.trainings`.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jcenas.engine.stages import Stage
from jcenas.live.config import SearchConfig
from jcenas.live.executors.executor import DevicePlan, Hooks, Parts, Plan, Report
from jcenas.live.executors.hour import Hour
from jcenas.live.executors.interrupted import charge_standstill
from jcenas.live.executors.supernet import Supernets
from jcenas.live.executors.trainings import DeviceTrainings, Shared
from jcenas.live.ledger import Ledger
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.side_by_side import Slots
from jcenas.live.state import Job
from jcenas.problems.network import NetworkProblem
from jcenas.runtime.running_time import Stopwatch

_TINY_H = 1e-9
_EVENT_POLL_S = 0.5


class LocalExecutor:
    """One thread a device. All time that a device uses goes through the ledger."""

    def __init__(
        self,
        config: SearchConfig,
        folder: RunFolder,
        ledger: Ledger,
        problem: NetworkProblem,
        programs: Sequence[tuple[DevicePrograms, Slots]],
        stage: Stage,
    ):
        """Bind; nothing is trained yet.

        Args:
            config: of the run.
            folder: of the run.
            ledger: to charge.
            problem: what is searched.
            programs: of each device, and of its slots.
            stage: the cheap stage.
        """
        self.config, self.ledger, self.stage = config, ledger, stage
        self.programs = [of_device for of_device, _ in programs]
        self._supernets = (
            Supernets(config, folder, self.programs, few_shot=stage.score == "few-shot") if stage.supernet else None
        )
        shared = Shared(config, folder, ledger, problem, self._spend, {})
        self._trainings = [DeviceTrainings(device, *both, shared) for device, both in enumerate(programs)]

    @classmethod
    def of(cls, parts: Parts) -> "LocalExecutor":
        """The executor `local` of the registry: the networks of a run on this machine's devices."""
        problem = parts.problem
        assert isinstance(problem, NetworkProblem), "SearchConfig refuses a function"
        programs = list(zip(parts.programs, parts.slots, strict=True))
        return cls(parts.config, parts.folder, parts.ledger, problem, programs, parts.stage)

    def close(self) -> None:
        """Nothing to end: a thread lives as long as the work of its device."""

    @property
    def devices(self) -> int:
        """How many."""
        return len(self.programs)

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        self.hooks = hooks
        for trainings in self._trainings:
            trainings.begin(hooks)

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running trainings: row -> (device, share of its steps done)."""
        return {row: where for trainings in self._trainings for row, where in trainings.progress().items()}

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
        hour = Hour(plan)
        self._on_all(lambda device: self._work(device, plan.devices[device], plan.end, hour))
        return hour.report()

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

    def _work(self, device: int, plan: DevicePlan, end: float, hour: Hour) -> None:
        """One device's hour."""
        if plan.samples:
            until = plan.turn if plan.evaluates else end
            while self._open(device, until) and self._score(device, hour):
                pass
            self._wait(device, until)
        if plan.evaluates:
            self._trainings[device].work(lambda: self._open(device, end), hour)
            self._wait(device, end)

    def _open(self, device: int, until: float) -> bool:
        return self.ledger.clock[device] < until - _TINY_H and not self.hooks.should_stop()

    def _wait(self, device: int, until: float) -> None:
        """Nothing to do: the rest is idle, waited for in real time only; not charged where the search was stopped."""
        if not self._open(device, until):
            return
        if self.config.real_time:
            with self.ledger.resting(device):
                while (left_s := self.ledger.seconds_until(until)) > 0 and not self.hooks.should_stop():
                    time.sleep(min(_EVENT_POLL_S, left_s))
            until -= left_s / self.config.hour_s
        self.ledger.idle(device, until)

    def _score(self, device: int, hour: Hour) -> bool:
        """Score one batch with the supernet; False where there is none left."""
        batch = hour.next_batch(self.programs[device].score_batch)
        if not batch or self._supernets is None:
            return False
        watch = Stopwatch()
        errors = self._supernets.errors(self.programs[device], np.array([job.genome for job in batch], np.int32))
        self._spend(device, "scoring", "scoring", watch)
        hour.scores.update({job.row: float(error) for job, error in zip(batch, errors, strict=True)})
        return True

    def _spend(self, device: int, state: str, purpose: str, watch: Stopwatch, proposals: Sequence[int] = ()) -> None:
        """Charge what a device did, for some proposals; time in which the process was stopped is idle."""
        ran, stood = watch.read()
        self.ledger.spend(device, state, purpose, ran, proposals)
        charge_standstill(self.ledger, [device], stood, self.hooks.notify)
