"""A forecaster: the network, where there is one the linear base of its series, and the calibration of the quantiles.

The linear base shifts the network's median in log intensity; the shape of the distribution stays the network's:

    q_l = network_l + (1 - share) * (linear - network_median)

and every quantile is then put at its calibrated distance from the median.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.carbon.forecast.conformal import DAYS, apply_scale
from jcenas.carbon.forecast.linear import LinearBase
from jcenas.carbon.forecast.losses import point_log
from jcenas.carbon.forecast.network import LEVELS, MEDIAN, ForecastNetwork


class Forecaster(struct.PyTreeNode):
    """Network, parameters, linear base, blend and calibration of a forecaster; a pytree, so an argument of `jit`."""

    params: Any  # of the network
    scale: jax.Array  # (4, 7) float32, conformal factors
    share: jax.Array  # (4,) float32, the network's share of the median by day ahead; 1 without a linear base
    linear: LinearBase | None = None
    network: ForecastNetwork = struct.field(
        pytree_node=False, default=dataclasses.field(default_factory=ForecastNetwork)
    )


def uncalibrated(params: Any, network: ForecastNetwork) -> Forecaster:
    """A forecaster of a network alone, its quantiles as they are."""
    ones = jnp.ones((DAYS, len(LEVELS)), jnp.float32)
    return Forecaster(params=params, scale=ones, share=jnp.ones((DAYS,), jnp.float32), network=network)


def blend(log_quantiles: jax.Array, linear: jax.Array, share: jax.Array) -> jax.Array:
    """Quantiles (96, 7) moved so that their median is share * median + (1 - share) * linear (96,), share (4,)."""
    weight = jnp.repeat(share, linear.shape[0] // share.shape[0])
    return log_quantiles + ((1 - weight) * (linear - log_quantiles[:, MEDIAN]))[:, None]


def log_forecast(
    forecaster: Forecaster, history: jax.Array, known_future: jax.Array, zone: jax.Array | int = 0
) -> jax.Array:
    """Calibrated quantiles of the log intensity, log g/kWh (96, 7), of one window; see `forecast`."""
    network: Any = forecaster.network
    quantiles = network.apply({"params": forecaster.params}, history, known_future, zone)
    if forecaster.linear is not None:
        quantiles = blend(quantiles, forecaster.linear(history, known_future), forecaster.share)
    return apply_scale(quantiles, forecaster.scale)


def forecast(
    forecaster: Forecaster, history: jax.Array, known_future: jax.Array, zone: jax.Array | int = 0
) -> jax.Array:
    """Quantiles of the next 96 hours, gCO2eq/kWh, float32 (96, 7), ascending, at `network.LEVELS`.

    Args:
      forecaster: the parameters.
      history: past week, float32 (168, 16), columns `features.HISTORY`; NaN where unknown, but not the intensity.
      known_future: float32 (96, 12), columns `features.KNOWN`; NaN where unknown.
      zone: number of the zone, 0 for one that the network has no embedding of.
    """
    return jnp.exp(log_forecast(forecaster, history, known_future, zone))


def point(log_quantiles: jax.Array) -> jax.Array:
    """The forecast with the least expected relative error, g/kWh (...), from log quantiles (..., 7)."""
    return jnp.exp(point_log(log_quantiles))
