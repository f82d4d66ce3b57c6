"""Bounded waiting lines of fixed shape: scored proposals, best first, and trainings cut by the end of an interval.

A line is an int32 array of table rows, `EMPTY` where there is nobody. Letters: Q places, P proposals, m objectives.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from jcenas.moo.expected import expected_improvement
from jcenas.moo.pareto import dominance_number, non_dominated

EMPTY = -1
FRONT = 128  # the distinct points of NAS-Bench-201's own front, error against energy: 29
SHORT_LIST = 4
Ranking = Literal["dominance", "improvement"]


def among(rows: jax.Array, others: jax.Array) -> jax.Array:
    """True where a row, int32 (n,), is also in others, int32 (k,); bool (n,). Empty places are nowhere."""
    return jnp.any(rows[:, None] == others[None, :], axis=1) & (rows != EMPTY)


def distinct(rows: jax.Array) -> jax.Array:
    """True at the first of equal rows, bool (n,)."""
    return ~jnp.any(jnp.tril(rows[:, None] == rows[None, :], -1), axis=1)


def compact(values: jax.Array, keep: jax.Array, n: int, fill) -> jax.Array:
    """The kept values (k,), in order, at the front of n places; `fill` in the others."""
    place = jnp.where(keep, jnp.cumsum(keep) - 1, n)
    return jnp.full((n,), fill, values.dtype).at[place].set(values, mode="drop")


def by_dominance(estimates: jax.Array, mask: jax.Array) -> jax.Array:
    """Order, int32 (n,), of estimated objectives (n, m): fewest dominators among all first, then the earlier place.

    The order of the released CE-NAS simulator. Rows outside the mask come last.
    """
    return jnp.argsort(dominance_number(estimates, mask), stable=True)


def by_improvement(
    mean: jax.Array, deviation: jax.Array, mask: jax.Array, front: jax.Array, front_mask: jax.Array, reference, n: int
) -> jax.Array:
    """Order, int32 (n,), of the n best candidates by expected hypervolume improvement, picked one after the other.

    After each pick its expected objectives join the front ("kriging believer": Ginsbourger et al. 2010), so that picks
    do not crowd. Of a front of more than `FRONT` points the earliest count, and only the `SHORT_LIST` n candidates that
    improve most by themselves can be picked.

    Args:
      mean: predicted objectives, float32 (k, 2).
      deviation: their standard deviations, float32 (k, 2), positive.
      mask: bool (k,), True where there is a candidate.
      front: objectives of finished evaluations, float32 (f, 2), dominated ones among them.
      front_mask: bool (f,).
      reference: float32 (2,).
      n: static number of picks, at most k.
    """
    f = min(front.shape[0], FRONT)
    best = non_dominated(front, front_mask)
    rows = compact(jnp.arange(front.shape[0]), best, f, 0)
    known = jnp.arange(f) < jnp.sum(best)
    alone = expected_improvement(mean, deviation, front[rows], reference, known)
    short = jax.lax.top_k(jnp.where(mask, alone, -1.0), min(SHORT_LIST * n, mean.shape[0]))[1]
    mean, deviation = mean[short], deviation[short]
    archive = jnp.concatenate([front[rows], jnp.full((n, front.shape[1]), jnp.inf, front.dtype)])

    def pick(carry, i):
        archive, known, free = carry
        value = expected_improvement(mean, deviation, archive, reference, known)
        best = jnp.argmax(jnp.where(free, value, -1.0)).astype(jnp.int32)
        archive = archive.at[f + i].set(mean[best])
        return (archive, known.at[f + i].set(free[best]), free.at[best].set(False)), best

    start = archive, jnp.concatenate([known, jnp.zeros(n, bool)]), mask[short]
    return short[jax.lax.scan(pick, start, jnp.arange(n))[1]].astype(jnp.int32)
