"""The clock of a run and what every second of every device costs.

Each device has a clock in trace hours. Busy time moves it by seconds / hour_seconds and is charged with the power of
its state, the PUE and the intensity of the very interval, split where it crosses trace hours. Idle time is charged too.
Nothing moves the clock but device time of the search's hours. What devices do before and after them (compiling, timing,
the final test) is charged all the same, at the intensity of the hour at which the clock stands, and moves the clock in
real time only (an hour of 3600 s). There the wall clock rules, and what lies between two jobs is idle.

A device that trains several candidates at once is charged once; its interval is divided evenly among them (table
`shares`), so that the books of the candidates add up to those of the device.

Every charge is committed when it is made, so a killed run loses the energy of one chunk of steps at most.

Where a meter counts a device's joules, an interval is charged with those instead of power times time, and has both in
the database. Idle time that is not waited for cannot be measured, and what a device draws between its jobs is charged
in real time only: the trace's idle hours stand for it otherwise.
"""

import dataclasses
import datetime
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from jcenas import units
from jcenas.carbon.accounting import charge
from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.meters.none import NoMeter
from jcenas.carbon.power import STATES, PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.live.database import RunDatabase

_CHARGED = ("seconds", "energy_kwh", "emissions_g")  # of an interval, as in the database
Whose = int | tuple[int, ...] | None  # proposals that an interval is of: none, one, or several that share it evenly
_MERGE_H = 1e-9  # intervals closer than this are one


class HourTotals:
    """Device-seconds by state, energy and emissions of one trace hour."""

    def __init__(self):
        self.seconds: dict[str, float] = dict.fromkeys(STATES, 0.0)
        self.energy_kwh = 0.0
        self.emissions_g = 0.0


class Spent(NamedTuple):
    """What one job has cost so far."""

    seconds: float
    energy_kwh: float
    emissions_g: float


class Measured(NamedTuple):
    """Device time that a meter counted."""

    seconds: float
    measured_j: float
    modelled_j: float  # of the same time, by the power model


