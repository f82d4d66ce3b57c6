"""Several forecasts of one zone in one, with weights and intervals that follow the zone's own recent errors.

Weights: for each day ahead the non-negative weights with sum one under which the blended log intensity had the least
discounted mean squared error (stacking: Wolpert 1992, Breiman 1996; on the simplex, so that the blend lies between the
forecasts), drawn towards the first expert while few errors are known; wild days count less than their squares.
Intervals: each quantile's distance from the median is multiplied by a factor that grows where the quantile held in too
few hours and shrinks where in too many (adaptive conformal inference: Gibbs & Candès 2021; online quantile tracking:
Angelopoulos, Candès & Tibshirani 2023).

Nothing looks ahead: what is learnt from an origin's day is used for origins from the end of that day on.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas import units
from jcenas.carbon.forecast.conformal import DAYS, apply_scale
from jcenas.carbon.forecast.network import LEVELS, MEDIAN

_LEAST_SQUARE = 1e-10  # of errors: less counts as this much
_LOWEST, _HIGHEST = -5.0, 3.0  # of the factors' logarithms


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blending:
    """How fast weights and intervals follow the errors.

    Attributes:
      a_day: origins of the past a day.
      half_life_days: after which an error counts half.
      prior_days: days of errors that the belief in the first expert counts like.
      rate: of the factors' logarithms, a day.
      inner_rate: of those of the quartiles, which the point forecast leans on: a calm one is worth more there.
    """

    a_day: int = 4
    half_life_days: float = 80.0
    prior_days: float = 0.5
    rate: float = 0.6
    inner_rate: float = 0.1


class Learnt(NamedTuple):
    """What is known after each of N origins, and before the first: index i is after i origins."""

    weights: jax.Array  # (N + 1, 4, k), of the experts by day ahead
    scale: jax.Array  # (N + 1, 4, 7), of the quantiles' distances


def learn(experts: jax.Array, spread: jax.Array, target: jax.Array, over: jax.Array, config: Blending) -> Learnt:
    """Weights and factors after each of N origins, which are 24 / `a_day` hours apart.

    Args:
      experts: log intensities that each of k experts forecast, (N, k, 96); the first is believed at first.
      spread: distances of the quantiles from the median, log, (N, 96, 7).
      target: log intensities that came, (N, 96); anything where they are not known.
      over: which days of each origin are known, bool (N, 4).
      config: how fast they follow.
    """
    n, k = experts.shape[:2]
    hours = units.HOURS_PER_DAY
    target = jnp.where(jnp.repeat(over, hours, axis=1), target, 0.0)
    error = jnp.where(over[:, None, :, None], (experts - target[:, None]).reshape(n, k, DAYS, hours), 0.0)
    gram = jnp.einsum("nkdh,nldh->ndkl", error, error) / hours
    size = jnp.trace(gram, axis1=-2, axis2=-1)[..., None, None] / k
    gram = gram * jax.lax.rsqrt(jnp.maximum(size, _LEAST_SQUARE))  # wild days count by their errors, not the squares
    counts = over.astype(gram.dtype)
    decay = 0.5 ** (1 / (config.half_life_days * config.a_day))

    def add(sums, new):
        sums = jax.tree.map(lambda old, one: decay * old + one, sums, new)
        return sums, sums

    zero = (jnp.zeros_like(gram[0]), jnp.zeros_like(counts[0]))
    _, (grams, count) = jax.lax.scan(add, zero, (gram, counts))
    first = jnp.zeros((1, DAYS, k)).at[..., 0].set(1.0)
    prior = config.prior_days * config.a_day
    stacked = jax.vmap(jax.vmap(lambda gram, count: stacking(gram, count, prior)))(grams, count)
    weights = jnp.concatenate((first, stacked))
    blended = combine(experts, weights, jnp.arange(n), config.a_day)
    return Learnt(weights, _track(target - blended, spread, over, config))


def combine(experts: jax.Array, weights: jax.Array, origins: jax.Array, a_day: int) -> jax.Array:
    """Blended log intensities (n, 96) of experts (n, k, 96) at the origins with these numbers."""
    used = _known(weights, origins, a_day)
    parts = experts.reshape(*experts.shape[:2], DAYS, -1)
    return jnp.einsum("ndk,nkdh->ndh", used, parts).reshape(len(experts), -1)


def _known(states: jax.Array, origins: jax.Array, a_day: int) -> jax.Array:
    """The state of each day ahead that the origins may know, (n, 4, ...), of states (N + 1, 4, ...)."""
    days = jnp.arange(DAYS)[None]
    after = jnp.clip(origins[:, None] - a_day * (days + 1) + 1, 0, len(states) - 1)
    return states[after, jnp.broadcast_to(days, after.shape)]


def stacking(gram: jax.Array, count: jax.Array, prior: float) -> jax.Array:
    """Weights (k,) on the simplex that minimise w'Gw + prior s |w - e_0|^2, s the best expert's mean squared error.

    Exact: the stationary point on each set of experts, and the best of those without a negative weight.

    Args:
      gram: sums of products of the experts' errors, (k, k).
      count: of errors in the sums, discounted alike, ().
      prior: count that the belief in the first expert is worth.
    """
    k = gram.shape[0]
    first = jnp.zeros(k).at[0].set(1.0)
    pull = prior * jnp.min(jnp.diagonal(gram)) / jnp.maximum(count, 1e-6)
    size = jax.lax.rsqrt(jnp.maximum(jnp.diagonal(gram) + pull, _LEAST_SQUARE))  # errors of all experts in one size
    matrix = (gram + pull * jnp.eye(k)) * size[:, None] * size[None] + 1e-5 * jnp.eye(k)
    linear = pull * first * size

    def on(chosen: jax.Array) -> tuple[jax.Array, jax.Array]:
        part = jnp.where(chosen[:, None] & chosen[None], matrix, jnp.eye(k))
        free, along = _solved(part, jnp.stack((linear * chosen, size * chosen), axis=1)).T
        v = free + along * (1 - size @ free) / (size @ along)
        return size * v, jnp.where(jnp.all(v >= 0), v @ matrix @ v - 2 * linear @ v, jnp.inf)

    weights, losses = jax.vmap(on)(_subsets(k))
    return jnp.where(count > 0, weights[jnp.argmin(losses)], first)


def _solved(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solution of a small positive definite system (k, k) for sides (k, s): elimination without a library's call."""
    both = jnp.concatenate((matrix, right), axis=1)
    for i in range(len(matrix)):
        row = both[i] / both[i, i]
        both = (both - both[:, i : i + 1] * row[None]).at[i].set(row)
    return both[:, len(matrix) :]


