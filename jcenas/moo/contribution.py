"""What single points and batches add to a hypervolume.

Letters: n points, b new points, m objectives. Masks mean *valid*.
"""

import jax
import jax.numpy as jnp

from jcenas.moo import sorting
from jcenas.moo.hypervolume import check_reference, gains, volume
from jcenas.moo.pareto import check_objectives


def _limited(gain: jax.Array, corner: jax.Array) -> jax.Array:
    """The boxes [0, gain] (n, m) cut to the box [0, corner] (m,)."""
    return jnp.minimum(gain, corner[None, :])


def _without(gain: jax.Array, i: jax.Array) -> jax.Array:
    """Gains (n, m) with row i emptied."""
    return jnp.where((jnp.arange(gain.shape[0]) == i)[:, None], 0, gain)


def contributions(objectives: jax.Array, reference: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Exclusive hypervolume of each point: how much is lost when it alone is removed.

    Args:
      objectives: float (n, m), minimised.
      reference: float (m,).
      mask: bool (n,), True where valid.

    Returns:
      float (n,): 0 for dominated points, for both copies of a duplicate, for points beyond the reference and outside
      the mask.
    """
    check_objectives(objectives, mask)
    check_reference(objectives, reference)
    gain = gains(objectives, reference, mask)
    own = jnp.prod(gain, axis=1)
    if gain.shape[1] == 2:
        return _staircase(gain)

    def shared(i):  # the part of box i that the other boxes cover
        return volume(_limited(_without(gain, i), gain[i]))

    covered = jax.lax.map(shared, jnp.arange(gain.shape[0]), batch_size=64)
    return jnp.maximum(own - covered, 0)


def _staircase(gain: jax.Array) -> jax.Array:
    """Exclusive areas (n,) of the boxes [0, gain], gain (n, 2), by one sort.

    Going from the widest box inwards, the strip between two widths belongs to the highest box so far, as far as it
    rises above the second highest.
    """
    n = gain.shape[0]
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
    new: jax.Array, objectives: jax.Array, reference: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Hypervolume, scalar, that new points (b, m) add, together, to an archive (n, m) where mask (n,) is True.

    By adding one point at a time: its own box less what archive and earlier points cover of it (the archive's volume
    itself is never computed).
    """
    check_objectives(objectives, mask)
    check_reference(objectives, reference)
    check_objectives(new, None)
    check_reference(new, reference)
    old, gain = gains(objectives, reference, mask), gains(new, reference)
    b = gain.shape[0]

    def added(i):
        earlier = jnp.where((jnp.arange(b) < i)[:, None], gain, 0)
        return jnp.prod(gain[i]) - volume(_limited(jnp.concatenate([old, earlier]), gain[i]))

    return jnp.sum(jnp.maximum(jax.lax.map(added, jnp.arange(b), batch_size=64), 0))