class Ledger:
    """Clocks and books of all devices of a run; restores itself from the database."""

    def __init__(
        self,
        database: RunDatabase,
        trace: CarbonTrace,
        power: PowerModel,
        *,
        devices: int,
        hour_seconds: float,
        real_time: bool = False,
        meter: Metering | None = None,
    ):
        """Open the ledger on a trace whose first step is hour 0 of the run; without a meter, energy is modelled."""
        self.trace, self.power, self.hour_seconds = trace, power, hour_seconds
        self.meter = Metering(NoMeter(), ()) if meter is None else meter
        self.database, self._lock = database, threading.Lock()
        self.totals: defaultdict[int, HourTotals] = defaultdict(HourTotals)
        self._open: dict[int, dict] = {}
        self._jobs: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        # Where the clocks stood at the last start; a device that was not there then has missed hours since.
        began: list[float] = database.get_meta("clocks", [0.0] * devices)
        ends = dict(enumerate(began))
        together: defaultdict[int, list[int]] = defaultdict(list)
        for row in database.rows("SELECT interval, proposal FROM shares ORDER BY rowid"):
            together[row["interval"]].append(row["proposal"])
        for row in database.rows("SELECT * FROM intervals ORDER BY id"):
            if row["end_hour"] > row["start_hour"]:
                known = {name: row[name] for name in _CHARGED}
                watts = None if row["measured_j"] is None else row["measured_j"] / row["seconds"]
                proposal = tuple(together[row["id"]]) if row["id"] in together else row["proposal"]
                self._count(row["state"], proposal, row["start_hour"], row["end_hour"], watts, known)
            else:
                self._count_standing(row["state"], row["start_hour"], *(row[name] for name in _CHARGED))
            if row["device"] in ends:
                ends[row["device"]] = max(ends[row["device"]], row["end_hour"])
        # A device that was not there begins where the last of the others stands.
        self.clock = [ends.get(device, max(ends.values())) for device in range(devices)]
        database.set_meta("clocks", self.clock)
        if self.meter.counters:
            database.set_meta("meter", {"name": self.meter.name, "measures": self.meter.measures})
        self._trace_with: Callable[[int], CarbonTrace] | None = None
        self.now_h: Callable[[], float] | None = None  # the present hour of the run, where hours are real ones
        if real_time:
            zero_s = time.monotonic() - max(self.clock) * hour_seconds
            self.now_h = lambda: (time.monotonic() - zero_s) / hour_seconds

    def follow(self, trace_with: Callable[[int], CarbonTrace], *, began_h: float) -> None:
        """From now on ask for the trace with each hour that the clocks reach; none of them stands before `began_h`."""
        self._trace_with = trace_with
        self.clock = [max(hour, began_h) for hour in self.clock]
        self.database.set_meta("clocks", self.clock)

    def _reach(self, end: float) -> None:
        """Make the hours up to a position of the clock known."""
        if self._trace_with is not None:
            trace = self._trace_with(max(0, math.ceil(end - _MERGE_H) - 1))
            with self._lock:
                if len(trace) > len(self.trace):
                    self.trace = trace

    def seconds_until(self, hour: float) -> float:
        """Seconds on the wall until an hour of the run comes; 0 where hours are not real ones."""
        return 0.0 if self.now_h is None else max(0.0, (hour - self.now_h()) * self.hour_seconds)

    @property
    def emissions_g(self) -> float:
        """All emissions so far, gCO2eq."""
        return math.fsum(t.emissions_g for t in self.totals.values())

    @property
    def energy_kwh(self) -> float:
        """All energy so far, kWh, PUE included."""
        return math.fsum(t.energy_kwh for t in self.totals.values())

    @property
    def device_seconds(self) -> float:
        """All device time so far, idle time included, s."""
        return math.fsum(s for t in self.totals.values() for s in t.seconds.values())

    def seconds_by_purpose(self, *, in_hours: bool = False) -> dict[str, float]:
        """Device-seconds by purpose: candidate, supernet, scoring, compiling, idle, ...; all, or what moved a clock."""
        which = "WHERE end_hour > start_hour" if in_hours else ""
        query = f"SELECT purpose, SUM(seconds) AS s FROM intervals {which} GROUP BY purpose ORDER BY purpose"
        return {row["purpose"]: row["s"] for row in self.database.rows(query)}

    @property
    def standing_g(self) -> float:
        """Emissions of what moved no clock, gCO2eq."""
        parts = self.database.rows("SELECT emissions_g FROM intervals WHERE end_hour <= start_hour")
        return math.fsum(part[0] for part in parts)

    def trainings_s(self) -> list[float]:
        """Device-seconds of every training, in the order of their end, those that are not over included."""
        query = (
            "WITH paid AS (SELECT proposal, seconds, end_hour FROM intervals WHERE state = 'training' "
            "AND proposal IS NOT NULL UNION ALL SELECT shares.proposal, seconds * share, end_hour "
            "FROM shares JOIN intervals ON intervals.id = shares.interval) "
            "SELECT SUM(seconds) AS s FROM paid GROUP BY proposal ORDER BY MAX(end_hour), proposal"
        )
        return [row["s"] for row in self.database.rows(query)]

    def emissions_by_purpose(self) -> dict[str, float]:
        """Emissions by purpose, gCO2eq."""
        query = "SELECT purpose, SUM(emissions_g) AS g FROM intervals GROUP BY purpose ORDER BY purpose"
        return {row["purpose"]: row["g"] for row in self.database.rows(query)}

    def measured(self) -> Measured:
        """What the meter counted, and what the model says of the same device time."""
        query = (
            "SELECT COALESCE(SUM(seconds), 0) AS seconds, COALESCE(SUM(measured_j), 0) AS measured_j, "
            "COALESCE(SUM(modelled_j), 0) AS modelled_j FROM intervals WHERE measured_j IS NOT NULL"
        )
        return Measured(*self.database.rows(query)[0])

    def described(self) -> dict[str, str]:
        """Name of the meter and what it counts, as noted when it was last there."""
        return self.database.get_meta("meter") or {"name": self.meter.name, "measures": self.meter.measures}

    def mean_power(self) -> PowerModel:
        """The power model with the mean power of each state as the hours charged it, by model or meter."""
        query = (
            "SELECT state, SUM(COALESCE(measured_j, modelled_j)) / SUM(seconds) AS watts FROM intervals "
            "WHERE end_hour > start_hour GROUP BY state HAVING SUM(seconds) > 0"
        )
        return dataclasses.replace(self.power, **{f"{r['state']}_w": r["watts"] for r in self.database.rows(query)})

    def job(self, proposal: int) -> Spent:
        """What the training of one proposal has cost so far, before and after interruptions."""
        return Spent(*self._jobs[proposal])

    def time_utc(self, hour: float) -> str:
        """UTC time of a trace hour, ISO 8601."""
        return f"{self.trace.start + datetime.timedelta(hours=hour):%Y-%m-%dT%H:%M:%S}Z"

    def ends_at(self) -> float:
        """Trace hours that the trace covers."""
        return len(self.trace) / self.trace.steps_per_hour

    @contextmanager
    def working(self, *devices: int) -> Iterator[None]:
        """These devices are at work in the block: what a meter counts of it is charged with the next busy time."""
        self.meter.begin(devices)
        try:
            yield
        finally:
            self.meter.end(devices)

    @contextmanager
    def resting(self, device: int) -> Iterator[None]:
        """A device at work rests in the block: what a meter counts of it is charged with the next idle time."""
        self.meter.end([device])
        try:
            yield
        finally:
            self.meter.begin([device])

    def spend(
        self, device: int, state: str, purpose: str, seconds: float, proposal: int | Sequence[int] | None = None
    ) -> None:
        """Charge busy time of a device and move its clock, which stops at the end of the trace.

        Args:
            device: number of the device.
            state: what it drew power for.
            purpose: kind of work.
            seconds: that it was busy.
            proposal: whose work it was; several share the interval evenly.
        """
        watts = self._watts(device, seconds)
        now = 0.0 if self.now_h is None else self.now_h()
        self._reach(max(self.clock[device] + seconds / self.hour_seconds, now))
        with self._lock:
            self._catch_up(device, seconds)
            start = self.clock[device]
            end = min(start + seconds / self.hour_seconds, self.ends_at())
            self._book(device, state, purpose, _alike(proposal), start=start, end=end, watts=watts)

    def _watts(self, device: int, seconds: float, *, at_rest: bool = False) -> float | None:
        """Mean power of a device in so many seconds, by what a meter has counted since the last; None: not known."""
        joules = self.meter.take(device, at_rest=at_rest) if seconds > 0 else None
        return None if joules is None else joules / seconds

    def idle(self, device: int, until: float) -> None:
        """Let a device wait until a trace hour; charged as idle. In real time the caller has waited."""
        self._reach(until)
        with self._lock:
            if (end := min(until, self.ends_at())) > self.clock[device]:
                self._rest(device, end)

    def pass_over(self, device: int, until: float) -> None:
        """Let the clock of a device that is not there go on to a trace hour: nobody pays for it."""
        self._reach(until)
        with self._lock:
            self.clock[device] = max(self.clock[device], min(until, self.ends_at()))
            self.database.set_meta("clocks", self.clock)

    def stood_still(self, device: int, seconds: float) -> None:
        """Charge as idle the time in which the process was stopped; it moves no clock but in real time, as idle too."""
        if self.now_h is None:  # else what lies between two jobs is charged when the next one is
            self.standing(device, "idle", "idle", seconds)

    def standing(self, device: int, state: str, purpose: str, seconds: float) -> None:
        """Charge what a device does outside the search's hours, at the intensity of the hour where its clock stands."""
        if seconds <= 0:
            return
        if self.now_h is not None:
            self.spend(device, state, purpose, seconds)
            return
        watts = self._watts(device, seconds)
        self._reach(math.floor(self.clock[device]) + 1.0)
        with self._lock:
            at = min(self.clock[device], self.ends_at() - _MERGE_H)
            charged = self._standing_charge(state, at, seconds, watts)
            place = {"device": device, "state": state, "purpose": purpose, "start_hour": at, "end_hour": at}
            self.database.insert("intervals", **place, proposal=None, **charged)
            self._count_standing(state, at, *(charged[name] for name in _CHARGED))

    def _standing_charge(self, state: str, at: float, seconds: float, watts: float | None) -> dict[str, Any]:
        """What so many seconds cost at the intensity of the step at `at`."""
        energy = self.power.power_kw(state) * seconds / units.SECONDS_PER_HOUR
        if watts is not None:
            energy = watts * self.power.pue / 1000 * seconds / units.SECONDS_PER_HOUR
        emissions = energy * float(self.trace.intensity_g_per_kwh[int(at * self.trace.steps_per_hour)])
        return {"energy_kwh": energy, "emissions_g": emissions, **self._joules(state, seconds, watts)}

    def _joules(self, state: str, seconds: float, watts: float | None) -> dict[str, float | None]:
        """Seconds, and the device's joules as modelled and as measured."""
        measured = None if watts is None else watts * seconds
        return {"seconds": seconds, "modelled_j": self.power.power_w(state) * seconds, "measured_j": measured}

    def _count_standing(self, state: str, at: float, seconds: float, energy: float, emissions: float) -> None:
        """Add a standing charge to the totals of its hour."""
        hour = self.totals[math.floor(at)]
        hour.seconds[state] += seconds
        hour.energy_kwh += energy
        hour.emissions_g += emissions

    def _catch_up(self, device: int, seconds: float) -> None:
        """In real time, charge as idle what passed between this device's last job and this one."""
        if self.now_h is not None:
            began = self.now_h() - seconds / self.hour_seconds
            if began > self.clock[device] + _MERGE_H:
                self._rest(device, min(began, self.ends_at()))

    def _rest(self, device: int, end: float) -> None:
        """Book idle time; it is measured where it is waited for."""
        start = self.clock[device]
        seconds = (end - start) * self.hour_seconds if self.now_h is not None else 0.0
        watts = self._watts(device, seconds, at_rest=True)
        self._book(device, "idle", "idle", None, start=start, end=end, watts=watts)

    def _book(
        self,
        device: int,
        state: str,
        purpose: str,
        proposal: Whose,
        *,
        start: float,
        end: float,
        watts: float | None,
    ) -> None:
        """Charge an interval; one of the same kind and hour that ends where it starts becomes one row with it.

        A measured one that crosses into another hour has a row of its own: its power is not that of the row before.
        """
        self.clock[device] = end
        several = proposal if isinstance(proposal, tuple) else ()
        last, charged = self._open.get(device), self._charged(state, start, end, watts)
        alone = watts is not None and end > math.floor(start) + 1
        same = (state, purpose, proposal, math.floor(start), watts is None, alone)
        with self.database.transaction():
            if last is not None and last["kind"] == same and abs(last["end"] - start) < _MERGE_H:
                if watts is None:  # of one power: charged as one interval
                    charged = self._charged(state, last["start"], end, watts)
                else:
                    charged = {name: last["charged"][name] + value for name, value in charged.items()}
                last |= {"end": end, "charged": charged}
                self.database.update("intervals", last["id"], end_hour=end, **charged)
            else:
                place = {"device": device, "state": state, "purpose": purpose, "start_hour": start, "end_hour": end}
                row = self.database.insert("intervals", **place, proposal=None if several else proposal, **charged)
                for one in several:
                    self.database.insert("shares", interval=row, proposal=one, share=1 / len(several))
                self._open[device] = {"id": row, "kind": same, "start": start, "end": end, "charged": charged}
        self._count(state, proposal, start, end, watts)

    def _charged(self, state: str, start: float, end: float, watts: float | None) -> dict[str, Any]:
        """What an interval costs at the power of its state, or at one that was measured."""
        power = self.power.power_w(state) if watts is None else watts
        energy, emissions = charge(self.trace, start, end, power, pue=self.power.pue, hour_seconds=self.hour_seconds)
        joules = self._joules(state, (end - start) * self.hour_seconds, watts)
        return {"energy_kwh": float(energy), "emissions_g": float(emissions), **joules}

    def _count(
        self,
        state: str,
        proposal: Whose,
        start: float,
        end: float,
        watts: float | None,
        known: dict[str, float] | None = None,
    ) -> None:
        """Add an interval to the totals of the hours that it touches, and evenly to those of its jobs.

        `known`: what was charged for it; it is shared among the hours as it would be charged now, and adds up to that.
        """
        parts = []
        while start < end:
            border = min(end, math.floor(start) + 1.0)
            parts.append((math.floor(start), self._charged(state, start, border, watts)))
            start = border
        for name in _CHARGED if known is not None else ():
            now = math.fsum(part[name] for _, part in parts)
            for _, part in parts:
                part[name] = (known or {})[name] * (part[name] / now if now else 1 / len(parts))
        for number, part in parts:
            hour = self.totals[number]
            hour.seconds[state] += part["seconds"]
            hour.energy_kwh += part["energy_kwh"]
            hour.emissions_g += part["emissions_g"]
            members = () if proposal is None else (proposal,) if isinstance(proposal, int) else proposal
            for one in members:
                for i, name in enumerate(_CHARGED):
                    self._jobs[one][i] += part[name] / len(members)


def _alike(proposal: int | Sequence[int] | None) -> Whose:
    """None for nobody's work and a number for that of one, however they are given."""
    if proposal is None or isinstance(proposal, int):
        return proposal
    return tuple(proposal) if len(proposal) > 1 else next(iter(proposal), None)
