"""Realistic years of carbon intensity on the device, from the statistics of the typical-year model.

The process is stationary from its first hour. `vmap` over keys for many years, over stacked models for zones.
"""

import datetime
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.carbon import process
from jcenas.carbon.year_statistics import ZoneStatistics, calendar


class YearModel(struct.PyTreeNode):
    """Numbers of one zone on the device. Letters: Q knots of the distribution, K parts of the process."""

    mean_g_per_kwh: jax.Array  # (12, 24, 2) float32: month, UTC hour, weekday or weekend
    scale_g_per_kwh: jax.Array  # (12, 24) float32
    knots: jax.Array  # (Q,) float32, ascending
    quantiles: jax.Array  # (Q,) float32
    weights: jax.Array  # (K,) float32, sum 1
    volatility: jax.Array  # () float32


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
        knots=real(statistics.knots),
        quantiles=real(statistics.quantiles),
        weights=real(statistics.weights),
        volatility=real(statistics.volatility),
    )


def device_calendar(start: datetime.datetime, hours: int) -> Calendar:
    """The calendar of `hours` hours from `start` on."""
    return Calendar(*(jnp.asarray(part) for part in calendar(start, hours)))


def residual(key: jax.Array, weights: jax.Array, volatility: jax.Array, hours: int) -> jax.Array:
    """Draw the stationary process g, float32 (hours,), of zero mean and unit variance.

    Args:
      key: consumed.
      weights: variance of each part, float32 (K,), sum 1.
      volatility: s of the process, float32 ().
      hours: static length, at least 1.
    """
    a, spread = (jnp.asarray(x, jnp.float32) for x in process.transitions())
    decay = np.float32(np.exp(-1 / process.VOLATILITY_H))
    fresh = np.float32(np.sqrt(1 - decay**2))
    key_parts, key_volatility = jax.random.split(key)
    noise = jax.random.normal(key_parts, (hours, process.N_PARTS, 2), jnp.float32)
    noise_v = jax.random.normal(key_volatility, (hours,), jnp.float32)
    # One matrix product for all hours; the scan then only turns the states.
    pushed = jnp.einsum("kij,tkj->tki", spread, noise[1:])

    def step(state, inputs):
        z, v = state
        push, push_v = inputs
        z = a[:, :, 0] * z[:, :1] + a[:, :, 1] * z[:, 1:] + push
        v = decay * v + fresh * push_v
        return (z, v), (z[:, 0], v)

    # The first state is standard normal, which is the stationary distribution; every later one keeps it.
    first = (noise[0], noise_v[0])
    _, (parts, v) = jax.lax.scan(step, first, (pushed, noise_v[1:]))
    parts = jnp.concatenate((first[0][None, :, 0], parts)) * jnp.sqrt(weights)[None]
    v = jnp.concatenate((first[1][None], v))
    wild = jnp.sum(parts, axis=1, where=process.IS_VOLATILE[None]) * jnp.exp(volatility * v - volatility**2)
    return wild + jnp.sum(parts, axis=1, where=~process.IS_VOLATILE[None])


def generate(key: jax.Array, model: YearModel, calendar: Calendar) -> jax.Array:
    """Draw one realistic trace, gCO2eq/kWh, float32 (T,), never below a quarter of the smallest stored mean.

    Args:
      key: consumed.
      model: numbers of the zone.
      calendar: month, hour and weekend of the T hours.
    """
    g = residual(key, model.weights, model.volatility, calendar.month.shape[0])
    mean = model.mean_g_per_kwh[calendar.month, calendar.hour, calendar.weekend]
    scale = model.scale_g_per_kwh[calendar.month, calendar.hour]
    return jnp.maximum(mean + scale * jnp.interp(g, model.knots, model.quantiles), 0.25 * jnp.min(model.mean_g_per_kwh))


_generate = jax.jit(generate)


def draw(key: jax.Array, statistics: ZoneStatistics, start: datetime.datetime, hours: int) -> np.ndarray:
    """Host convenience: one realistic trace as float64 (hours,)."""
    values = _generate(key, year_model(statistics), device_calendar(start, hours))
    return np.asarray(values, np.float64)
