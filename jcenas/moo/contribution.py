"""Exclusive hypervolume of single points, and hypervolume improvement of batches.

A point with an objective of -inf adds an infinite volume, unless others cover it: see `_with_infinities`.

Letters: n points, b new points, m objectives. Masks mean *valid*.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jcenas.moo import sorting
from jcenas.moo.arrays import as_objectives, check_reference
from jcenas.moo.hypervolume import gains, volume


def _limited(gain: jax.Array, corner: jax.Array) -> jax.Array:
    """The boxes [0, gain] (n, m) cut to the box [0, corner] (m,)."""
    return jnp.minimum(gain, corner[None, :])


def _without(gain: jax.Array, i: jax.Array) -> jax.Array:
    """Gains (n, m) with row i emptied."""
    return jnp.where((jnp.arange(gain.shape[0]) == i)[:, None], 0, gain)


@functools.partial(jax.jit, static_argnums=0, inline=True)  # one program where nothing is traced
def _with_infinities(function: Callable[..., jax.Array], *gains_of: jax.Array) -> jax.Array:
    """Apply a volume of gains, (n, m) each, some of which may be infinite.

    Infinite gains become twice the largest finite one of their objective, then four times: what grows is infinite.
    """
    finite = jnp.concatenate([jnp.where(jnp.isinf(gain), 0, gain) for gain in gains_of])
    top = jnp.maximum(jnp.max(finite, axis=0, initial=0), 1)
    capped = [[jnp.where(jnp.isinf(gain), k * top[None, :], gain) for gain in gains_of] for k in (2, 4)]
    unbounded = jnp.any(jnp.stack([jnp.any(jnp.isinf(gain)) for gain in gains_of]))
    once = function(*capped[0])
    twice = jax.lax.cond(unbounded, lambda: function(*capped[1]), lambda: once)
    return jnp.where(twice > once * (1 + 1e-4), jnp.inf, once)


def contributions(objectives: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Exclusive hypervolume of each point: how much is lost when it alone is removed.

    Args:
      objectives: float (n, m), minimised.
      reference: float (m,).
      mask: bool (n,), True where valid.

    Returns:
      float (n,): 0 for dominated points, for both copies of a duplicate, for points beyond the reference and outside
      the mask.
    """
    points, mask = as_objectives(objectives, mask)
    check_reference(points, reference)
    gain = gains(objectives, reference, mask)
    return _with_infinities(exclusive, gain)


def exclusive(gain: jax.Array) -> jax.Array:
    """Exclusive volumes (n,) of the boxes [0, gain], finite gains (n, m)."""
    return _staircase(gain) if gain.shape[1] == 2 else _by_removal(gain)


def _by_removal(gain: jax.Array) -> jax.Array:
    """Exclusive volumes (n,) of the boxes [0, gain], gain (n, m), each less what the others cover of it."""
    if gain.shape[0] == 0:
        return jnp.zeros(0, gain.dtype)

    def shared(i: jax.Array) -> jax.Array:
        return volume(_limited(_without(gain, i), gain[i]))

    covered = jax.lax.map(shared, jnp.arange(gain.shape[0]), batch_size=64)
    return jnp.maximum(jnp.prod(gain, axis=1) - covered, 0)


def _staircase(gain: jax.Array) -> jax.Array:
    """Exclusive areas (n,) of the boxes [0, gain], gain (n, 2), by one sort.

    Going from the widest box inwards, the strip between two widths belongs to the highest box so far, as far as it
    rises above the second highest.
    """
    n = gain.shape[0]
    if n == 0:
        return jnp.zeros(0, gain.dtype)
    order = sorting.descending_gains(gain[:, 0])
    x, y = gain[order, 0], gain[order, 1]

    def two_highest(a, b):
        (first, owner, second), (other, other_owner, other_second) = a, b
        second = jnp.maximum(jnp.minimum(first, other), jnp.maximum(second, other_second))
        return jnp.maximum(first, other), jnp.where(other > first, other_owner, owner), second

    first, owner, second = jax.lax.associative_scan(two_highest, (y, order, jnp.zeros_like(y)))
    strip = (x - jnp.append(x[1:], 0)) * (first - second)
    return jax.ops.segment_sum(strip, owner, n)


def improvement(
    new: ArrayLike, objectives: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None
) -> jax.Array:
    """Hypervolume improvement, scalar: what new points (b, m) add, together, to an archive (n, m) where mask is True.

    By adding one point at a time: its own box less what archive and earlier points cover of it (the archive's volume
    itself is never computed).
    """
    archive, mask = as_objectives(objectives, mask)
    check_reference(archive, reference)
    fresh, _ = as_objectives(new)
    check_reference(fresh, reference)
    old, gain = gains(objectives, reference, mask), gains(new, reference)
    return _with_infinities(_added, gain, old) if gain.shape[0] else jnp.zeros((), gain.dtype)


def _added(gain: jax.Array, old: jax.Array) -> jax.Array:
    """Volume of the boxes [0, gain], gain (b, m), outside the boxes [0, old], old (n, m)."""
    b = gain.shape[0]

    def added(i: jax.Array) -> jax.Array:
        earlier = jnp.where((jnp.arange(b) < i)[:, None], gain, 0)
        return jnp.prod(gain[i]) - volume(_limited(jnp.concatenate([old, earlier]), gain[i]))

    return jnp.sum(jnp.maximum(jax.lax.map(added, jnp.arange(b), batch_size=64), 0))
