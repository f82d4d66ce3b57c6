"""Realistic years of carbon intensity on the device, from the statistics of the typical-year model.

The process is stationary from its first hour. `vmap` over keys for many years, over stacked models for zones.
"""

import datetime
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.carbon.typical_year import SCORES, ZoneStatistics, calendar, oscillators


class YearModel(struct.PyTreeNode):
    """Numbers of one zone on the device. Letters: Q normal scores, K oscillators."""

    mean_g_per_kwh: jax.Array  # (12, 24, 2) float32
    scale_g_per_kwh: jax.Array  # (12, 24) float32
    quantiles: jax.Array  # (Q,) float32
    weights: jax.Array  # (K,) float32, sum 1


class Calendar(struct.PyTreeNode):
    """UTC calendar of T hours."""

    month: jax.Array  # (T,) int32, 0..11
    hour: jax.Array  # (T,) int32, 0..23
    weekend: jax.Array  # (T,) int32, 1 on Saturday and Sunday


def year_model(statistics: ZoneStatistics) -> YearModel:
    """Put a zone's statistics on the device."""
    real = functools.partial(jnp.asarray, dtype=jnp.float32)
    return YearModel(
        mean_g_per_kwh=real(statistics.mean_g_per_kwh),
        scale_g_per_kwh=real(statistics.scale_g_per_kwh),
        quantiles=real(statistics.quantiles),
        weights=real(statistics.weights),
    )


def device_calendar(start: datetime.datetime, hours: int) -> Calendar:
    """The calendar of `hours` hours from `start` on."""
    return Calendar(*(jnp.asarray(part) for part in calendar(start, hours)))


def gaussian_residual(key: jax.Array, weights: jax.Array, hours: int) -> jax.Array:
    """Draw the stationary process g, float32 (hours,), of unit variance.

    Oscillator k has the autocovariance weights[k] * damping[k]^lag * cos(rotation[k] * lag).

    Args:
      key: consumed.
      weights: variances of the oscillators, float32 (K,).
      hours: static length.
    """
    damping, rotation = (np.float32(x) for x in oscillators())
    along, across = damping * np.cos(rotation), damping * np.sin(rotation)
    spread = np.sqrt(1 - damping**2)[:, None]
    noise = jax.random.normal(key, (hours, damping.size, 2), jnp.float32)

    def step(z, eps):
        turned = jnp.stack((along * z[:, 0] - across * z[:, 1], across * z[:, 0] + along * z[:, 1]), axis=-1)
        z = turned + spread * eps
        return z, z[:, 0]

    # The first state is standard normal, the stationary distribution; every later one keeps it.
    _, rest = jax.lax.scan(step, noise[0], noise[1:])
    states = jnp.concatenate((noise[:1, :, 0], rest))
    return states @ jnp.sqrt(weights)


def generate(key: jax.Array, model: YearModel, calendar: Calendar) -> jax.Array:
    """Draw one realistic trace, gCO2eq/kWh, float32 (T,), never below a quarter of the smallest stored mean.

    Args:
      key: consumed.
      model: numbers of the zone.
      calendar: month, hour and weekend of the T hours.
    """
    g = gaussian_residual(key, model.weights, calendar.month.shape[0])
    shape = jnp.interp(g, jnp.asarray(SCORES, jnp.float32), model.quantiles)
    mean = model.mean_g_per_kwh[calendar.month, calendar.hour, calendar.weekend]
    values = mean + model.scale_g_per_kwh[calendar.month, calendar.hour] * shape
    return jnp.maximum(values, 0.25 * jnp.min(model.mean_g_per_kwh))


_generate = jax.jit(generate)


def draw(key: jax.Array, statistics: ZoneStatistics, start: datetime.datetime, hours: int) -> np.ndarray:
    """Host convenience: one realistic trace as float64 (hours,)."""
    values = _generate(key, year_model(statistics), device_calendar(start, hours))
    return np.asarray(values, np.float64)
