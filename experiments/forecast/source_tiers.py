"""Published forecasters to compare with: by source (DACF) and the two tiers of CarbonCast, as Linen modules.

Tier 1 (both; Maji et al., e-Energy 2022 and BuildSys 2022): one small network for each energy source, from the past 24
hours of its generation, the calendar and, for hydro, solar and wind, the weather, to its next 96 hours. DACF puts the
sources' forecasts through the emission factors. Tier 2 (CarbonCast): convolutions and an LSTM from the past 24 hours of
intensity and the forecasts of sources and weather to the intensity. Sizes as published: dense 50 and 34; 16 and 32
filters of the convolutions, kernel 4, pool 4; dense 20; squared error.

The published first tier learns one network after another; here `vmap` trains all sources of a region at once.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas import units
from jcenas.carbon.forecast import features
from jcenas.carbon.forecast.windows import Windows

HOURS = units.HOURS_PER_DAY
WITH_WEATHER = tuple(source in {"hydro", "solar", "wind"} for source in features.SOURCES)


class SourceNetwork(nn.Module):
    """One source: dense 50, 34, then 96 hours of generation, in multiples of its mean."""

    @nn.compact
    def __call__(self, past: jax.Array, calendar: jax.Array, weather: jax.Array) -> jax.Array:
        """Apply to past (24,), calendar (7,) of the first hour and weather (96, 5): generation (96,)."""
        daily = weather.reshape(-1, 3, weather.shape[-1]).mean(axis=1)  # three-hour means
        x = jnp.concatenate((past, calendar, daily.ravel()))
        for width in (50, 34):
            x = nn.relu(nn.Dense(width)(x))
        return jnp.tile(past, 4) + nn.Dense(features.HORIZON_H)(x)


class SecondTier(nn.Module):
    """CarbonCast's CNN-LSTM on intensity, source forecasts and weather."""

    @nn.compact
    def __call__(self, past: jax.Array, sources: jax.Array, weather: jax.Array) -> jax.Array:
        """Apply to past (24,), sources (96, 8) and weather (96, 5): intensity (96,), in standard deviations."""
        before = jnp.zeros((HOURS, sources.shape[1] + weather.shape[1]), past.dtype)
        ahead = jnp.concatenate((sources, weather), axis=1)
        x = jnp.concatenate((jnp.concatenate((past[:, None], before), axis=1), _lead(ahead)))
        for width in (16, 32):
            x = nn.relu(nn.Dense(width)(_neighbours(x)))  # a convolution of kernel 4
        x = nn.max_pool(x[None], (4,), strides=(4,))[0]
        x = nn.RNN(nn.OptimizedLSTMCell(32))(x)[-1]
        return nn.Dense(features.HORIZON_H)(nn.relu(nn.Dense(20)(x)))


def _neighbours(x: jax.Array) -> jax.Array:
    """Each of the rows (T, c) with the one before and the two after, (T, 4 c), zeros outside.

    A dense layer on them is a convolution; XLA:CPU runs the gradient of a real one in a loop body some 40 times slower.
    """
    padded = jnp.pad(x, ((1, 2), (0, 0)))
    return jnp.concatenate([padded[i : i + x.shape[0]] for i in range(4)], axis=1)


def _lead(ahead: jax.Array) -> jax.Array:
    return jnp.concatenate((jnp.zeros((ahead.shape[0], 1), ahead.dtype), ahead), axis=1)


class Region(struct.PyTreeNode):
    """Scales of one region, from its training windows only."""

    power: jax.Array  # (8,) float32, mean generation by source, MW
    factors: jax.Array  # (8,) float32, gCO2eq/kWh
    centre: jax.Array  # () float32, mean intensity
    spread: jax.Array  # () float32, its standard deviation
    weather_centre: jax.Array  # (5,) float32
    weather_spread: jax.Array  # (5,) float32


def describe_region(windows: Windows) -> Region:
    """Scales and effective emission factors of a region, from training windows (n, ...).

    The factors are fitted by least squares to intensity and shares, since a region's "other" differs from grid to grid.
    """
    shares = jnp.nan_to_num(windows.history[:, :, features.MIX][..., :-1])
    intensity = windows.history[:, :, features.INTENSITY]
    flat, wanted = shares[::7].reshape(-1, shares.shape[-1]), intensity[::7].ravel()
    system = flat.T @ flat + 1e-3 * len(flat) * jnp.eye(flat.shape[1]) * 1e-3
    weather = windows.known[..., features.FUTURE_WEATHER]
    return Region(
        power=_generation(windows).mean(axis=(0, 1)) + 1.0,
        factors=jnp.clip(jnp.linalg.solve(system, flat.T @ wanted), 0, 1500),
        centre=intensity.mean(),
        spread=intensity.std(),
        weather_centre=jnp.nanmean(weather, axis=(0, 1)),
        weather_spread=jnp.nanstd(weather, axis=(0, 1)) + 1e-3,
    )


