"""Calibration of quantiles by split conformal prediction: every level gets the share of hours that it promises.

Each quantile's distance from the median is multiplied by a factor, one for each level and each day ahead, in log
intensity (conformalised quantile regression: Romano, Patterson & Candès 2019; scaled scores: Sesia & Candès 2020; each
side by itself, their asymmetric form). The factor is the smallest one with which the quantile would have held in
ceil((n + 1) c) of the n calibration hours, c = 1 - level below the median and c = level above; if the hours that follow
are exchangeable with those, the promise holds. Hours of a grid are not quite: recalibrate on recent ones.
"""

import jax
import jax.numpy as jnp

from jcenas import units
from jcenas.carbon.forecast.features import HORIZON_H
from jcenas.carbon.forecast.network import LEVELS, MEDIAN

DAYS = HORIZON_H // units.HOURS_PER_DAY


def fit_scale(log_quantiles: jax.Array, log_target: jax.Array) -> jax.Array:
    """Factors (4, 7) from forecasts (n, 96, 7) and what came (n, 96), both log g/kWh; 1 at the median.

    Factors are not negative and never let quantiles cross. With too few hours for a level the largest score is taken.
    """
    n = log_target.shape[0] * units.HOURS_PER_DAY
    quantiles = log_quantiles.reshape(-1, DAYS, units.HOURS_PER_DAY, len(LEVELS)).swapaxes(0, 1).reshape(DAYS, n, -1)
    target = log_target.reshape(-1, DAYS, units.HOURS_PER_DAY).swapaxes(0, 1).reshape(DAYS, n)
    median = quantiles[..., MEDIAN : MEDIAN + 1]
    distance = quantiles - median
    sign = jnp.sign(jnp.arange(len(LEVELS)) - MEDIAN).astype(distance.dtype)
    side = sign[None, None]
    scores = side * (target[..., None] - median) / jnp.maximum(side * distance, 1e-6)  # (4, n, 7): factor needed
    level = jnp.asarray(LEVELS)
    held = jnp.where(sign < 0, 1 - level, level)
    rank = jnp.clip(jnp.ceil((n + 1) * held).astype(jnp.int32), max=n) - 1
    factor = jnp.take_along_axis(jnp.sort(scores, axis=1), rank[None, None, :], axis=1)[:, 0]
    return _outward(jnp.maximum(factor, 0.0).at[:, MEDIAN].set(1.0), jnp.abs(distance).mean(axis=1))


def apply_scale(log_quantiles: jax.Array, scale: jax.Array) -> jax.Array:
    """Calibrated quantiles (96, 7) of one forecast (96, 7) by factors (4, 7); ascending."""
    median = log_quantiles[:, MEDIAN : MEDIAN + 1]
    scaled = median + (log_quantiles - median) * jnp.repeat(scale, units.HOURS_PER_DAY, axis=0)
    below = jax.lax.cummin(scaled[:, : MEDIAN + 1], axis=1, reverse=True)
    return jnp.concatenate((below, jax.lax.cummax(scaled[:, MEDIAN:], axis=1)[:, 1:]), axis=1)


def _outward(factor: jax.Array, distance: jax.Array) -> jax.Array:
    """Factors (4, 7) raised where a level further out would on average lie further in; distances (4, 7)."""
    width = factor * distance
    below = jax.lax.cummax(width[:, : MEDIAN + 1], axis=1, reverse=True)
    width = jnp.concatenate((below, jax.lax.cummax(width[:, MEDIAN:], axis=1)[:, 1:]), axis=1)
    return jnp.where(distance > 0, width / jnp.maximum(distance, 1e-9), factor)
