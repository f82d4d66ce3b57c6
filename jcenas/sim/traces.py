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
TYPICAL_START = datetime.datetime(2023, 6, 1, 12, tzinfo=datetime.UTC)


def choose(config: SimulateConfig) -> tuple[CarbonTrace, int]:
    """The trace, and the index of the hour in which the searches begin.

    Raises:
      InputError: unknown zone, unreadable file, a start outside it, or a trace shorter than the searches.
    """
    if config.trace is None:
        start = TYPICAL_START if not config.start else _utc(config.start)
        before = start - datetime.timedelta(hours=PAST_H)
        return typical_year(config.zone, start=before, hours=PAST_H + config.hours), PAST_H
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
      kind: 'persistence', 'actual' or 'none'.
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


def _utc(text: str) -> datetime.datetime:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--start {text!r} is no ISO 8601 time; write it like 2023-06-01T00:00Z") from None
    return when.replace(tzinfo=datetime.UTC) if when.tzinfo is None else when.astimezone(datetime.UTC)
