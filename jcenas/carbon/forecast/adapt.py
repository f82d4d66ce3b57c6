"""Adapt the forecaster that ships to one trace: fine-tune the network, fit the linear base, choose, calibrate.

The last fifth of the trace is set apart: the network's share and the calibration are chosen there, with a network and a
linear base that have not seen it. Then the linear base is fitted anew to all of the trace.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.carbon.forecast import linear, losses, windows
from jcenas.carbon.forecast.conformal import fit_scale
from jcenas.carbon.forecast.features import HORIZON_H, WINDOW_H
from jcenas.carbon.forecast.fit import Progress, train
from jcenas.carbon.forecast.forecaster import Forecaster, blend, log_forecast, uncalibrated
from jcenas.carbon.forecast.network import MEDIAN, log_intensity
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.carbon.forecast.windows import Windows
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

RECIPE = ForecastTraining(steps=200, batch_size=64, learning_rate=3e-4, chunk_steps=20, drop_zone=0.0)
HELD_SHARE = 0.2
MIN_DAYS = 120
_SHARES = np.arange(0, 1.01, 0.1)

_cut = jax.jit(windows.cut)
_forecast = jax.jit(jax.vmap(log_forecast, in_axes=(None, 0, 0, 0)))
_blend = jax.jit(jax.vmap(blend, in_axes=(0, 0, None)))


def train_on_trace(
    trace: CarbonTrace,
    key: jax.Array,
    *,
    hour: int = 0,
    recipe: ForecastTraining = RECIPE,
    start: Forecaster | None = None,
    progress: Progress | None = None,
) -> Forecaster:
    """A forecaster for one trace, for origins at one hour of the day.

    Args:
      trace: hourly, at least 120 days.
      key: consumed; the same key gives the same forecaster.
      hour: hour of the day (UTC) at which forecasts will begin: the linear base has weights for this one.
      recipe: of the fine-tuning.
      start: whose network to start from; default: the one that ships.
      progress: called after every chunk of steps.

    Raises:
      InputError: the trace is not hourly or too short.
    """
    days = len(trace) * trace.step_seconds / units.SECONDS_PER_HOUR / units.HOURS_PER_DAY
    if days < MIN_DAYS:
        remedy = "forecast without --train, or give a longer trace"
        raise InputError(
            f"{trace.zone or 'carbon trace'}: {days:.4g} days are too few to train on {MIN_DAYS}; {remedy}"
        )
    start = default_forecaster() if start is None else start
    table, (span,) = windows.make_table([trace], [windows.UNKNOWN_ZONE])
    rows = windows.origins(span, None, None)
    border = int(WINDOW_H + (len(trace) - WINDOW_H) * (1 - HELD_SHARE))
    params = train(
        key, start.network, recipe, table, rows[rows + HORIZON_H <= border], params=start.params, progress=progress
    )
    daily = rows[(rows + trace.start.hour) % units.HOURS_PER_DAY == hour]
    early, held = (
        _cut(table, jnp.asarray(part)) for part in (daily[daily + HORIZON_H <= border], daily[daily >= border])
    )
    quantiles = _forecast(uncalibrated(params, start.network), held.history, held.known, held.zone)
    first = linear.fit(early.history, early.known, early.target)
    share, blended = choose_share(quantiles, linear.apply(first, held.history, held.known), held)
    whole = _cut(table, jnp.asarray(daily))
    return dataclasses.replace(
        uncalibrated(jax.tree.map(jnp.asarray, params), start.network),
        scale=fit_scale(blended, log_intensity(held.target)),
        share=jnp.full((4,), share, jnp.float32),
        linear=linear.fit(whole.history, whole.known, whole.target),
    )


def choose_share(log_quantiles: jax.Array, base: jax.Array, held: Windows) -> tuple[float, jax.Array]:
    """The network's share of the median, in tenths, with the least MAPE on held-out windows, and the blend with it.

    Args:
      log_quantiles: of the network, (n, 96, 7).
      base: of the linear base, log g/kWh (n, 96).
      held: windows that neither has been fitted to.
    """
    tried = [_blend(log_quantiles, base, jnp.full((4,), share, jnp.float32)) for share in _SHARES]
    errors = [float(losses.mape_by_day(jnp.exp(one[..., MEDIAN]), held.target).mean()) for one in tried]
    best = int(np.argmin(errors))
    return float(_SHARES[best]), tried[best]
