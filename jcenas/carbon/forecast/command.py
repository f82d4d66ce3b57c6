"""The command `jcenas forecast`: a history, optional training, a forecast of 96 hours, and a backtest of its errors."""

import datetime
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.carbon.forecast import features, weights
from jcenas.carbon.forecast.adapt import train_on_trace
from jcenas.carbon.forecast.forecaster import Forecaster, point
from jcenas.carbon.forecast.losses import coverage, mape_by_day
from jcenas.carbon.forecast.network import FLOOR_G_PER_KWH, LEVELS, log_intensity, seasonal
from jcenas.carbon.forecast.predict import HOUR, TraceForecast, backtest, forecast_trace, index_of_origin
from jcenas.carbon.providers import record
from jcenas.carbon.providers.base import ProviderError
from jcenas.carbon.providers.partial import coming
from jcenas.carbon.text_file import shown
from jcenas.carbon.trace import FIRST_YEAR, LAST_YEAR, CarbonTrace
from jcenas.carbon.trace_file import read_trace
from jcenas.carbon.typical_year import typical_year
from jcenas.errors import InputError, check_column

BACKTEST_DAYS = 60
HISTORY_DAYS = 35  # that a provider is asked for: a week before the first of four weeks of origins
DAYS = features.HORIZON_H // units.HOURS_PER_DAY


class ForecastReport(NamedTuple):
    """Result of the command: history, forecast, table of errors, and notes for the user."""

    history: CarbonTrace  # hourly
    forecast: TraceForecast
    errors: list[tuple[str, ...]]  # header and rows of the table of errors; empty where the history is too short
    notes: list[str]


