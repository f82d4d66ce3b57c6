"""A forecast of a trace, at the edge: from the hours before an origin to quantiles with times; and many of the past.

Without a forecaster the adaptive one is used (`adaptive`): of intensities and the calendar alone.
"""

import dataclasses
import datetime
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.carbon.forecast import features, windows
from jcenas.carbon.forecast.adaptive import EXPERTS, Adaptive
from jcenas.carbon.forecast.forecaster import Forecaster, log_forecast, point
from jcenas.carbon.forecast.network import LEVELS
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

HOUR = datetime.timedelta(hours=1)
_one = jax.jit(log_forecast)
_many = jax.jit(jax.vmap(log_forecast, in_axes=(None, 0, 0, 0)))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TraceForecast:
    """The 96 hours after an origin.

    Attributes:
      start: the origin, UTC.
      quantiles_g_per_kwh: float64 (96, 7), ascending, at `LEVELS`.
      point_g_per_kwh: float64 (96,), the forecast with the least expected relative error.
      zone: name of the zone.
      factors: emission factors of the history.
      weights: of the experts of the adaptive forecast by day ahead, float (4,) each; empty for a forecaster's own.
    """

    start: datetime.datetime
    quantiles_g_per_kwh: np.ndarray
    point_g_per_kwh: np.ndarray
    zone: str
    factors: str
    weights: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def trace(self, hours: int = features.HORIZON_H) -> CarbonTrace:
        """The point forecast of the first `hours` hours as a trace, every step flagged as estimated.

        Raises:
          InputError: more hours are asked than were forecast.
        """
        if not 1 <= hours <= features.HORIZON_H:
            raise InputError(f"{hours} h were asked of a forecast of {features.HORIZON_H} h")
        return CarbonTrace(
            start=self.start,
            intensity_g_per_kwh=self.point_g_per_kwh[:hours],
            zone=self.zone,
            source="forecast of jcenas from the history",
            factors=self.factors,
            estimated=np.ones(hours, bool),
        )


def forecast_trace(
    history: CarbonTrace,
    origin: datetime.datetime | None = None,
    *,
    forecaster: Forecaster | None = None,
) -> TraceForecast:
    """Forecast the 96 hours from `origin` on; nothing from the origin on is looked at but the weather columns.

    Args:
      history: at least 168 hours before the origin; finer steps are averaged.
      origin: full hour, time-zone aware; default: the end of the trace.
      forecaster: that is used by itself; for one that uses weather, the weather columns of the trace, where they reach
        past the origin, count as a weather forecast. Default: the adaptive forecast, which learns from all the history.

    Raises:
      InputError: the origin is no full hour, or less than a week of history lies before it.
    """
    hourly = (
        history.resample(int(units.SECONDS_PER_HOUR)) if history.step_seconds != units.SECONDS_PER_HOUR else history
    )
    origin = hourly.start + len(hourly) * HOUR if origin is None else origin
    row = index_of_origin(hourly, origin)
    weights: dict[str, np.ndarray] = {}
    if forecaster is None:
        made = Adaptive(hourly.start, hourly.intensity_g_per_kwh[:row]).at(np.array([row]))
        quantiles, weights = made.log_quantiles[0], dict(zip(EXPERTS, made.weights[0].T, strict=True))
    else:
        quantiles = _by(forecaster, hourly, row)
    return TraceForecast(
        start=origin.astimezone(datetime.UTC),
        quantiles_g_per_kwh=np.exp(np.asarray(quantiles, np.float64)),
        point_g_per_kwh=np.asarray(point(quantiles), np.float64),
        zone=history.zone,
        factors=history.factors,
        weights=weights,
    )


def _by(forecaster: Forecaster, hourly: CarbonTrace, row: int) -> jax.Array:
    """Log quantiles (96, 7) by one forecaster, mix and weather included."""
    past, known = features.columns(hourly.slice(row - features.WINDOW_H, min(len(hourly), row + features.HORIZON_H)))
    ahead = features.hours_after(hourly.start + row * HOUR, features.HORIZON_H)
    weather = known[features.WINDOW_H :]
    ahead[: len(weather)] = weather
    return _one(forecaster, jnp.asarray(past[: features.WINDOW_H]), jnp.asarray(ahead), 0)


def index_of_origin(hourly: CarbonTrace, origin: datetime.datetime) -> int:
    """Row of the origin in an hourly trace.

    Raises:
      InputError: it is no full hour, has no zone, or has not a week of the trace before it.
    """
    name = hourly.zone or "carbon trace"
    if origin.tzinfo is None:
        raise InputError(f"the origin {origin} has no time zone; give it in UTC")
    row, rest = divmod(origin - hourly.start, HOUR)
    if rest:
        raise InputError(f"{name}: the origin {origin} is no full hour of the trace")
    if not features.WINDOW_H <= row <= len(hourly):
        raise InputError(
            f"{name}: a forecast needs {features.WINDOW_H} h of history before {origin:%Y-%m-%d %H:%M} UTC, the trace "
            f"has {max(0, min(row, len(hourly)))}; give an earlier begin or a later origin"
        )
    return row


@functools.cache
def _cut():
    return jax.jit(windows.cut)


def backtest(
    trace: CarbonTrace, days: int, *, forecaster: Forecaster | None = None, hour: int = 0
) -> tuple[jax.Array, windows.Windows]:
    """Forecast the last `days` origins of an hourly trace whose 96 hours are over.

    Args:
      trace: hourly.
      days: at most so many origins, one a day.
      forecaster: that is used by itself; default: the adaptive forecast.
      hour: hour of the day (UTC) of the origins.

    Returns:
      Log quantiles (n, 96, 7) and the windows with their targets; n may be 0.
    """
    table, (span,) = windows.make_table([trace], [windows.UNKNOWN_ZONE])
    rows = windows.origins(span, None, None)
    rows = rows[(rows + trace.start.hour) % units.HOURS_PER_DAY == hour][-days:]
    batch = _cut()(table, jnp.asarray(rows))
    if not len(rows):
        return jnp.zeros((0, features.HORIZON_H, len(LEVELS)), jnp.float32), batch
    if forecaster is None:
        return jnp.asarray(Adaptive(trace.start, trace.intensity_g_per_kwh).at(rows).log_quantiles), batch
    return _many(forecaster, batch.history, batch.known, batch.zone), batch
