"""Exact hypervolume of padded fronts, on device.

The hypervolume is the volume that a set of points dominates, up to a reference point (Zitzler and Thiele 1998).
Objectives are minimised. Points at or beyond the reference in any objective, dominated points, duplicates, NaN rows and
rows outside the mask contribute nothing. A reference inside the front is legal: points beyond it drop out.

Everything works on *gains*, the distances from the reference: the hypervolume is the volume of the union of boxes [0,
gain].

| m | method | work |
| --- | --- | --- |
| 2 | one sort and a running maximum | O(n log n) |
| 3 | sweep along the first objective that keeps, for every point, the area's height below that point's depth | O(n^2) |
| m > 3 | slices along the last objective of the points that no other dominates | O(n^2 + f^(m-1)), f of those |

Memory is O(n). The sweep has no data-dependent step, so thousands of fronts run in one `vmap` at full vector width.
With more than three objectives f is one of a few sizes, chosen by what there is; under `vmap` it is n.

Letters: n points, m objectives.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.moo import sorting
from jcenas.moo.arrays import as_floats, as_objectives, check_reference, less, on_host, one_program
from jcenas.moo.pareto import non_dominated
from jcenas.moo.sized import by_size

_SMALL = 64
_FRONTS = (64, 128, 256)  # places for the front, where there are more points than that and more than three objectives
_UNROLL = 8


def distances(objectives: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Distances reference - objectives, float (n, m) of the objectives' dtype, negative beyond the reference."""
    if on_host((objectives, reference)):
        return less(np.asarray(reference)[None, :], np.asarray(objectives))
    points = as_floats(objectives)
    return less(jnp.asarray(reference, points.dtype)[None, :], points)


def gains(objectives: ArrayLike, reference: ArrayLike, mask: jax.Array | None = None) -> jax.Array:
    """Distances reference - objectives, float (n, m), with all zeros in rows that contribute nothing; see `less`."""
    return _of_rows_inside(distances(objectives, reference), mask)


@one_program
def _of_rows_inside(gain: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Distances (n, m) with all zeros in rows that contribute nothing."""
    inside = jnp.all(gain > 0, axis=1)  # False for NaN
    return jnp.where((inside if mask is None else inside & mask)[:, None], gain, 0)


def _area(gain: jax.Array) -> jax.Array:
    """Area of the union of the boxes [0, gain], gain (n, 2)."""
    x, y = gain[:, 0], gain[:, 1]
    n = x.shape[0]
    if n <= _SMALL:  # no sort: fuses into one loop, and vmaps over fronts at full speed
        index = jnp.arange(n)
        # Of equal ones the earlier counts as wider: it exceeds the next smaller float.
        exact = jax.lax.stop_gradient(x)
        below = jnp.nextafter(exact, jnp.asarray(-1, x.dtype))
        wider = exact[None, :] > jnp.where(index[None, :] < index[:, None], below[:, None], exact[:, None])
        top = jnp.max(jnp.where(wider, y[None, :], 0), axis=1)
        return jnp.sum(x * jnp.maximum(y - top, 0))
    order = sorting.descending_gains(x)
    top = jax.lax.cummax(y[order])
    return jnp.sum(x[order] * jnp.diff(top, prepend=jnp.zeros(1, y.dtype)))


def _steps(values: jax.Array) -> jax.Array:
    """Differences (n,) of falling values (n,) to the next one, the last to 0."""
    return values - jnp.append(values[1:], 0)


def _sweep(x: jax.Array, y: jax.Array, z: jax.Array, order: jax.Array) -> jax.Array:
    """Volume of the union of boxes [0, x] x [0, y] x [0, z], each (n,), sorted by falling x; order sorts z downwards.

    After step i, height[k] is the largest y among the first i boxes at least as deep as the k-th deepest; the slab
    between x_i and x_(i+1) therefore has the area sum_k (z_k - z_(k+1)) height[k].
    """
    deep = z[order]

    def step(carry, box):
        height, total = carry
        width, y, z = box
        height = jnp.maximum(height, jnp.where(z >= deep, y, 0))
        return (height, total + width * height), None

    zeros = jnp.zeros_like(deep)
    (_, total), _ = jax.lax.scan(step, (zeros, zeros), (_steps(x), y, z), unroll=_UNROLL)
    return jnp.sum(_steps(deep) * total)


def volume(gain: jax.Array) -> jax.Array:
    """Volume of the union of the boxes [0, gain], gain (n, m) nonnegative; scalar."""
    n, m = gain.shape
    if m == 1:
        return jnp.max(gain[:, 0], initial=0)
    if m == 2:
        return _area(gain)
    gain = gain[sorting.descending_gains(gain[:, 0])]
    deepest = sorting.descending_gains(gain[:, 2])

    def slices(present, axis):  # volume of the boxes with `present`, in the objectives 0..axis
        if axis == 2:
            return _sweep(gain[:, 0], jnp.where(present, gain[:, 1], 0), gain[:, 2], deepest)
        last = gain[:, axis]
        order = sorting.descending_gains(last)
        levels = last[order]

        def slab(total, level):
            depth, width = level
            return total + width * slices(present & (last >= depth), axis - 1), None

        return jax.lax.scan(slab, jnp.zeros((), gain.dtype), (levels, _steps(levels)))[0]

    return slices(jnp.ones(n, bool), m - 1)


def _volume_of_front(gain: jax.Array) -> jax.Array:
    """As `volume`, of the boxes that no other contains: slices cost a power of how many they are given."""
    best = non_dominated(-gain, jnp.all(gain > 0, axis=1))
    first = gain[jnp.argsort(~best, stable=True)]
    sizes = [*(size for size in _FRONTS if size < len(gain)), len(gain)]
    return by_size(sizes, jnp.sum(best), [lambda gain, size=size: volume(gain[:size]) for size in sizes], first)


def hypervolume(objectives: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Volume dominated by the valid points, up to the reference.

    Args:
      objectives: float (n, m), minimised.
      reference: float (m,).
      mask: bool (n,), True where valid; None means all valid.

    Returns:
      Scalar of the objectives' floating dtype; exact up to rounding, which float32 keeps below 1e-5 of the value, given
      the distances from the reference (those of JAX arrays are rounded like their values). Infinite where a point
      with an objective of -inf is within the reference.

    Raises:
      ValueError: on wrong ranks or a reference of another length.
    """
    points, mask = as_objectives(objectives, mask)
    check_reference(points, reference)
    if points.shape[0] == 0:
        return jnp.zeros((), as_floats(points).dtype)
    return _of_gains(gains(objectives, reference, mask))


@one_program
def _of_gains(gain: jax.Array) -> jax.Array:
    """Volume of the union of the boxes [0, gain], gain (n, m) nonnegative, some of it perhaps infinite; scalar."""
    unbounded = jnp.isinf(gain)
    measure = _volume_of_front if gain.shape[1] > 3 and gain.shape[0] > _FRONTS[0] else volume
    return jnp.where(jnp.any(unbounded), jnp.inf, measure(jnp.where(unbounded, 1, gain)))
