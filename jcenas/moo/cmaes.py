"""CMA-ES as the sampler inside a region: a normal distribution learnt from the samples that a search has there.

As in LaMOO (Zhao et al., ICLR 2022), each batch starts a new strategy: its mean is that of the region's best samples,
its step is 15 % of the box, these samples are its first generation, and the batch is drawn from the distribution that
one update leaves. The update is that of Hansen (2016, arXiv 1604.00772, figure 6) with positive weights. With several
objectives the samples are ranked as published: the non-dominated ones first, then by the volume that each dominates
alone.

Genomes are integers; the strategy works on x = genome / (cardinality - 1), in [0, 1] for each variable, and its draws
are reflected at the ends and rounded. So that rounding cannot freeze a variable of few choices, each keeps a deviation
of at least 0.3 of the distance between two choices (in the spirit of the margin of Hamano et al. 2022).

Letters: n samples, d variables, m objectives, k draws. Masks mean *valid*.
"""

import math

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import linalg
from jcenas.moo.hypervolume import gains
from jcenas.moo.pareto import non_dominated

SIGMA = 0.15
_MARGIN = 0.3


class Distribution(struct.PyTreeNode):
    """The normal distribution N(mean, sigma^2 covariance)."""

    mean: jax.Array  # (d,)
    sigma: jax.Array  # ()
    covariance: jax.Array  # (d, d)


def ranking(objectives: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """Rows from best to worst, int32 (n,): non-dominated ones, then by falling volume dominated alone; padding last."""
    front = non_dominated(objectives, mask)
    alone = jnp.prod(gains(objectives, reference, mask), axis=1)
    return jnp.lexsort((-alone, ~front, ~mask)).astype(jnp.int32)


def update(points: jax.Array, mask: jax.Array) -> Distribution:
    """Distribution after one generation, points (n, d) from best to worst where mask (n,) is True.

    The strategy starts at the points' mean with step `SIGMA`, covariance I and evolution paths 0. Without points the
    mean is the middle of the box and nothing is learnt.
    """
    d = points.shape[1]
    count = jnp.sum(mask)
    total = jnp.maximum(count, 1)
    mean = jnp.where(count > 0, jnp.sum(jnp.where(mask[:, None], points, 0), axis=0) / total, 0.5)
    place = jnp.cumsum(mask)
    parents = jnp.maximum(count // 2, 1)
    raw = jnp.log(total / 2 + 0.5) - jnp.log(jnp.maximum(place, 1))  # eq. 49
    raw = jnp.where(mask & (place <= parents), jnp.maximum(raw, 1e-3), 0)
    weights = raw / jnp.maximum(jnp.sum(raw), 1e-9)
    mass = 1 / jnp.maximum(jnp.sum(weights**2), 1e-9)  # variance effective selection mass, eq. 8
    # Learning rates, eq. 55 to 58 and table 1.
    c_sigma = (mass + 2) / (d + mass + 5)
    damping = 1 + 2 * jnp.maximum(0, jnp.sqrt(jnp.maximum(mass - 1, 0) / (d + 1)) - 1) + c_sigma
    c_path = (4 + mass / d) / (d + 4 + 2 * mass / d)
    c_one = 2 / ((d + 1.3) ** 2 + mass)
    c_mu = jnp.minimum(1 - c_one, 2 * (mass - 2 + 1 / mass) / ((d + 2) ** 2 + mass))
    c_mu = jnp.maximum(c_mu, 0)
    steps = jnp.where(mask[:, None], (points - mean[None, :]) / SIGMA, 0)
    shift = linalg.product(weights, steps)  # eq. 41
    path_sigma = jnp.sqrt(c_sigma * (2 - c_sigma) * mass) * shift  # eq. 43 with C = I and path 0
    expected = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))
    length = jnp.sqrt(jnp.sum(path_sigma**2))
    sigma = SIGMA * jnp.exp(jnp.minimum(c_sigma / damping * (length / expected - 1), 1.0))  # eq. 44
    fast = jnp.sqrt(jnp.maximum(1 - (1 - c_sigma) ** 2, 1e-9))
    calm = (length / fast < (1.4 + 2 / (d + 1)) * expected).astype(points.dtype)
    path = calm * jnp.sqrt(c_path * (2 - c_path) * mass) * shift  # eq. 45
    rest = c_one * (1 - calm) * c_path * (2 - c_path)
    spread = linalg.product(steps.T * weights[None, :], steps)
    eye = jnp.eye(d, dtype=points.dtype)
    covariance = (1 + rest - c_one - c_mu) * eye + c_one * jnp.outer(path, path) + c_mu * spread  # eq. 47
    learnt = count > 1
    return Distribution(
        jnp.where(count > 0, mean + SIGMA * shift, mean),  # eq. 42
        jnp.where(learnt, sigma, SIGMA).astype(points.dtype),
        jnp.where(learnt, covariance, eye),
    )


def draw(key: jax.Array, distribution: Distribution, cardinalities: tuple[int, ...], k: int) -> jax.Array:
    """Draw k genomes, int32 (k, d)."""
    last = jnp.array([c - 1 for c in cardinalities], jnp.float32)
    margin = (_MARGIN / jnp.maximum(last, 1)) ** 2
    full = distribution.sigma**2 * distribution.covariance
    full = full + jnp.diag(jnp.maximum(margin - jnp.diagonal(full), 0) + 1e-8)
    factor = linalg.cholesky(full)
    normal = jax.random.normal(key, (k, len(cardinalities)))
    x = distribution.mean[None, :] + linalg.product(normal, factor.T)
    x = 1 - jnp.abs(1 - jnp.mod(jnp.abs(x), 2))  # reflected at 0 and 1
    return jnp.round(x * last[None, :]).astype(jnp.int32)


def points(genomes: jax.Array, cardinalities: tuple[int, ...]) -> jax.Array:
    """Genomes (n, d) as points of the unit box, float32 (n, d)."""
    return genomes / jnp.array([max(c - 1, 1) for c in cardinalities], jnp.float32)[None, :]
