"""Pareto dominance on padded populations: numbers, masks, fronts and crowding distances.

Objectives are minimised. Row a *dominates* row b when a is nowhere larger and somewhere smaller; it *weakly dominates*
b when it is nowhere larger (so duplicates dominate each other weakly); it *strictly dominates* b when it is smaller
everywhere. Everything here uses plain dominance, so duplicates never remove each other and all copies of a
non-dominated point are non-dominated. Infinities are ordinary values. NaN counts as +inf: an objective that could not
be measured is as bad as can be. Integers compare exactly.

Letters: n rows, m objectives. Masks mean *valid*; rows outside the mask neither dominate nor count.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jcenas.moo import sorting
from jcenas.moo.arrays import as_array, as_floats, as_objectives, one_program

_BLOCK = 512
_DIRECT = 1024  # up to here all pairs are one fused loop


def clean(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Floating-point objectives (n, m) with NaN, and all of each row outside the mask, replaced by +inf."""
    points = as_floats(objectives)
    points = jnp.where(jnp.isnan(points), jnp.inf, points)
    return points if mask is None else jnp.where(mask[:, None], points, jnp.inf)


def spaced(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Floats (n, m) that differ as the objectives do, as `clean` has them: integers less the least of their column."""
    if not jnp.issubdtype(objectives.dtype, jnp.integer):
        return clean(objectives, mask)
    unsigned = objectives.astype(jnp.dtype(f"uint{8 * objectives.dtype.itemsize}"))  # whose differences never overflow
    return clean(unsigned - unsigned[jnp.argmin(objectives, axis=0), jnp.arange(objectives.shape[1])][None, :], mask)


def comparable(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Floats (n, m) in the order of the objectives, as `clean` has them.

    Integers, of which floats cannot tell all apart, are replaced by their places in the order of their column.
    """
    if not jnp.issubdtype(objectives.dtype, jnp.integer):
        return clean(objectives, mask)
    places = jax.vmap(lambda column: jnp.searchsorted(jnp.sort(column), column), 1, 1)(objectives)
    return clean(places, mask)


def first_of_equals(objectives: jax.Array, mask: jax.Array) -> jax.Array:
    """Mask, bool (n,), of the first valid row of each distinct vector of objectives (n, m)."""
    equal = jnp.all(objectives[:, None, :] == objectives[None, :, :], axis=-1) & mask[None, :]
    return mask & ~jnp.any(jnp.tril(equal, -1), axis=1)


def dominates(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """True where a (..., m) dominates b (..., m): nowhere larger, somewhere smaller; NaN counts as +inf.

    Raises:
      ValueError: unless a and b have as many objectives and their other axes broadcast.
    """
    a, b = as_array(a), as_array(b)
    if not (a.shape and b.shape) or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"a and b must have shapes (..., m) with one m: got {a.shape} and {b.shape}")
    a, b = (x if jnp.issubdtype(x.dtype, jnp.integer) else jnp.where(jnp.isnan(x), jnp.inf, x) for x in (a, b))
    return jnp.all(a <= b, axis=-1) & jnp.any(a < b, axis=-1)


def _count_dominators(points: jax.Array, others: jax.Array) -> jax.Array:
    """For each of points (k, m), how many of others (n, m) dominate it; int32 (k,)."""
    no_larger, smaller = True, False
    for p, o in zip(points.T, others.T, strict=True):  # m is static and small: unrolled, so that one fused loop remains
        no_larger &= o[:, None] <= p[None, :]
        smaller |= o[:, None] < p[None, :]
    return jnp.sum(no_larger & smaller, axis=0, dtype=jnp.int32)  # down the columns: whole vectors of counters


def dominance_number(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Count the rows that dominate each row.

    Args:
      objectives: float (n, m), minimised.
      mask: bool (n,), True where valid; None means all valid.

    Returns:
      int32 (n,): 0 for non-dominated rows; n for rows outside the mask, so that they sort last. Work O(n^2 m), memory
      O(n).

    Raises:
      ValueError: on wrong ranks.
    """
    return _dominance_number(*as_objectives(objectives, mask))


@one_program
def _dominance_number(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    points = comparable(objectives, mask)
    n = points.shape[0]
    if n <= _DIRECT:
        numbers = _count_dominators(points, points)
    else:
        numbers = jax.lax.map(lambda p: _count_dominators(p[None], points)[0], points, batch_size=_BLOCK)
    return numbers if mask is None else jnp.where(mask, numbers, n)


def _staircase(points: jax.Array) -> jax.Array:
    """Mask, bool (n,), of the non-dominated among points (n, 2), by sorting: O(n log n)."""
    x, y = points[:, 0], points[:, 1]
    order = sorting.ascending(x)
    x, y = x[order], y[order]
    index = jnp.arange(x.shape[0])
    new = jnp.concatenate([jnp.ones(1, bool), x[1:] > x[:-1]])
    start = jax.lax.cummax(jnp.where(new, index, 0))  # first row of equal x
    lowest = jax.lax.cummin(y)
    left = jnp.where(start > 0, lowest[jnp.maximum(start - 1, 0)], jnp.inf)  # lowest y at smaller x
    own = jax.ops.segment_min(y, start, x.shape[0])[start]
    free = (start == 0) | (y < left)
    return jnp.zeros(x.shape[0], bool).at[order].set(free & (y <= own))


def non_dominated(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Mask, bool (n,), of the valid rows that no valid row dominates; all copies of a duplicated row are kept.

    O(n log n) for two objectives, O(n^2 m) for more; memory O(n).
    """
    return _non_dominated(*as_objectives(objectives, mask))


@one_program
def _non_dominated(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    points = comparable(objectives, mask)
    if points.shape[1] == 2 and points.shape[0] > _BLOCK:
        best = _staircase(points)
    else:
        best = dominance_number(points) == 0
    return best if mask is None else best & mask


def ranks(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Front of each row, int32 (n,), by non-dominated sorting (Deb et al. 2002): 0 for the best, n outside the mask."""
    return _ranks(*as_objectives(objectives, mask))


@one_program
def _ranks(objectives: jax.Array, mask: jax.Array | None) -> jax.Array:
    points = comparable(objectives, mask)
    n = points.shape[0]
    valid = jnp.ones(n, bool) if mask is None else mask
    beats = dominates(points[:, None, :], points[None, :, :]) & valid[:, None] & valid[None, :]  # row dominates column

    def peel(carry):
        rank, dominators, front = carry
        now = (dominators == 0) & (rank == n) & valid
        fewer = jnp.sum(beats & now[:, None], axis=0, dtype=jnp.int32)
        return jnp.where(now, front, rank), dominators - fewer, front + 1

    def unfinished(carry):
        return jnp.any((carry[0] == n) & valid)

    start = (jnp.full(n, n, jnp.int32), jnp.sum(beats, axis=0, dtype=jnp.int32), jnp.int32(0))
    return jax.lax.while_loop(unfinished, peel, start)[0]


def crowding_distance(
    objectives: ArrayLike, mask: ArrayLike | None = None, front: ArrayLike | None = None
) -> jax.Array:
    """Crowding distance within each front (Deb et al. 2002, section III-B).

    Args:
      objectives: float (n, m).
      mask: bool (n,), True where valid.
      front: int (n,), the front of each row, as from `ranks`; None means that all valid rows form one front.

    Returns:
      float (n,): inf at the ends of each objective, 0 outside the mask. An objective that is constant (or infinite)
      over a front adds nothing, so no value is NaN.
    """
    objectives, mask = as_objectives(objectives, mask)
    if front is not None:
        front = as_array(front)
        if front.shape != objectives.shape[:1]:
            raise ValueError(f"front must have shape (n,): got {front.shape} for objectives {objectives.shape}")
    return _crowding_distance(objectives, mask, front)


@one_program
def _crowding_distance(objectives: jax.Array, mask: jax.Array | None, front: jax.Array | None) -> jax.Array:
    n = objectives.shape[0]
    if n == 0:
        return jnp.zeros(0, as_floats(objectives).dtype)
    points = spaced(objectives, mask)
    valid = jnp.ones(n, bool) if mask is None else mask
    group_of = jnp.where(valid, jnp.zeros(n, jnp.int32) if front is None else front, n)
    total = jnp.zeros(n, points.dtype)
    for column in points.T:
        order = jnp.lexsort((column, group_of))
        value, group = column[order], group_of[order]
        first = jnp.concatenate([jnp.array([True]), group[1:] != group[:-1]])
        last = jnp.concatenate([group[1:] != group[:-1], jnp.array([True])])
        low, high = jax.ops.segment_min(value, group, n + 1)[group], jax.ops.segment_max(value, group, n + 1)[group]
        spread = high - low
        varies = jnp.isfinite(spread) & (spread > 0)
        before, after = jnp.roll(value, 1), jnp.roll(value, -1)
        inner = jnp.where(varies, (after - before) / jnp.where(varies, spread, 1), 0)
        ends = jnp.where(varies | ~jnp.isfinite(spread), jnp.inf, 0).astype(points.dtype)
        total = total.at[order].add(jnp.where(first | last, ends, inner))
    return jnp.where(valid, total, 0)
