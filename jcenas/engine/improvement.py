"""Expected hypervolume improvement of candidates whose costs are known and whose error is log-normal.

A candidate of costs c improves a front by the integral, over all costs d from c to the reference, of max(best(d) -
error, 0), where best(d) is the least error that the front has at costs of at most d. best(d) takes no values but the
errors of the front and the reference's, so the expectation needs E[max(b - error, 0)] of those only, which is Black
and Scholes' formula where error = exp(a + b z) - s.

The integral is exact over one cost (steps) and over two (a sweep along the second). Over three it is taken at
quasi-random points between the candidate and the reference (Halton 1960), dense near the candidate, where it improves
if anywhere: its time grows with the front and not with the front's cube.

Letters: k candidates, f places for the front, m objectives, s points.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from jcenas.moo.surrogate import Warp

POINTS = 512
_TOGETHER = 16  # candidates of one step, three costs


class Front(NamedTuple):
    """Pareto front of the evaluations, padded."""

    points: jax.Array  # (f, m) float32, errors and costs
    known: jax.Array  # (f,) bool, False in padded rows


class Belief(NamedTuple):
    """What is thought of the candidates' errors."""

    mean: jax.Array  # (k,) float32, as `scale` maps errors
    deviation: jax.Array  # (k,) float32, of the same
    scale: Warp


def improvement(belief: Belief, costs: jax.Array, front: Front, reference: jax.Array) -> jax.Array:
    """Expected hypervolume improvement, float32 (k,), of candidates of known costs and log-normal error.

    Args:
      belief: of the candidates' errors.
      costs: float32 (k, m - 1).
      front: what is to be improved.
      reference: float32 (m,).
    """
    if costs.shape[1] == 1:
        return _over_one(belief, costs[:, 0], front, reference)
    points = jnp.where(front.known[:, None], front.points, jnp.inf)
    levels = jnp.minimum(jnp.append(points[:, 0], jnp.inf), reference[0])
    gains = jnp.maximum(_expected_gain(belief, levels[None, :]), 0)
    over = _over_two if costs.shape[1] == 2 else _over_more
    return over(costs, gains[:, :-1], gains[:, -1], points[:, 1:], reference[1:])


def _expected_gain(belief: Belief, best: jax.Array) -> jax.Array:
    """E[max(best - error, 0)], (k, f), below errors (1 or k, f)."""
    scale = belief.scale
    a = (belief.mean * scale.deviation + scale.mean)[:, None]
    b = (belief.deviation * scale.deviation)[:, None]
    step = jnp.maximum(best + scale.shift - scale.low, 1e-6)
    z = (jnp.log(step) - a) / b
    return step * norm.cdf(z) - jnp.exp(jnp.minimum(a + b**2 / 2, 20.0)) * norm.cdf(z - b)


def _widths(cost: jax.Array, ascending: jax.Array, reference: jax.Array) -> jax.Array:
    """How much of each step between costs, ascending (f,), is not cheaper than the candidates' (k,); (k, f + 1)."""
    left = jnp.concatenate([jnp.full(1, -jnp.inf), ascending])
    right = jnp.minimum(jnp.concatenate([ascending, jnp.full(1, jnp.inf)]), reference)
    return jnp.maximum(right[None, :] - jnp.maximum(left[None, :], cost[:, None]), 0)


def _over_one(belief: Belief, cost: jax.Array, front: Front, reference: jax.Array) -> jax.Array:
    """The front as steps of the best error at each cost: the width of each that is not cheaper, times its gain."""
    cheap_first = jnp.argsort(jnp.where(front.known, front.points[:, 1], jnp.inf))
    errors, ascending = jnp.where(front.known[:, None], front.points, jnp.inf)[cheap_first].T
    best = jnp.minimum(jnp.concatenate([jnp.full(1, jnp.inf), jax.lax.cummin(errors)]), reference[0])
    gain = _expected_gain(belief, best[None, :])
    return jnp.sum(_widths(cost, ascending, reference[1]) * jnp.maximum(gain, 0), axis=1)


def _over_two(
    costs: jax.Array, gains: jax.Array, most: jax.Array, points: jax.Array, reference: jax.Array
) -> jax.Array:
    """Sweep along the second cost; `height` is the gain in each strip of the first, and falls as points come in.

    Args:
      costs: float32 (k, 2), of the candidates.
      gains: float32 (k, f), expected below the error of each point of the front.
      most: float32 (k,), below the reference's.
      points: float32 (f, 2), costs of the front; inf in padded rows.
      reference: float32 (2,).
    """
    first = jnp.sort(points[:, 0])
    left = jnp.concatenate([jnp.full(1, -jnp.inf), first])
    width = _widths(costs[:, 0], first, reference[0])
    order = jnp.argsort(points[:, 1])
    depth = _widths(costs[:, 1], points[order, 1], reference[1])

    def step(height: jax.Array, point: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        cost, gain, deep = point
        height = jnp.minimum(height, jnp.where(cost <= left, gain[:, None], jnp.inf))
        return height, deep * jnp.sum(width * height, axis=1)

    height = jnp.broadcast_to(most[:, None], width.shape)
    before = depth[:, 0] * jnp.sum(width * height, axis=1)
    swept = (points[order, 0], gains[:, order].T, depth[:, 1:].T)
    return before + jnp.sum(jax.lax.scan(step, height, swept)[1], axis=0)


def quasi_random(n: int, dimensions: int) -> np.ndarray:
    """Halton's sequence: points spread evenly in the unit cube, float32 (n, dimensions), at most three dimensions."""
    points = np.zeros((n, dimensions))
    for column, base in zip(points.T, (2, 3, 5), strict=False):
        number, place = np.arange(1, n + 1), 1.0
        while number.any():  # the digits of 1, 2, ... behind the point, in the reverse order
            place /= base
            column += place * (number % base)
            number //= base
    return points.astype(np.float32)


def _over_more(
    costs: jax.Array, gains: jax.Array, most: jax.Array, points: jax.Array, reference: jax.Array
) -> jax.Array:
    """Weighted mean over quasi-random points between each candidate and the reference; arguments as of `_over_two`."""
    share = quasi_random(POINTS, costs.shape[1])
    weight = jnp.asarray(np.prod(share, axis=1) / np.sum(np.prod(share, axis=1)))  # of the square's change of variables

    def one(candidate: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        cost, gain, highest = candidate
        room = jnp.maximum(reference - cost, 0)
        at = cost[None, :] + room[None, :] * jnp.asarray(share**2)
        reached = jnp.all(points[None, :, :] <= at[:, None, :], axis=2)
        height = jnp.min(jnp.where(reached, gain[None, :], jnp.inf), axis=1, initial=jnp.inf)
        return jnp.prod(room) * jnp.sum(weight * jnp.minimum(height, highest))

    return jax.lax.map(one, (costs, gains, most), batch_size=_TOGETHER)
