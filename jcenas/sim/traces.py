"""The hours that a simulated search sees: cut from a trace, and what was known of them in advance."""

import datetime

import numpy as np

from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.typical_year import typical_year
from jcenas.errors import InputError
from jcenas.sim.config import SimulateConfig
from jcenas.sim.problem import persistence

PAST_H = 24
LEAD_H = 24
WEEK_H = 168
TYPICAL_START = datetime.datetime(2023, 6, 1, 12, tzinfo=datetime.UTC)


def choose(config: SimulateConfig) -> tuple[CarbonTrace, int]:
    """The trace, and the index of the hour in which the searches begin.

    Raises:
      InputError: unknown zone, unreadable file, a start outside it, or a trace shorter than the searches.
    """
    if config.trace is None:
        start = TYPICAL_START if not config.start else _utc(config.start)
        past = WEEK_H if config.forecast == "model" else PAST_H
        before = start - datetime.timedelta(hours=past)
        return typical_year(config.zone, start=before, hours=past + config.hours), past
    from jcenas.carbon.csv_file import read_csv

    trace = read_csv(config.trace)
    first = trace.index_of(_utc(config.start)) // trace.steps_per_hour if config.start else 0
    if first + config.hours > trace.hours and not config.wrap:
        raise InputError(
            f"{config.trace}: {trace.hours - first} h from the start on, but --hours {config.hours}; "
            "set --wrap to repeat it, run shorter or start earlier"
        )
    return trace, first


def hours_of(values: np.ndarray, first: int, hours: int, past: int = PAST_H) -> tuple[np.ndarray, np.ndarray]:
    """Hourly intensities (hours,) from index `first` on, and those before, (past,); beyond its ends the trace repeats.

    Args:
      values: hourly intensities of the whole trace.
      first: index of the first hour.
      hours: how many.
      past: how many before.
    """
    index = np.arange(first - past, first + hours) % len(values)
    window = np.asarray(values, np.float32)[index]
    return window[past:], window[:past]


def forecasts(kind: str, intensity: np.ndarray, past: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Forecast quantiles (H, LEAD_H, 3) that a policy is given; see `SimulateConfig.forecast`.

    Args:
      kind: 'persistence', 'actual' or 'none'; for 'model' see `forecasts_by_model`.
      intensity: of the search's hours, (H,).
      past: of the hours before, (W,).
      after: of the hours behind, (LEAD_H,), for the truth.
    """
    if kind == "persistence":
        return persistence(intensity, past, LEAD_H)
    hours = np.arange(len(intensity))
    if kind == "none":
        values = np.repeat(intensity[:, None], LEAD_H, axis=1)
    else:
        series = np.concatenate([intensity, after])
        values = series[hours[:, None] + np.arange(LEAD_H)[None]]
    return np.repeat(values[:, :, None], 3, axis=2).astype(np.float32)


def forecasts_by_model(trace: CarbonTrace, first: int, hours: int) -> np.ndarray:
    """Forecast quantiles (hours, LEAD_H, 3), 10 %, 50 % and 90 %, by the forecaster that ships, issued in every hour.

    It sees the week before the hour it is issued in; that hour itself is known. Beyond its ends the trace repeats.

    Args:
      trace: hourly, with at least `WEEK_H` hours before `first`.
      first: index of the first hour.
      hours: how many.

    Raises:
      InputError: there is no week before the first hour.
    """
    from jcenas.carbon.forecast import forecast_trace
    from jcenas.carbon.forecast.network import LEVELS

    if first < WEEK_H:
        raise InputError(
            f"the forecaster looks at a week before the start, the trace has {first} h; start later, or use "
            "--forecast persistence"
        )
    values = np.asarray(trace.hourly(), float)
    seen = values[np.arange(first - WEEK_H, first + hours) % len(values)]
    start = trace.start + datetime.timedelta(hours=first - WEEK_H)
    series = CarbonTrace(start=start, intensity_g_per_kwh=seen, step_seconds=3600, zone=trace.zone)
    columns = [LEVELS.index(level) for level in (0.1, 0.5, 0.9)]
    rows = []
    for h in range(hours):
        issued = forecast_trace(series.slice(h, h + WEEK_H)).quantiles_g_per_kwh[:LEAD_H, columns]
        issued[0] = seen[WEEK_H + h]
        rows.append(issued)
    return np.stack(rows).astype(np.float32)


def _utc(text: str) -> datetime.datetime:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--start {text!r} is no ISO 8601 time; write it like 2023-06-01T00:00Z") from None
    return when.replace(tzinfo=datetime.UTC) if when.tzinfo is None else when.astimezone(datetime.UTC)
