"""The devices of a cluster at work: `LocalExecutor` whose devices are lost, come back and join between two hours.

The engine is told how many there are in each hour. A place whose device is gone costs nothing, and its clock goes on
with the others'. A device that comes takes the place at the next hour; one that was lost is waited for within the hour
where an hour is one of the wall (3600 s).
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from jcenas.errors import InputError
from jcenas.live.device_work import DeviceLostError, DeviceWork
from jcenas.live.executors.executor import Hooks, Parts, Plan, Report
from jcenas.live.executors.local import LocalExecutor

PATIENCE_S = 600.0  # without any device, after which the search stops
POLL_S = 0.2


class Fleet(Protocol):
    """Who looks after the devices of a run."""

    def joined(self, numbers: Sequence[int] | None = None) -> Mapping[int, Any]:
        """Devices of these numbers, or of all, that can begin since the last call, each with its `compiling_s`."""
        ...


class Place(DeviceWork, Protocol):
    """A place for a device."""

    @property
    def cluster(self) -> Fleet:
        """Who looks after it."""
        ...

    @property
    def there(self) -> bool:
        """Whether it has one."""
        ...


class RemoteExecutor(LocalExecutor):
    """Devices that come and go."""

    @classmethod
    def of(cls, parts: Parts) -> "RemoteExecutor":
        """The executor `ray` of the registry: the networks of a run on the devices of a cluster."""
        return cls(parts.config, parts.folder, parts.ledger, parts.problem, parts.at_work, parts.stage)

    @property
    def _places(self) -> list[Place]:
        return cast(list[Place], self.at_work)

    def begin(self, hooks: Hooks) -> None:
        """The loop starts; waits for a device where all are gone."""
        self.present = []
        self.hooks = hooks
        for device, place in enumerate(self._places):
            if place.there:
                self._join(device)
        self._meet()

    def _join(self, device: int) -> None:
        """A device takes its place: it has forgotten what lay in its slots."""
        self._trainings[device] = self._trainings_of(device)
        try:
            self._ready(device)
        except DeviceLostError as error:
            self.hooks.notify(f"device {device} is lost: {error}")
            return
        self.present = sorted({*self.present, device})

    def _meet(self) -> None:
        """Between two hours: take in who has come; where nobody is left, wait.

        Raises:
            InputError: nobody came.
        """
        began = time.monotonic()
        while not self._take(self._places[0].cluster.joined()) and not self.hooks.should_stop():
            if time.monotonic() - began > PATIENCE_S:
                raise InputError(
                    f"no device is left for {PATIENCE_S:.0f} s; add one to the cluster, then go on with: "
                    f"{self.config.how_to_resume(self.folder.path)}"
                )
            time.sleep(POLL_S)

    def _take(self, joined: Mapping[int, Any]) -> bool:
        """Take in devices, and charge their compiling; whether any is there now."""
        for device, ready in joined.items():
            self.hooks.notify(f"device {device} joins")
            self.ledger.standing(device, "compiling", "compiling", ready.compiling_s)
            self._join(device)
        return bool(self.present)

    def _absent_until(self, until: float) -> None:
        """The clocks of those that are not there go on."""
        for device in range(len(self.at_work)):
            if device not in self.present:
                self.ledger.pass_over(device, until)

    def prepare(self, until: float) -> bool:
        """Train the supernets until an hour; whether they are done."""
        self._absent_until(until)
        done = super().prepare(until)
        if not done:
            self._meet()
        return done

    def work(self, plan: Plan) -> Report:
        """Do the work of an hour, then see who is there for the next."""
        self._absent_until(plan.end)
        report = super().work(plan)
        self._meet()
        return report

    def _filled(self, device: int, until: float) -> bool:
        """Whether another device takes the place of one that is gone, in this hour: in real time, if one comes."""
        while self.config.real_time and self.ledger.seconds_until(until) > 0 and not self.hooks.should_stop():
            if device in (joined := self._places[device].cluster.joined([device])):
                self._take(joined)
                return device in self.present
            time.sleep(POLL_S)
        return False