def parse_origin(text: str) -> datetime.datetime:
    """The time that the user wrote, in UTC.

    Raises:
      InputError: no ISO 8601 time, without a zone, or at an end of the calendar.
    """
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--origin {shown(text)}: not a time; write it like 2024-06-01T00:00Z") from error
    if when.tzinfo is None:
        raise InputError(f"--origin {text}: has no time zone; write {when.isoformat(timespec='minutes')}Z for UTC")
    if not FIRST_YEAR < when.year < LAST_YEAR:
        raise InputError(f"--origin {text}: is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return when.astimezone(datetime.UTC)


def history_of(
    trace: pathlib.Path | None,
    zone: str,
    seed: int,
    *,
    column: str | None = None,
    trace_zone: str | None = None,
) -> CarbonTrace:
    """The hourly history: a file, or one realistic year of the zone's typical-year model.

    Args:
      trace: the file; None for the typical year.
      zone: zone of the typical year.
      seed: of the realistic year.
      column: intensity column of the file; see `read_trace`.
      trace_zone: zone to take from the file; see `read_trace`.

    Raises:
      InputError: unreadable file, unknown zone, or a column without a file.
    """
    check_column(column, trace)
    if trace is None:
        return typical_year(zone, key=jax.random.key(seed))
    read = read_trace(trace, column=column, zone=trace_zone)
    return read if read.step_seconds == units.SECONDS_PER_HOUR else read.resample(int(units.SECONDS_PER_HOUR))


class Theirs(NamedTuple):
    """A provider's own forecast."""

    name: str
    intensity_g_per_kwh: np.ndarray  # float64 (96,) from the begin of ours on, NaN where it has none


def asked(names: str, zone: str, *, warn: Callable[[str], None]) -> tuple[CarbonTrace, Theirs | None]:
    """The hourly history that providers give of the last weeks, and the own forecast of the service that gave it.

    Args:
      names: of the providers, with commas between them.
      zone: of the grid.
      warn: told of each provider that fails.

    Raises:
      InputError: an unknown name, no zone, or no provider that answers.
    """
    trace, provider, service = record.record(names, zone, days=HISTORY_DAYS, warn=warn)
    if trace.step_seconds != units.SECONDS_PER_HOUR:
        trace = trace.resample(int(units.SECONDS_PER_HOUR))
    if not service:
        return trace, None  # it knows no more of the coming hours than of the past
    try:
        values = coming(provider, zone, trace.start + len(trace) * HOUR, features.HORIZON_H)
    except ProviderError as error:
        warn(f"no forecast by {provider.name} to show beside ours ({error})")
        return trace, None
    return trace, Theirs(provider.name, values)


def run(
    history: CarbonTrace,
    *,
    origin: datetime.datetime | None,
    train: bool,
    file: pathlib.Path | None,
    seed: int,
    say: Callable[[str], None],
) -> ForecastReport:
    """Forecast a history.

    Args:
      history: hourly.
      origin: begin of the forecast; default: the end of the history. What follows it is left out of everything.
      train: adapt the forecaster to the history before.
      file: the forecaster to use; with `train`, where the adapted one is written.
      seed: of the training.
      say: takes lines of progress.

    Raises:
      InputError: history too short, bad origin, or unreadable forecaster.
    """
    if origin is not None:
        history = history.slice(0, index_of_origin(history, origin))
    end = history.start + len(history) * HOUR
    notes = [f"history: {history}", *(f"warning: {note}" for note in history.notes)]
    if train:
        forecaster = _train(history, end.hour, seed, say)
        notes.append("errors look back on hours that the linear base was fitted to; expect somewhat more")
        if file is not None:
            weights.save(file, forecaster, about=f"trained on {history.zone or 'a trace'} by jcenas forecast --train")
            notes.append(f"wrote {file}")
    else:
        forecaster = weights.load(file) if file is not None else None
    forecast = forecast_trace(history, forecaster=forecaster)
    if forecast.weights:
        notes.append(experts_of(forecast))
    return ForecastReport(history, forecast, errors_of(history, forecaster, end.hour), notes)


def experts_of(forecast: TraceForecast) -> str:
    """Which experts the adaptive forecast is blended of, in one line: shares of day 1 and of day 4."""
    shares = sorted(forecast.weights.items(), key=lambda one: -one[1].sum())
    said = [f"{name} {days[0]:.0%} / {days[-1]:.0%}" for name, days in shares if max(days[0], days[-1]) >= 0.005]
    return f"blend by this grid's own errors, day 1 / day 4: {', '.join(said)}"


def _train(history: CarbonTrace, hour: int, seed: int, say: Callable[[str], None]) -> Forecaster:
    def progress(done: int, steps: int, loss: float) -> None:
        say(f"step {done}/{steps}  loss {loss:.4f}")

    return train_on_trace(history, jax.random.key(seed), hour=hour, progress=progress)


def errors_of(trace: CarbonTrace, forecaster: Forecaster | None, hour: int) -> list[tuple[str, ...]]:
    """Table of MAPE by day over the last 60 origins of the trace, against persistence and the 7-day profile.

    Empty where the trace has no origin whose four days are over. Intensities below 1 g/kWh count as 1 on both sides: an
    hour at 0 has no relative error.
    """
    quantiles, windows = backtest(trace, BACKTEST_DAYS, forecaster=forecaster, hour=hour)
    n = windows.target.shape[0]
    if not n:
        return []
    target = jnp.maximum(windows.target, FLOOR_G_PER_KWH)
    yesterday, week = jax.vmap(seasonal)(windows.history[..., features.INTENSITY])
    inside = coverage(quantiles[..., 0], quantiles[..., -1], log_intensity(windows.target))
    lines = [
        (f"MAPE % of {n} days", *(f"day {day + 1}" for day in range(DAYS)), f"{LEVELS[-1] - LEVELS[0]:.0%} covers")
    ]
    for name, values, cover in (
        ("jcenas", point(quantiles), f"{float(inside):.1%}"),
        ("persistence", jnp.tile(yesterday, (1, DAYS)), ""),
        ("7-day profile", jnp.tile(week, (1, DAYS)), ""),
    ):
        by_day = np.asarray(mape_by_day(jnp.maximum(values, FLOOR_G_PER_KWH), target))
        lines.append((name, *(f"{error:.2f}" for error in by_day), cover))
    return lines


def rows_of(forecast: TraceForecast, theirs: Theirs | None = None) -> list[tuple[str, ...]]:
    """The forecast in six-hour steps for the terminal: header, and rows of time, point, 50 and 90 % intervals.

    A provider's own forecast is a further column, empty where it has none.
    """
    rows = [("UTC", "g/kWh", "50 % interval", "90 % interval", *([theirs.name] if theirs else []))]
    for hour in range(0, features.HORIZON_H, 6):
        low, _, q25, _, q75, _, high = forecast.quantiles_g_per_kwh[hour : hour + 6].mean(axis=0)
        mean = forecast.point_g_per_kwh[hour : hour + 6].mean()
        when = forecast.start + datetime.timedelta(hours=hour)
        ours = (f"{when:%a %d %b %H:%M}", f"{mean:.0f}", f"{q25:.0f} .. {q75:.0f}", f"{low:.0f} .. {high:.0f}")
        rows.append((*ours, *([_mean_of(theirs.intensity_g_per_kwh[hour : hour + 6])] if theirs else [])))
    return rows


def _mean_of(values: np.ndarray) -> str:
    """Mean of the hours that are known, as text; empty where none is."""
    known = values[np.isfinite(values)]
    return f"{known.mean():.0f}" if known.size else ""
