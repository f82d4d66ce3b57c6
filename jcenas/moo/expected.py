"""Improvements of hypervolume for single points: exact for known objectives, expected under independent normals.

Letters: n archive points, q queries, m objectives.
"""

import jax
import jax.numpy as jnp

from jcenas.moo import sorting
from jcenas.moo.hypervolume import check_reference, gains, volume
from jcenas.moo.pareto import check_objectives


def strips(gain: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The part above the union of boxes [0, gain] (n, 2), as strips: left edge, right edge, floor, each (n + 1,).

    The first strip reaches from the widest box to infinity and stands on 0.
    """
    order = sorting.descending_gains(gain[:, 0])
    x = gain[order, 0]
    left = jnp.append(x, 0)
    right = jnp.concatenate([jnp.full(1, jnp.inf, x.dtype), x])
    floor = jnp.concatenate([jnp.zeros(1, x.dtype), jax.lax.cummax(gain[order, 1])])
    return left, right, floor


def point_improvement(queries: jax.Array, gain: jax.Array) -> jax.Array:
    """Hypervolume (q,) that each query adds alone; queries (q, m) and archive (n, m) as gains."""
    if gain.shape[1] == 2:
        left, right, floor = (a[None, :] for a in strips(gain))
        width = jnp.maximum(jnp.minimum(queries[:, :1], right) - left, 0)
        return jnp.sum(width * jnp.maximum(queries[:, 1:] - floor, 0), axis=1)

    def alone(query):
        return jnp.maximum(jnp.prod(query) - volume(jnp.minimum(gain, query[None, :])), 0)

    return jax.lax.map(alone, queries, batch_size=32)


def _above(edge: jax.Array, mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """E[max(G - edge, 0)] for G normal."""
    z = (mean - edge) / deviation
    return deviation * (z * jax.scipy.stats.norm.cdf(z) + jax.scipy.stats.norm.pdf(z))


def expected_improvement(
    mean: jax.Array, deviation: jax.Array, objectives: jax.Array, reference: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Exact expected hypervolume improvement for two objectives (Emmerich, Yang, Deutz, Wang and Fonseca 2016).

    Args:
      mean: float (q, 2), predicted objectives, minimised.
      deviation: float (q, 2), their standard deviations, positive; the predictions are independent and normal.
      objectives: float (n, 2), the archive.
      reference: float (2,).
      mask: bool (n,), True where valid.

    Returns:
      float (q,).

    Raises:
      ValueError: for other than two objectives, or on shapes that do not fit.
    """
    check_objectives(objectives, mask)
    check_reference(objectives, reference)
    if jnp.ndim(mean) != 2 or jnp.shape(deviation) != jnp.shape(mean):
        raise ValueError(f"mean and deviation must have shape (q, 2): got {jnp.shape(mean)} and {jnp.shape(deviation)}")
    check_reference(mean, reference)
    mean, deviation = jnp.asarray(mean), jnp.asarray(deviation)
    if mean.shape[1] != 2:
        raise ValueError(f"the exact form has 2 objectives, got predictions {mean.shape}; use qehvi for more")
    gain = jnp.asarray(reference, mean.dtype)[None, :] - mean
    left, right, floor = (a[None, :] for a in strips(gains(objectives, reference, mask)))
    wide = lambda edge: _above(edge, gain[:, :1], deviation[:, :1])
    reach = jnp.where(jnp.isinf(right), 0, wide(jnp.where(jnp.isinf(right), 0, right)))
    return jnp.sum((wide(left) - reach) * _above(floor, gain[:, 1:], deviation[:, 1:]), axis=1)