def _subsets(k: int) -> jax.Array:
    """All sets of k but the empty one, bool (2^k - 1, k)."""
    return (jnp.arange(1, 2**k)[:, None] >> jnp.arange(k)[None]) % 2 == 1


def _track(error: jax.Array, spread: jax.Array, over: jax.Array, config: Blending) -> jax.Array:
    """Factors (N + 1, 4, 7) after each origin, of errors (N, 96) and distances (N, 96, 7).

    What counts is whether the interval held that was given at the origin, with the factor that was known then: so the
    shares come right in the long run, whatever the errors are.
    """
    levels, number = jnp.asarray(LEVELS)[None], jnp.arange(len(LEVELS))[None]
    aim = jnp.where(number < MEDIAN, levels, 1 - levels)
    rate = jnp.where(jnp.abs(number - MEDIAN) == 1, config.inner_rate, config.rate) / config.a_day
    days = jnp.arange(DAYS)

    def step(recent, one):
        error, spread, over = one
        given = jnp.exp(recent[config.a_day * (days + 1) - 1, days])  # (4, 7)
        limit = (spread * jnp.repeat(given, units.HOURS_PER_DAY, axis=0)).reshape(DAYS, -1, len(LEVELS))
        error = error.reshape(DAYS, -1, 1)
        missed = jnp.where(number[None] < MEDIAN, error < limit, error > limit).mean(axis=1)
        change = jnp.where(over[:, None] & (number != MEDIAN), rate * (missed - aim), 0.0)
        new = jnp.clip(recent[0] + change, _LOWEST, _HIGHEST)
        return jnp.concatenate((new[None], recent[:-1])), new

    first = jnp.zeros((DAYS * config.a_day, DAYS, len(LEVELS)))  # logarithms after the latest origins, latest first
    _, after = jax.lax.scan(step, first, (error, spread, over))
    return jnp.exp(jnp.concatenate((first[:1], after)))


def quantiles(
    learnt: Learnt, experts: jax.Array, spread: jax.Array, origins: jax.Array, config: Blending
) -> tuple[jax.Array, jax.Array]:
    """Log quantiles (n, 96, 7) of blended experts (n, k, 96), and the weights used (n, 4, k).

    Args:
      learnt: what `learn` found.
      experts: as there.
      spread: as there.
      origins: how many origins have begun before each of these, or with it: (n,).
      config: as there.
    """
    median = combine(experts, learnt.weights, origins, config.a_day)
    scaled = jax.vmap(apply_scale)(median[..., None] + spread, _known(learnt.scale, origins, config.a_day))
    return scaled, _known(learnt.weights, origins, config.a_day)
