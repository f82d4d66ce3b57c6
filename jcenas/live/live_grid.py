"""The live grid: the intensity of each hour is asked for when the hour comes, and kept in the run database.

Hours to come are unknown. An hour is charged at what was known when it came, and stays so: what a service corrects
later is not charged anew. Where no provider answers, the last known hour stands in, is marked so, and the user is told.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import numpy as np

from jcenas import units
from jcenas.carbon.providers import partial
from jcenas.carbon.providers.base import Fallback, Provider, ProviderError
from jcenas.carbon.providers.names import chain_from_name, services, zone_to_ask
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import LEAD_H, Forecast, GridHours
from jcenas.live.database import RunDatabase
from jcenas.live.grid_facts import HELD, facts, in_words
from jcenas.live.trace_files import extended

HOUR = timedelta(hours=1)


class Asking(Protocol):
    """Who is asked, and for what: part of the configuration of a search, and of a job of `jcenas run`."""

    @property
    def provider(self) -> str:
        """Names of the providers, with commas between them."""
        ...

    @property
    def zone(self) -> str:
        """Of the grid; perhaps empty."""
        ...

    @property
    def start(self) -> str:
        """Time that is taken for now; empty for the machine's."""
        ...

    @property
    def forecast(self) -> Forecast:
        """What is told of the coming hours."""
        ...

    @property
    def real_time(self) -> bool:
        """Whether an hour of the grid is an hour on the wall."""
        ...


