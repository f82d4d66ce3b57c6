"""The most that an allocation could have brought, had every hour been known: the measure of all policies.

What is decided in hour t is how many devices train, k. That lifts the level of the search along a learning curve, from
l to f_k(l), and costs the carbon

    c_t (s G + (1 - s) k)        c_t intensity, s power of an idle device over that of one that trains, G devices,

and the search may end for good before any hour, or within it, after which nothing is charged. With a price p of carbon
the best that can follow from level l at hour t is found backwards from V_T(l) = l,

    V_t(l) = max(l, max_k V_{t+1}(f_k(l)) - p c_t (s G + (1 - s) k)).

For a carbon budget B, min_p p B + V_0(l_0) is the Lagrange dual of the budgeted problem: no schedule that keeps to the
budget ends higher (weak duality; Everett 1963, "Generalized Lagrange multiplier method"), and schedules that mix two
neighbouring plans come as near to it as hours are many. Trainings count by the part here, devices too, and a change of
stage takes no time, of all of which real hours can only fall short.

Letters: H hours, A numbers of devices to choose from, B the same with parts of a last hour, N points of the level,
W widths and K points of a curve.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas import units
from jcenas.sim.cluster import Power
from jcenas.sim.curves import Curves, advance

POINTS = 256  # of the level
CHOICES = 16  # shares of the devices above none
_PARTS = (0.25, 0.5, 0.75)  # of a last hour
_PRICES = (1e-6, 1e2)  # level per hour of all devices at the mean intensity
_COARSE, _FINE = 33, 9


class Optimum(NamedTuple):
    """The bound on one search, and the price of carbon at which it is reached."""

    level: jax.Array  # () float32, the highest final level
    price: jax.Array  # () float32, level per g; 0 where carbon is not short


class Ground(NamedTuple):
    """What the search stands on: levels that follow from each number of devices, and what that costs."""

    levels: jax.Array  # (N,) float32, ascending from the first level
    below: jax.Array  # (A, N) int32, point at or below the level after an hour
    part: jax.Array  # (A, N) float32 in [0, 1], of the way to the point above it
    energy: jax.Array  # (A,) float32, of an hour over that of all devices training
    last: jax.Array  # (B, N) float32, levels after a last hour of which a part is run
    last_energy: jax.Array  # (B,) float32, of that part over that of all devices training an hour
    hours: jax.Array  # (H,) float32, intensity over the mean
    hour_g: jax.Array  # () float32, g, of all devices training for an hour at the mean intensity


def ground_of(curve: Curves, intensity: jax.Array, power: Power, *, devices: int, level: jax.Array) -> Ground:
    """The problem of one search.

    Args:
      curve: one, levels (W, K).
      intensity: of the hours, float32 (H,), gCO2eq/kWh.
      power: of a device.
      devices: static number of devices, G.
      level: before the first hour, float32 ().
    """
    choices = jnp.linspace(0.0, devices, CHOICES + 1)
    done = choices * units.SECONDS_PER_HOUR / curve.train_s
    # No search ends above the one whose trainings all learn from each other: the fewer levels, the closer the points.
    most = intensity.shape[0] * done[-1]
    top = jnp.maximum(advance(curve, level, curve.widths[0], most), level + 1e-3)
    levels = level + (top - level) * jnp.linspace(0, 1, POINTS)
    reached = jax.vmap(lambda k, n: jax.vmap(lambda at: advance(curve, at, k, n))(levels))
    after = reached(choices, done)
    place = jnp.clip((after - level) / (top - level), 0.0, 1.0) * (POINTS - 1)
    below = jnp.minimum(place.astype(jnp.int32), POINTS - 2)
    idle = power.idle_kw / power.training_kw
    mean = jnp.maximum(jnp.mean(intensity), 1e-6)
    energy = idle + (1 - idle) * choices / devices
    parts = jnp.repeat(jnp.asarray(_PARTS), CHOICES + 1)
    last = reached(jnp.tile(choices, len(_PARTS)), parts * jnp.tile(done, len(_PARTS)))
    last_energy = parts * jnp.tile(energy, len(_PARTS))
    hour_g = power.training_kw * devices * mean
    return Ground(levels, below, place - below, energy, last, last_energy, intensity / mean, hour_g)


def _values(ground: Ground, price: jax.Array, stops: bool) -> jax.Array:
    """V_0 at the first level, float32 (), at a price in level per hour of all devices at the mean intensity."""

    def back(value: jax.Array, intensity: jax.Array) -> tuple[jax.Array, None]:
        low, high = value[ground.below], value[ground.below + 1]
        gain = low + ground.part * (high - low) - (price * intensity * ground.energy)[:, None]
        best = jnp.max(gain, axis=0)
        if not stops:
            return best, None
        ended = jnp.max(ground.last - (price * intensity * ground.last_energy)[:, None], axis=0)
        return jnp.maximum(jnp.maximum(ground.levels, ended), best), None

    return jax.lax.scan(back, ground.levels, ground.hours, reverse=True)[0][0]


def optimum(ground: Ground, budget_g: jax.Array) -> Optimum:
    """The highest level that a carbon budget, float32 () in g, allows."""
    hours = budget_g / ground.hour_g
    limited = jnp.isfinite(hours)
    left = jnp.where(limited, hours, 0.0)

    def dual(prices: jax.Array) -> jax.Array:
        return jax.vmap(lambda price: price * left + _values(ground, price, stops=True))(prices)

    prices = jnp.geomspace(*_PRICES, _COARSE)
    bounds = dual(prices)
    for _ in range(3):  # the dual is convex: its least value lies beside the least of any grid
        at = jnp.argmin(bounds)
        around = prices[jnp.maximum(at - 1, 0)], prices[jnp.minimum(at + 1, prices.shape[0] - 1)]
        prices = jnp.geomspace(*around, _FINE)
        bounds = dual(prices)
    free = _values(ground, jnp.float32(0.0), stops=True)
    tight = limited & (jnp.min(bounds) < free)
    level = jnp.where(tight, jnp.min(bounds), free)
    return Optimum(level, jnp.where(tight, prices[jnp.argmin(bounds)] / ground.hour_g, 0.0))


def optimum_at_price(ground: Ground, price: jax.Array) -> jax.Array:
    """The most of final level less price times emissions, float32 (), for a price in level per g, without a budget.

    The search lasts all hours: what idling costs is subtracted whatever is decided.
    """
    return _values(ground, price * ground.hour_g, stops=False)
