"""The grid's hours of one run, and what is known of them in advance: chosen from a trace file or a typical year.

Both clusters read their hours here, so that the same flags mean the same hours, the same past and the same forecast.
What lies before all records is unknown and is said to be: nothing wraps round.
"""

import dataclasses
import functools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from jcenas import units
from jcenas.carbon.trace import FIRST_YEAR, LAST_YEAR, CarbonTrace
from jcenas.errors import InputError, check_column

if TYPE_CHECKING:
    from jcenas.carbon.forecast.adaptive import Adaptive

Forecast = Literal["model", "persistence", "none", "actual"]

PAST_H = 24  # hours that the heuristics' window looks back
LEAD_H = 24  # hours that a forecast looks ahead
WEEK_H = 168  # hours that the forecaster looks back at least
HISTORY_H = 2 * 365 * 24  # hours before the start that are kept at most: what the forecast learns from
QUANTILES = (0.1, 0.5, 0.9)
DEFAULT_ZONE = "US-CAL-CISO"
TYPICAL_START = datetime(2023, 6, 1, 12, tzinfo=UTC)  # a weekday's dawn in California: dirty, then sunny


class Grid(Protocol):
    """The grid as a run that goes on sees it: recorded hours, or hours that become known as they come."""

    def known(self, hour: int) -> "GridHours":
        """All that is known, with at least this hour of the run."""
        ...

    def source(self, hour: int) -> str:
        """Who said what the intensity of an hour is, in a few words; empty where the trace did."""
        ...