class GridHour(NamedTuple):
    """What was known of an hour when it came; fields as in the table `grid` of run.db."""

    intensity_g_per_kwh: float
    estimated: bool
    source: str  # the provider that answered, or `HELD`
    kind: str  # average or marginal
    factors: str  # life-cycle or direct
    note: str = ""


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class LiveGrid:
    """The grid of one run, as far as it is known. Any thread may ask.

    Attributes:
        zone: of the grid.
        start: UTC hour in which the run began.
        chain: who is asked.
        beside: whether a service's own forecasts are asked for too, and kept beside ours.
        began_h: where this process began, in hours since the start; 0 where hours are not real ones.
    """

    def __init__(
        self,
        config: Asking,
        start: datetime,
        before: np.ndarray,
        *,
        log: Callable[[str], None],
        hours: Sequence[GridHour] = (),
        chain: Fallback | None = None,
        now: Callable[[], datetime] | None = None,
    ):
        """Bind the grid of a run; nobody is asked yet.

        Args:
            config: names the providers, the zone, and the forecast that theirs is held beside.
            start: UTC hour in which the run begins.
            before: hourly intensities of the hours before, the latest last; perhaps none.
            log: told of every provider that failed, and of hours that nobody knew.
            hours: that are known already, from `start` on.
            chain: instead of what the configuration names.
            now: the clock; the machine's if None.
        """
        self.zone, self.start = zone_to_ask(config.provider, config.zone), start
        self._forecast: Forecast = config.forecast
        self.chain = chain or chain_of(config, log)
        self._services = services(config.provider, self.chain.providers)
        self._before, self._hours, self._log = np.asarray(before, float), list(hours), log
        self._now, self.beside = now or utc_now, True
        self.began_h = max(0.0, self.now_h()) if config.real_time else 0.0
        self._lock = threading.RLock()
        self._database: RunDatabase | None = None
        self._unwritten: list[tuple[str, dict[str, Any]]] = []
        self._both = self._made() if self._hours else None

    def known(self, hour: int) -> GridHours:
        """All that is known, with at least this hour of the run: asks for those that are not.

        Raises:
            ProviderError: not even the first hour can be had.
        """
        return self._with(hour)[0]

    def trace(self, hour: int) -> CarbonTrace:
        """The trace with this hour, its last intensity held behind the end: what a ledger charges by."""
        return self._with(hour)[1]

    def _with(self, hour: int) -> tuple[GridHours, CarbonTrace]:
        """Both forms of what is known; whoever needs no new hour does not wait for one who asks."""
        both = self._both
        if both is None or hour >= both[0].trace.hours:
            with self._lock:
                if hour > len(self._hours):
                    self._pass(len(self._hours), hour)
                if hour == len(self._hours):
                    self._come(hour)
                both = self._both
        assert both is not None, "an hour is known"
        return both

    def source(self, hour: int) -> str:
        """Who said what an hour's intensity is, in a few words; empty where it is not known yet."""
        if hour >= len(self._hours):
            return ""
        found = self._hours[hour]
        return f"{found.source}, estimated" if found.estimated and found.source != HELD else found.source

    def in_words(self) -> list[str]:
        """How many hours came from whom in which accounting, and a warning where they differ in it."""
        found = facts([hour._asdict() | {"hour": number} for number, hour in enumerate(self._hours)], [])
        return in_words(found) if found else []

    def now_h(self) -> float:
        """The present moment in hours since the start of the run."""
        return (self._now() - self.start) / HOUR

    def attach(self, database: RunDatabase) -> None:
        """From now on write each hour when it is known; those that are known already are written now."""
        with self._lock, database.transaction():
            self._database = database
            for table, values in self._unwritten:
                database.replace(table, **values)
            self._unwritten = []

    # --- hours that come ---------------------------------------------------------------------------------------------

    def _time(self, hour: int) -> datetime:
        return self.start + hour * HOUR

    def _come(self, hour: int) -> None:
        """Ask for the hour that has come, and for the forecast of whoever knew it."""
        start, provider = self._time(hour), None
        try:
            provider, trace = self.chain.first(lambda one: partial.present(one, self.zone, start))
        except ProviderError as error:
            if not self._hours:
                raise
            self._add([self._held(str(error))])
            held = self._hours[-1].intensity_g_per_kwh
            self._log(f"grid: {start:%Y-%m-%d %H:%M} UTC: {error}; {held:.0f} g/kWh, the last known, stands in")
        else:
            flags = trace.estimated
            self._add([_hour(provider, trace, trace.mean(), flags is not None and bool(flags.any()))])
            self._hold_beside(hour, provider)

    def _pass(self, first: int, last: int) -> None:
        """Ask for the hours [first, last), which went by while the run stood still."""
        begin, count = self._time(first), last - first
        try:
            provider, part = self.chain.first(lambda one: partial.recorded(one, self.zone, begin, self._time(last)))
        except ProviderError as error:
            if not self._hours:
                raise
            self._log(f"grid: {count} h from {begin:%Y-%m-%d %H:%M} UTC on: {error}; the last known hour stands in")
            self._add([self._held(str(error))] * count)
            return
        for value, flag in zip(*partial.by_hour(part, begin, count), strict=True):
            if np.isfinite(value):
                self._add([_hour(provider, part, float(value), bool(flag))])
            elif self._hours:
                self._add([self._held(f"{provider.name} left it out")])
            else:
                raise ProviderError(f"{provider.name} does not know the hour from {begin:%Y-%m-%d %H:%M} UTC on")

    def _held(self, why: str) -> GridHour:
        """The last known hour in the place of one that nobody knows."""
        return self._hours[-1]._replace(estimated=True, source=HELD, note=why[:1000])

    def _add(self, hours: Sequence[GridHour]) -> None:
        """Take in hours that are known from now on."""
        for hour in hours:
            time = f"{self._time(len(self._hours)):%Y-%m-%dT%H:%M:%SZ}"
            values = hour._asdict() | {"estimated": int(hour.estimated)}
            self._write("grid", hour=len(self._hours), time_utc=time, **values)
            self._hours.append(hour)
        self._both = self._made()

    def _hold_beside(self, hour: int, provider: Provider) -> None:
        """Write the provider's own forecast of the coming day beside the one that the policy is told."""
        if not self.beside or provider.name not in self._services:
            return
        try:
            theirs = partial.coming(provider, self.zone, self._time(hour + 1), LEAD_H - 1)
        except ProviderError as error:
            if hour == 0:
                self._log(f"grid: no forecast by {provider.name} to hold beside ours ({error})")
            return
        ours = self.known(hour).forecast(self._forecast, hour)[1:, 1]
        for lead, both in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True), start=1):
            if both[1] == both[1]:
                names = ("ours_g_per_kwh", "theirs_g_per_kwh")
                values = dict(zip(names, both, strict=True))
                self._write("forecasts", issued=hour, lead=lead, source=provider.name, **values)

    def _write(self, table: str, **values: Any) -> None:
        if self._database is None:
            self._unwritten.append((table, values))
        else:
            self._database.replace(table, **values)

    def _made(self) -> tuple[GridHours, CarbonTrace]:
        """What is known as the engine and the ledger take it."""
        trace = CarbonTrace(
            start=self.start,
            intensity_g_per_kwh=np.array([hour.intensity_g_per_kwh for hour in self._hours]),
            step_seconds=int(units.SECONDS_PER_HOUR),
            zone=self.zone,
            source=f"{self.chain.name}, asked in each hour",
            kind=self._hours[0].kind,
            factors=self._hours[0].factors,
            estimated=np.array([hour.estimated for hour in self._hours]),
        )
        mean = float(np.concatenate([self._before, trace.intensity_g_per_kwh]).mean())
        return GridHours(trace, self._before, mean), extended(trace)


def _hour(provider: Provider, trace: CarbonTrace, value: float, estimated: bool) -> GridHour:
    """An hour as a provider's answer has it."""
    return GridHour(value, estimated, provider.name, trace.kind, trace.factors, "; ".join(trace.notes)[:1000])


def chain_of(config: Asking, log: Callable[[str], None]) -> Fallback:
    """The providers that a configuration names; `log` is told of each that fails."""
    return chain_from_name(config.provider, lambda message: log(f"grid: {message}"))
