"""Hypervolume improvement of single points: exact for known objectives, expected under independent normals.

Letters: n archive points, q queries, m objectives.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jcenas.moo import sorting
from jcenas.moo.arrays import as_floats, as_objectives, check_reference
from jcenas.moo.hypervolume import distances, gains, volume


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


class Archive(NamedTuple):
    """An archive made ready to weigh points against it; only one of the two is there."""

    strips: tuple[jax.Array, jax.Array] | None  # left edges, falling, and floors, (n + 1,) each; of two objectives
    gain: jax.Array | None  # (n, m); of other numbers of objectives


def prepare(gain: jax.Array, room: int = 0) -> Archive:
    """Make an archive of gains (n, m) ready, with room for `room` more points.

    Dominated rows, copies and rows of zeros may be among them.
    """
    gain = jnp.concatenate([gain, jnp.zeros((room, gain.shape[1]), gain.dtype)])
    if gain.shape[1] != 2:
        return Archive(None, gain)
    left, _, floor = strips(gain)
    return Archive((left, floor), None)


def insert(archive: Archive, point: jax.Array) -> Archive:
    """The archive with one more point, (m,) as gains; an archive without room forgets nothing but strips of width 0."""
    if archive.gain is not None:  # rows of zeros are room
        empty = jnp.argmin(jnp.max(archive.gain, axis=1))
        return Archive(None, archive.gain.at[empty].set(point))
    assert archive.strips is not None
    left, floor = archive.strips
    before = jnp.sum(left > point[0])  # strips that end up right of the new edge
    source = jnp.arange(left.shape[0])
    source = jnp.where(source <= before, source, source - 1)  # the strip that the edge divides occurs twice
    edges = jnp.where(jnp.arange(left.shape[0]) == before, point[0], left[source])
    raised = jnp.where(jnp.arange(left.shape[0]) > before, jnp.maximum(floor[source], point[1]), floor[source])
    return Archive((edges, raised), None)


def point_improvement(queries: jax.Array, archive: Archive) -> jax.Array:
    """Hypervolume (q,) that each of the queries (q, m), as gains, adds alone to an archive."""
    if archive.strips is not None:
        left, floor = archive.strips
        right = jnp.concatenate([jnp.full(1, jnp.inf, left.dtype), left[:-1]])
        width = jnp.maximum(jnp.minimum(queries[:, :1], right[None, :]) - left[None, :], 0)
        return jnp.sum(width * jnp.maximum(queries[:, 1:] - floor[None, :], 0), axis=1)

    gain = archive.gain
    assert gain is not None

    def alone(query: jax.Array) -> jax.Array:
        return jnp.maximum(jnp.prod(query) - volume(jnp.minimum(gain, query[None, :])), 0)

    return jax.lax.map(alone, queries, batch_size=32)


def _above(edge: jax.Array, mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """E[max(G - edge, 0)] for G normal, or certain where the deviation is 0; nothing is above an infinite edge."""
    finite, spread = jnp.where(jnp.isinf(edge), 0, edge), jnp.where(deviation > 0, deviation, 1)
    z = (mean - finite) / spread
    uncertain = spread * (z * jax.scipy.stats.norm.cdf(z) + jax.scipy.stats.norm.pdf(z))
    reach = jnp.where(deviation > 0, uncertain, jnp.maximum(mean - finite, 0))
    return jnp.where(jnp.isinf(edge), 0, reach)


def expected_improvement(
    mean: ArrayLike,
    deviation: ArrayLike,
    objectives: ArrayLike,
    reference: ArrayLike,
    mask: ArrayLike | None = None,
) -> jax.Array:
    """Exact expected hypervolume improvement for two objectives (Emmerich, Yang, Deutz, Wang and Fonseca 2016).

    Args:
      mean: float (q, 2), predicted objectives, minimised.
      deviation: float (q, 2), their standard deviations; the predictions are independent and normal, and certain where
        it is 0.
      objectives: float (n, 2), the archive.
      reference: float (2,).
      mask: bool (n,), True where valid.

    Returns:
      float (q,).

    Raises:
      ValueError: for other than two objectives, or on shapes that do not fit.
    """
    points, mask = as_objectives(objectives, mask)
    check_reference(points, reference)
    predicted, mean, deviation = mean, as_floats(mean), as_floats(deviation)
    if mean.ndim != 2 or deviation.shape != mean.shape:
        raise ValueError(f"mean and deviation must have shape (q, 2): got {mean.shape} and {deviation.shape}")
    check_reference(mean, reference)
    if mean.shape[1] != 2:
        raise ValueError(f"the exact form has 2 objectives, got predictions {mean.shape}; use qehvi for more")
    gain = distances(predicted, reference)
    left, right, floor = (a[None, :] for a in strips(gains(objectives, reference, mask)))
    first, spread = gain[:, :1], deviation[:, :1]
    within = _above(left, first, spread) - _above(right, first, spread)
    return jnp.sum(within * _above(floor, gain[:, 1:], deviation[:, 1:]), axis=1)