def _generation(windows: Windows) -> jax.Array:
    """Past generation by source, MW (n, 168, 8)."""
    mix = jnp.nan_to_num(windows.history[:, :, features.MIX])
    return mix[..., :-1] * mix[..., -1:]


def _weather(windows: Windows, region: Region) -> jax.Array:
    raw = windows.known[..., features.FUTURE_WEATHER]
    return jnp.nan_to_num((raw - region.weather_centre[None, None]) / region.weather_spread[None, None])


def init(key: jax.Array) -> Any:
    """Parameters of both tiers; the first tier's have a leading axis of the eight sources."""
    first, second = jax.random.split(key)
    past, calendar = jnp.zeros((HOURS,), jnp.float32), jnp.zeros((len(features.CALENDAR),), jnp.float32)
    weather = jnp.zeros((features.HORIZON_H, len(features.WEATHER)), jnp.float32)
    sources = jnp.zeros((features.HORIZON_H, len(features.SOURCES)), jnp.float32)
    keys = jax.random.split(first, len(features.SOURCES))
    return {
        "first": jax.vmap(lambda k: SourceNetwork().init(k, past, calendar, weather)["params"])(keys),
        "second": SecondTier().init(second, past, sources, weather)["params"],
    }


def source_forecast(params: Any, windows: Windows, region: Region) -> jax.Array:
    """Tier 1: generation of the next 96 hours in multiples of the mean, (n, 96, 8)."""
    past = _generation(windows)[:, -HOURS:] / region.power[None, None]
    weather = _weather(windows, region)[:, None] * jnp.asarray(WITH_WEATHER)[None, :, None, None]
    calendar = windows.known[:, 0, : len(features.CALENDAR)]
    network: Any = SourceNetwork()

    def one(p, x, c, w):
        return network.apply({"params": p}, x, c, w)

    many = jax.vmap(jax.vmap(one, in_axes=(0, 0, None, 0)), in_axes=(None, 0, 0, 0))
    return jnp.moveaxis(many(params["first"], past.swapaxes(1, 2), calendar, weather), 1, 2)


def dacf(params: Any, windows: Windows, region: Region) -> jax.Array:
    """DACF-style intensity, g/kWh (n, 96): sources' forecasts through the emission factors."""
    power = jnp.maximum(source_forecast(params, windows, region), 0.0) * region.power[None, None]
    return power @ region.factors / jnp.maximum(power.sum(axis=-1), 1.0)


def carboncast(params: Any, windows: Windows, region: Region) -> jax.Array:
    """CarbonCast-style intensity of both tiers, g/kWh (n, 96)."""
    past = (windows.history[:, -HOURS:, features.INTENSITY] - region.centre) / region.spread
    sources = jax.lax.stop_gradient(source_forecast(params, windows, region)) - 1.0
    network: Any = SecondTier()

    def apply(*x):
        return network.apply({"params": params["second"]}, *x)

    return jax.vmap(apply)(past, sources, _weather(windows, region)) * region.spread + region.centre


def loss(params: Any, windows: Windows, region: Region, generation_ahead: jax.Array) -> jax.Array:
    """Squared error of both tiers, each of its own target, (); generation ahead in MW (n, 96, 8)."""
    first = source_forecast(params, windows, region) - generation_ahead / region.power[None, None]
    second = (carboncast(params, windows, region) - windows.target) / region.spread
    return jnp.mean(first**2) + jnp.mean(second**2)


def fit(
    key: jax.Array, windows: Windows, generation_ahead: jax.Array, *, steps: int = 2000, batch_size: int = 32
) -> tuple[Any, Region]:
    """Train both tiers of one region by Adam, one scan.

    Args:
      key: consumed.
      windows: training windows (n, ...), with their mix.
      generation_ahead: MW by source in the target hours, (n, 96, 8).
      steps: of Adam, at a rate that falls from 1e-3 to 1e-4.
      batch_size: windows a step.

    Returns:
      Parameters, and the scales to forecast with.
    """
    start, draws = jax.random.split(key)
    region = describe_region(windows)
    optimizer = optax.adam(optax.schedules.exponential_decay(1e-3, steps, 0.1))
    params = init(start)

    def step(carry, key):
        params, state = carry
        rows = jax.random.randint(key, (batch_size,), 0, windows.target.shape[0])
        batch = jax.tree.map(lambda x: x[rows], windows)
        gradient = jax.grad(loss)(params, batch, region, generation_ahead[rows])
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(draws, steps))
    return params, region
