"""The devices of a run at work, a thread each: score, train from scratch, cut at the hour's end, go on later.

They are this machine's here; `jcenas.live.executors.ray` has others, which can be lost and come back. What one device
trains, and how many at once, is the matter of `jcenas.live.executors.trainings`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from jcenas.engine.stages import Stage
from jcenas.live.config import SearchConfig
from jcenas.live.device_work import DeviceLostError, DeviceWork
from jcenas.live.executors.executor import DevicePlan, Hooks, Parts, Plan, Report
from jcenas.live.executors.hour import Hour
from jcenas.live.executors.supernet import Supernets
from jcenas.live.executors.trainings import DeviceTrainings, Shared
from jcenas.live.interrupted import charge_standstill
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job
from jcenas.problems.problem import Problem
from jcenas.runtime.running_time import Took

_TINY_H = 1e-9
_EVENT_POLL_S = 0.5


class LocalExecutor:
    """One thread a device. All time that a device uses goes through the ledger."""

    def __init__(
        self,
        config: SearchConfig,
        folder: RunFolder,
        ledger: Ledger,
        problem: Problem,
        at_work: Sequence[DeviceWork],
        stage: Stage,
    ):
        """Bind; nothing is trained yet.

        Args:
            config: of the run.
            folder: of the run.
            ledger: to charge.
            problem: what is searched.
            at_work: every device, by its number.
            stage: the cheap stage.
        """
        self.config, self.folder, self.ledger, self.stage = config, folder, ledger, stage
        self.at_work = list(at_work)
        self.present = list(range(len(at_work)))  # devices that are there, in the order of an hour's plan
        self._supernets = Supernets(ledger, self.at_work) if stage.supernet else None
        self._shared = Shared(config, folder, ledger, problem, self._spend, {})
        self._trainings = [self._trainings_of(device) for device in self.present]

    @classmethod
    def of(cls, parts: Parts) -> "LocalExecutor":
        """The executor `local` of the registry: the networks of a run on this machine's devices."""
        return cls(parts.config, parts.folder, parts.ledger, parts.problem, parts.at_work, parts.stage)

    def _trainings_of(self, device: int) -> DeviceTrainings:
        return DeviceTrainings(device, self.at_work[device], self._shared)

    def close(self) -> None:
        """Nothing to end: a thread lives as long as the work of its device."""

    @property
    def devices(self) -> int:
        """How many are there."""
        return len(self.present)

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        self.hooks = hooks
        for device in self.present:
            self._ready(device)

    def _ready(self, device: int) -> None:
        """A device can begin."""
        self.at_work[device].open(self.folder)
        self._trainings[device].begin(self.hooks)

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running trainings: row -> (device, share of its steps done)."""
        return {row: where for trainings in self._trainings for row, where in trainings.progress().items()}

    def prepare(self, until: float) -> bool:
        """Train the supernets until an hour; whether they are done."""
        while self._supernets is not None and self.present:
            try:
                with self.ledger.working(*self.present):
                    return self._supernets.train(self.present, until, self.hooks.should_stop, self.hooks.notify)
            except DeviceLostError as error:
                self._lost(self.present[0], until, error)
        return self._supernets is None

    def score_together(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """Training-free scores, on all devices."""
        waiting, lock, scores = list(jobs), threading.Lock(), {}

        def score(device: int) -> None:
            at_work = self.at_work[device]
            while self._open(device, until):
                with lock:
                    batch, waiting[:] = waiting[: at_work.score_batch], waiting[at_work.score_batch :]
                if not batch:
                    return
                try:
                    values, took = at_work.training_free([job.genome for job in batch])
                except DeviceLostError:
                    with lock:
                        waiting[:0] = batch
                    raise
                self._spend(device, "scoring", "scoring", took)
                scores.update({job.row: value for job, value in zip(batch, values, strict=True)})

        self._on_all(score, until)
        return scores

    def work(self, plan: Plan) -> Report:
        """Do the work of an hour on all devices."""
        hour, plans = Hour(plan), dict(zip(self.present, plan.devices, strict=True))
        self._on_all(lambda device: self._work(device, plans[device], plan.end, hour), plan.end)
        return hour.report()

    def _on_all(self, function: Callable[[int], None], until: float) -> None:
        """Run a function of the device on every device until a trace hour, and wait for all."""

        def work(device: int) -> None:
            while True:
                try:
                    with self.ledger.working(device):
                        return function(device)
                except DeviceLostError as error:
                    if not self._lost(device, until, error):
                        return

        if self.devices == 1:
            work(self.present[0])
            return
        with ThreadPoolExecutor(max(self.devices, 1)) as pool:
            for job in [pool.submit(work, device) for device in self.present]:
                job.result()

    def _lost(self, device: int, until: float, error: DeviceLostError) -> bool:
        """A device is gone: the others go on without it, and nothing is charged for it up to a trace hour.

        Returns whether there is another one in its place before that hour.
        """
        self.present = [other for other in self.present if other != device]
        self.hooks.notify(f"device {device} is lost: {error}")
        if self._filled(device, until):
            return True
        self.ledger.pass_over(device, until)
        return False

    def _filled(self, device: int, until: float) -> bool:
        """Whether another device takes the place of one that is gone, before a trace hour: none of this machine's."""
        del device, until
        return False

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
        batch = hour.next_batch(self.at_work[device].score_batch)
        if not batch or self._supernets is None:
            return False
        try:
            errors, took = self.at_work[device].supernet_errors([job.genome for job in batch])
        except DeviceLostError:
            hour.give_back_batch(batch)
            raise
        self._spend(device, "scoring", "scoring", took)
        hour.scores.update({job.row: error for job, error in zip(batch, errors, strict=True)})
        return True

    def _spend(self, device: int, state: str, purpose: str, took: Took, proposals: Sequence[int] = ()) -> None:
        """Charge what a device did, for some proposals; time in which the process was stopped is idle."""
        self.ledger.spend(device, state, purpose, took.ran, proposals)
        charge_standstill(self.ledger, [device], took.stood, self.hooks.notify)
