"""Losses and measures of forecasts: pinball, the point forecast that minimises the relative error, MAPE, coverage."""

import jax
import jax.numpy as jnp

from jcenas.carbon.forecast.network import LEVELS, MEDIAN, log_intensity

_IQR = 1.349  # interquartile range of the standard normal distribution


def pinball(quantiles: jax.Array, target: jax.Array, levels: tuple[float, ...] = LEVELS) -> jax.Array:
    """Pinball loss of each quantile (Koenker & Bassett 1978), (..., q): max(l (y - z), (l - 1) (y - z)).

    Args:
      quantiles: (..., q).
      target: (...), in the same unit.
      levels: the q levels in (0, 1).
    """
    over = target[..., None] - quantiles
    level = jnp.asarray(levels, quantiles.dtype).reshape((1,) * (over.ndim - 1) + (-1,))
    return jnp.maximum(level * over, (level - 1) * over)


def point_log(log_quantiles: jax.Array) -> jax.Array:
    """Log of the point forecast with the least expected relative error, (...), from log quantiles (..., 7).

    E|y - z| / y is least at the median of the density weighted by 1 / y. For log y ~ N(m, s^2) that is exp(m - s^2);
    s is read from the quartiles, so hours that are hard to foresee get a lower forecast than their median.
    """
    spread = (log_quantiles[..., MEDIAN + 1] - log_quantiles[..., MEDIAN - 1]) / _IQR
    return log_quantiles[..., MEDIAN] - spread**2


def training_loss(log_quantiles: jax.Array, target_g_per_kwh: jax.Array) -> jax.Array:
    """Mean pinball loss of log intensities plus mean absolute relative error of the point forecast, ().

    Args:
      log_quantiles: (..., h, 7), log g/kWh.
      target_g_per_kwh: (..., h).
    """
    log_target = log_intensity(target_g_per_kwh)
    relative = jnp.abs(jnp.expm1(jnp.clip(point_log(log_quantiles) - log_target, max=3.0)))
    return 2.0 * pinball(log_quantiles, log_target).mean() + relative.mean()


def mape_by_day(point_g_per_kwh: jax.Array, target_g_per_kwh: jax.Array) -> jax.Array:
    """Mean absolute percentage error of each day ahead, (4,), of forecasts and actual values (n, 96), in per cent."""
    error = jnp.abs(point_g_per_kwh - target_g_per_kwh) / target_g_per_kwh
    return 100.0 * error.reshape(error.shape[0], -1, 24).mean(axis=(0, 2))


def coverage(lower: jax.Array, upper: jax.Array, target: jax.Array) -> jax.Array:
    """Share of targets in [lower, upper], ()."""
    return jnp.mean((target >= lower) & (target <= upper))
