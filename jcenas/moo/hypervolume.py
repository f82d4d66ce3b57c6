"""Exact hypervolume of padded fronts, on device.

The hypervolume is the volume that a set of points dominates, up to a reference point (Zitzler and Thiele 1998).
Objectives are minimised. Points at or beyond the reference in any objective, dominated points, duplicates, NaN rows and
rows outside the mask contribute nothing. A reference inside the front is legal: points beyond it drop out.

Letters: n points, m objectives.
"""

import jax
import jax.numpy as jnp

from jcenas.moo.pareto import check_objectives

_SMALL = 64


def check_reference(objectives: jax.Array, reference: jax.Array) -> None:
    """Raise ValueError unless reference is (m,) for objectives (n, m)."""
    if jnp.shape(reference) != jnp.shape(objectives)[1:]:
        raise ValueError(
            f"reference must have shape (m,): got {jnp.shape(reference)} for objectives {jnp.shape(objectives)}"
        )


def gains(objectives: jax.Array, reference: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Distances reference - objectives, float (n, m), with all zeros in rows that contribute nothing."""
    objectives = jnp.asarray(objectives)
    if not jnp.issubdtype(objectives.dtype, jnp.floating):
        objectives = objectives.astype(jnp.float32)
    gain = jnp.asarray(reference, objectives.dtype)[None, :] - objectives
    inside = jnp.all(gain > 0, axis=1)  # False for NaN
    return jnp.where((inside if mask is None else inside & mask)[:, None], gain, 0)


def _area(gain: jax.Array) -> jax.Array:
    """Area of the union of the boxes [0, gain], gain (n, 2)."""
    x, y = gain[:, 0], gain[:, 1]
    n = x.shape[0]
    if n <= _SMALL:  # no sort: fuses into one loop, and vmaps over fronts at full speed
        index = jnp.arange(n)
        wider = (x[None, :] > x[:, None]) | ((x[None, :] == x[:, None]) & (index[None, :] < index[:, None]))
        top = jnp.max(jnp.where(wider, y[None, :], 0), axis=1)
        return jnp.sum(x * jnp.maximum(y - top, 0))
    x, y = jax.lax.sort((-x, y), num_keys=1)
    top = jax.lax.cummax(y)
    return jnp.sum(-x * jnp.diff(top, prepend=jnp.zeros(1, y.dtype)))


def _volume(gain: jax.Array) -> jax.Array:
    """Volume of the union of the boxes [0, gain], gain (n, m), by slicing along the last objective."""
    n, m = gain.shape
    if m == 1:
        return jnp.max(gain[:, 0], initial=0)
    if m == 2:
        return _area(gain)
    gain = gain[jnp.argsort(-gain[:, -1])]
    depth = gain[:, -1] - jnp.append(gain[1:, -1], 0)
    index = jnp.arange(n)

    def slab(k):
        return _volume(jnp.where((index <= k)[:, None], gain[:, :-1], 0))

    return jnp.sum(depth * jax.lax.map(slab, index, batch_size=64))


def hypervolume(objectives: jax.Array, reference: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Volume dominated by the valid points, up to the reference.

    Args:
      objectives: float (n, m), minimised.
      reference: float (m,).
      mask: bool (n,), True where valid; None means all valid.

    Returns:
      Scalar of the objectives' floating dtype.

    Raises:
      ValueError: on wrong ranks or a reference of another length.
    """
    check_objectives(objectives, mask)
    check_reference(objectives, reference)
    if jnp.shape(objectives)[0] == 0:
        return jnp.zeros((), jnp.result_type(float, jnp.asarray(objectives).dtype))
    return _volume(gains(objectives, reference, mask))
