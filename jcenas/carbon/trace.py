"""A carbon-intensity trace: equal steps in UTC, gCO2eq per kWh, checked when it is made.

NumPy on the host in float64; `to_array` gives the float32 device array that jitted code takes.
"""

import dataclasses
import datetime
from collections.abc import Callable, Mapping

import numpy as np

from jcenas import units
from jcenas.errors import InputError

KINDS = ("average", "marginal")
FACTORS = ("life-cycle", "direct")
FIRST_YEAR, LAST_YEAR = 1900, 2200  # exclusive; far from both ends of the calendar, so that hours can be added


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CarbonTrace:
    """Carbon intensity of one zone over T steps; step i covers [start + i * step, start + (i + 1) * step).

    Attributes:
      start: begin of the first step, time-zone aware; kept in UTC.
      intensity_g_per_kwh: float64 (T,), finite and not negative; read-only.
      step_seconds: length of a step; a whole number of steps makes an hour.
      zone: name of the grid zone, as Electricity Maps writes it where that is known.
      source: where the numbers come from, one line for the user.
      kind: 'average' or 'marginal' intensity.
      factors: 'direct' (combustion only) or 'life-cycle' emission factors.
      estimated: bool (T,), True where the provider or the reader estimated the value; None when unknown.
      marginal_g_per_kwh: float64 (T,), marginal intensity beside an average one; None when unknown.
      generation_mw: average power by source, float64 (T,) each, MW; NaN where not reported.
      weather: features of the weather or of its forecast, float64 (T,) each.
      notes: what a reader or a provider assumed, converted or found odd, one sentence each, to be shown to the user.

    Raises:
      InputError: if a field breaks these rules.
    """

    start: datetime.datetime
    intensity_g_per_kwh: np.ndarray
    step_seconds: int = 3600
    zone: str = ""
    source: str = ""
    kind: str = "average"
    factors: str = "life-cycle"
    estimated: np.ndarray | None = None
    marginal_g_per_kwh: np.ndarray | None = None
    generation_mw: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    weather: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        values = np.array(self.intensity_g_per_kwh, np.float64)
        name = self.zone or self.source or "carbon trace"
        if values.ndim != 1 or values.size == 0:
            raise InputError(f"{name}: the intensities must be a non-empty list of numbers, not shape {values.shape}")
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if bad.size:
            raise InputError(
                f"{name}: {bad.size} missing, infinite or negative intensities, the first at step {bad[0]} "
                f"({values[bad[0]]}); repair or leave out these steps"
            )
        if self.start.tzinfo is None:
            raise InputError(f"{name}: the start {self.start} has no time zone; give it in UTC")
        if self.step_seconds <= 0 or 3600 % self.step_seconds:
            raise InputError(f"{name}: a step of {self.step_seconds} s does not divide an hour; resample to 3600 s")
        if (
            not FIRST_YEAR
            < self.start.year
            <= self.start.year + values.size * self.step_seconds // 31_536_000
            < LAST_YEAR
        ):
            raise InputError(
                f"{name}: the trace is not between the years {FIRST_YEAR} and {LAST_YEAR}; correct its start"
            )
        if self.kind not in KINDS or self.factors not in FACTORS:
            raise InputError(f"{name}: kind must be one of {KINDS} and factors one of {FACTORS}")
        values.flags.writeable = False
        object.__setattr__(self, "intensity_g_per_kwh", values)
        object.__setattr__(self, "start", self.start.astimezone(datetime.UTC))
        object.__setattr__(self, "notes", tuple(dict.fromkeys(self.notes)))
        for field, extra in self._extras(np.array).items():
            object.__setattr__(self, field, extra)

    def _extras(self, change: Callable[[np.ndarray], np.ndarray]) -> dict:
        """All optional series after `change`, by field; each must have the shape of the intensities before it."""

        def one(field: str, series, dtype: type) -> np.ndarray:
            series = np.array(series, dtype)
            if series.shape != self.intensity_g_per_kwh.shape:
                lengths = f"{series.size} values for {len(self)} intensities"
                raise InputError(f"{self.zone or self.source or 'carbon trace'}: {field} has {lengths}")
            changed = change(series)
            changed.flags.writeable = False
            return changed

        extras = {}
        if self.estimated is not None:
            extras["estimated"] = one("estimated", self.estimated, bool)
        if self.marginal_g_per_kwh is not None:
            extras["marginal_g_per_kwh"] = one("marginal_g_per_kwh", self.marginal_g_per_kwh, float)
        for field in ("generation_mw", "weather"):
            columns = getattr(self, field)
            extras[field] = {key: one(f"{field}[{key!r}]", series, float) for key, series in columns.items()}
        return extras

    def __len__(self) -> int:
        return self.intensity_g_per_kwh.size

    @property
    def steps_per_hour(self) -> int:
        """Number of steps that make one hour."""
        return 3600 // self.step_seconds

    @property
    def hours(self) -> int:
        """Number of complete hours."""
        return len(self) // self.steps_per_hour

    @property
    def times(self) -> np.ndarray:
        """Begin of every step, datetime64[s] (T,), in UTC."""
        first = np.datetime64(self.start.replace(tzinfo=None), "s")
        return first + np.arange(len(self)) * np.timedelta64(self.step_seconds, "s")

    def mean(self) -> float:
        """Mean intensity over the whole trace, gCO2eq/kWh."""
        return float(self.intensity_g_per_kwh.mean())

    def hourly(self) -> np.ndarray:
        """Mean intensity of every complete hour, float64 (hours,), counted from `start`."""
        return self.intensity_g_per_kwh[: self.hours * self.steps_per_hour].reshape(self.hours, -1).mean(axis=1)

    def at_hour(self, hour: int) -> float:
        """Mean intensity of the hour with this index, gCO2eq/kWh; negative or late hours raise `InputError`."""
        return float(self.window(hour, 1)[0])

    def window(self, hour: int, hours: int) -> np.ndarray:
        """Hourly intensities of [hour, hour + hours), float64 (hours,); InputError where the trace ends before."""
        if hours < 1 or hour < 0 or hour + hours > self.hours:
            raise InputError(
                f"{self.zone or 'carbon trace'}: hours {hour}..{hour + hours} asked of a trace of {self.hours} h; "
                "start earlier, run shorter or give a longer trace"
            )
        steps = self.steps_per_hour
        return self.intensity_g_per_kwh[hour * steps : (hour + hours) * steps].reshape(hours, steps).mean(axis=1)

    def slice(self, first: int, last: int | None = None) -> "CarbonTrace":
        """The steps [first, last) as a trace of its own; negative indices are refused."""
        stop = len(self) if last is None else last
        if not 0 <= first < stop <= len(self):
            raise InputError(f"{self.zone or 'carbon trace'}: steps {first}..{stop} are not in a trace of {len(self)}")
        return dataclasses.replace(
            self,
            start=self.start + datetime.timedelta(seconds=first * self.step_seconds),
            intensity_g_per_kwh=self.intensity_g_per_kwh[first:stop],
            **self._extras(lambda series: series[first:stop].copy()),
        )

    def followed_by(self, values: np.ndarray) -> "CarbonTrace":
        """The trace with more intensities (n,) behind its end; the series beside the intensities and the notes go."""
        return CarbonTrace(
            start=self.start,
            intensity_g_per_kwh=np.concatenate([self.intensity_g_per_kwh, values]),
            step_seconds=self.step_seconds,
            zone=self.zone,
            source=self.source,
            kind=self.kind,
            factors=self.factors,
        )

    def resample(self, step_seconds: int) -> "CarbonTrace":
        """The trace in other steps: means over longer ones, repeated values in shorter ones; an odd end is cut off.

        A longer step counts as estimated where any of its parts is.

        Raises:
          InputError: if one of the steps is no multiple of the other, or the trace is shorter than one new step.
        """
        if step_seconds <= 0 or (self.step_seconds % step_seconds and step_seconds % self.step_seconds):
            raise InputError(f"cannot resample steps of {self.step_seconds} s to {step_seconds} s: not a multiple")
        per = max(1, step_seconds // self.step_seconds)
        whole = len(self) // per * per
        if not whole:
            raise InputError(f"{len(self)} steps of {self.step_seconds} s do not fill one of {step_seconds} s")

        def change(series: np.ndarray) -> np.ndarray:
            if step_seconds <= self.step_seconds:
                return np.repeat(series, self.step_seconds // step_seconds)
            parts = series[:whole].reshape(-1, per)
            return np.asarray(parts.any(axis=1) if series.dtype == bool else parts.mean(axis=1))

        return dataclasses.replace(
            self,
            step_seconds=step_seconds,
            intensity_g_per_kwh=change(self.intensity_g_per_kwh),
            **self._extras(change),
        )

    def index_of(self, when: datetime.datetime) -> int:
        """Index of the step that covers `when` (time-zone aware); InputError outside the trace."""
        index = self._steps_until(when)
        if not 0 <= index < len(self):
            end = self.start + datetime.timedelta(seconds=len(self) * self.step_seconds)
            raise InputError(f"{self.zone or 'carbon trace'}: {when} is outside {self.start} .. {end}")
        return index

    def _steps_until(self, when: datetime.datetime) -> int:
        """Whole steps from the start to `when`; negative before the start."""
        if when.tzinfo is None:
            raise InputError(f"{when} has no time zone; give it in UTC, for example {when.isoformat()}Z")
        return (when - self.start) // datetime.timedelta(seconds=self.step_seconds)

    def known_before(self, when: datetime.datetime) -> int:
        """Number of whole hours of the trace that are over at `when` (time-zone aware); 0 where it begins later."""
        return max(0, min(self._steps_until(when), len(self))) // self.steps_per_hour

    def before(self, when: datetime.datetime, hours: int) -> np.ndarray:
        """Mean intensities of the `hours` hours that end at `when`, float64 (hours,); NaN where the trace has none.

        Nothing at or after `when` is looked at, and nothing is repeated from the other end.

        Raises:
          InputError: if `when` has no time zone or is no border between two steps.
        """
        last = self._steps_until(when)
        if (when - self.start) % datetime.timedelta(seconds=self.step_seconds):
            raise InputError(f"{self.zone or 'carbon trace'}: {when} is no border of its {self.step_seconds} s steps")
        index = np.arange(last - hours * self.steps_per_hour, last)
        inside = (index >= 0) & (index < len(self))
        values = np.where(inside, self.intensity_g_per_kwh[np.clip(index, 0, len(self) - 1)], np.nan)
        return values.reshape(hours, self.steps_per_hour).mean(axis=1)

    def to_array(self):
        """Intensities as a float32 (T,) array on JAX's default device."""
        import jax.numpy as jnp  # only here: reading and checking traces needs no JAX

        return jnp.asarray(self.intensity_g_per_kwh, jnp.float32)

    def __str__(self) -> str:
        """One line for people: zone, period, mean and the accounting."""
        days = len(self) * self.step_seconds / units.SECONDS_PER_HOUR / units.HOURS_PER_DAY
        return (
            f"{self.zone or 'trace'} from {self.start:%Y-%m-%d %H:%M} UTC, {days:g} days, mean {self.mean():.1f} "
            f"gCO2eq/kWh ({self.kind}, {self.factors}; {self.source or 'source not stated'})"
        )


def align(traces: list[CarbonTrace]) -> list[CarbonTrace]:
    """The traces over the period that all have, in the longest of their steps.

    Raises:
      InputError: if there is no common period.
    """
    step = max(trace.step_seconds for trace in traces)
    second = datetime.timedelta(seconds=1)
    first = max(trace.start for trace in traces)
    # The common begin moves up to a full step of the clock, so that coarser steps start together.
    first += -(first - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) % (step * second)
    last = min(trace.start + len(trace) * trace.step_seconds * second for trace in traces)
    if first + step * second > last:
        raise InputError(f"the traces have no common period: the latest begins {first}, the earliest ends {last}")
    result = []
    for trace in traces:
        steps = [(when - trace.start) // (trace.step_seconds * second) for when in (first, last)]
        result.append(trace.slice(*steps).resample(step))
    shortest = min(len(trace) for trace in result)
    return [trace.slice(0, shortest) for trace in result]