@dataclasses.dataclass(frozen=True)
class GridHours:
    """Hourly intensities round one run, gCO2eq/kWh.

    Attributes:
      trace: from the start of the run on, in its own steps; at least as long as the run.
      before: hourly, float64 (B,), of the hours before the start, the latest last; perhaps none.
      mean_g_per_kwh: of all that is known of the trace, the season included.
      forecaster: network of the forecasts (`jcenas.carbon.forecast.Forecaster`); default: the one that ships.
    """

    trace: CarbonTrace
    before: np.ndarray
    mean_g_per_kwh: float
    forecaster: Any = None

    @functools.cached_property
    def series(self) -> np.ndarray:
        """Intensities of the hours before the start and from it on, float64 (B + hours,)."""
        return np.concatenate([self.before, self.trace.hourly()])

    def known(self, hour: int) -> "GridHours":
        """Itself: a record knows all of its hours."""
        del hour
        return self

    def source(self, hour: int) -> str:
        """Empty: the trace says it."""
        del hour
        return ""

    def intensity(self, hours: int) -> np.ndarray:
        """Intensities of the first hours of the run, gCO2eq/kWh, float32 (hours,)."""
        return self.trace.hourly()[:hours].astype(np.float32)

    def past(self, hour: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The `PAST_H` hours before an hour of the run, float32, and which are known, bool; the latest last."""
        now = len(self.before) + hour
        known = self.series[max(0, now - PAST_H) : now].astype(np.float32)
        lacking = PAST_H - len(known)
        return np.pad(known, (lacking, 0)), np.arange(PAST_H) >= lacking

    def forecast(self, kind: Forecast, hour: int, *, lead_h: int = LEAD_H) -> np.ndarray:
        """Quantiles of the coming hours, float32 (lead_h, 3), 10 %, 50 % and 90 %, issued at the start of an hour.

        That hour itself is known. `model` adapts to all hours up to it, and is `persistence` while they are less than a
        week; `persistence` repeats the day before; `none` expects what is now; `actual` is the truth.

        Args:
          kind: of the forecast.
          hour: of the run.
          lead_h: how many hours, this one included; the forecaster's last day is repeated beyond its four.
        """
        series, now = self.series, len(self.before) + hour
        if kind == "model" and now >= WEEK_H:
            this = np.full((1, len(QUANTILES)), series[now], np.float32)
            ahead = np.concatenate([this, self._by_model(now + 1)])
            lead, day = np.arange(lead_h), units.HOURS_PER_DAY
            return ahead[np.where(lead < len(ahead), lead, len(ahead) - day + (lead - len(ahead)) % day)]
        lead = np.arange(lead_h)
        if kind == "none":
            values = np.full(lead_h, series[now])
        elif kind == "actual":
            values = series[np.minimum(now + lead, len(series) - 1)]
        else:
            values = series[np.clip(now + lead - 24 * (1 + (lead - 1) // 24), 0, now)]
            values[0] = series[now]
        return np.repeat(values[:, None], len(QUANTILES), axis=1).astype(np.float32)

    def _by_model(self, row: int) -> np.ndarray:
        """The adaptive forecast of four days from a row of the series on, of the hours before it."""
        from jcenas.carbon.forecast.network import LEVELS

        columns = [LEVELS.index(level) for level in QUANTILES]
        return np.exp(self._adaptive.at(np.array([row])).log_quantiles[0][:, columns])

    @functools.cached_property
    def _adaptive(self) -> "Adaptive":
        """What forecasts this series; it keeps what it has learnt."""
        from jcenas.carbon.forecast.adaptive import Adaptive

        return Adaptive(self.trace.start - timedelta(hours=len(self.before)), self.series, self.forecaster)

    def __getstate__(self) -> dict[str, Any]:
        """Its fields: what was computed of them is computed anew by who gets them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def told(self, kind: Forecast) -> str:
        """Where a policy's view of the coming hours comes from, in one line for people."""
        if kind == "model" and len(self.before) < WEEK_H:
            lacking = f"{len(self.before)} h of history before the start, the forecaster needs {WEEK_H}"
            return f"the day before repeated until a week is known ({lacking})"
        return {
            "model": "the shipped forecaster, adapted to the hours up to each",
            "persistence": "the day before repeated",
            "none": "nothing but the present hour",
            "actual": "the trace's own coming hours, as if forecast without error",
        }[kind]


def choose(*, trace: Path | None, zone: str, start: str, hours: int, column: str = "", wrap: bool = False) -> GridHours:
    """Choose the carbon-intensity hours of a run: from a trace file, or of a zone's typical year.

    Args:
      trace: file, see `jcenas.carbon.read_trace`; None takes the zone's typical year.
      zone: of the typical-year model, `DEFAULT_ZONE` if empty; of a file with several zones, the one to take.
      start: UTC time of the first hour; empty: the begin of the file, or 1 June 12:00 of the typical year.
      hours: of the run.
      column: of the intensities, in a file with several.
      wrap: repeat a file that is too short from its begin.

    Raises:
      InputError: unknown zone, unreadable file, a start outside it, a trace shorter than the run, or a column without a
        file.
    """
    check_column(column, trace)
    if trace is None:
        from jcenas.carbon.typical_year import typical_year

        zone = zone or DEFAULT_ZONE
        begin = parse_start(start) if start else TYPICAL_START
        first = begin - timedelta(hours=WEEK_H)
        whole = typical_year(zone, start=first, hours=WEEK_H + hours + LEAD_H)
        return GridHours(whole.slice(WEEK_H), whole.hourly()[:WEEK_H], typical_year(zone).mean())
    from jcenas.carbon.trace_file import read_trace

    whole = read_trace(trace, column=column or None, zone=zone or None)
    first = whole.index_of(parse_start(start)) if start else 0
    per_hour = whole.steps_per_hour
    before = whole.slice(first % per_hour, first).hourly()[-HISTORY_H:] if first >= per_hour else np.zeros(0)
    ahead = whole.slice(first)
    if wrap and ahead.hours < hours:
        times = -(-hours * per_hour // len(whole))
        ahead = ahead.followed_by(np.tile(whole.intensity_g_per_kwh, times))
    if ahead.hours < hours:
        raise InputError(
            f"{trace}: {ahead.hours} h from {ahead.start:%Y-%m-%dT%H:%MZ} on, but --hours {hours}; run shorter, start "
            "earlier or give a longer trace (jcenas simulate --wrap repeats a short one)"
        )
    return GridHours(ahead, before, whole.mean())


def parse_start(text: str) -> datetime:
    """The UTC time that a user wrote.

    Raises:
      InputError: no time, one without a zone, or one near the ends of the calendar.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--start {text}: not a time; write it like 2023-06-01T00:00Z") from error
    if when.tzinfo is None:
        raise InputError(f"--start {text}: has no time zone; write {when.isoformat(timespec='minutes')}Z for UTC")
    if not FIRST_YEAR < when.year < LAST_YEAR:  # so that hours can be taken off and added
        raise InputError(f"--start {text}: is not between the years {FIRST_YEAR} and {LAST_YEAR}; correct it")
    return when.astimezone(UTC)
