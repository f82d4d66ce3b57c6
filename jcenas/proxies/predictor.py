"""A predictor of quality that is refitted as evaluations arrive: an ensemble of kernel ridge regressions.

Each member sees a bootstrap of the data (Breiman 1996); their mean predicts and their spread says how sure they are, as
in BANANAS (arXiv 1910.11858), with regressions in place of networks: with tens to hundreds of evaluations they are as
good, and refit in milliseconds (White et al., arXiv 2104.01177, "How Powerful are Performance Predictors in NAS?").

Capacity is fixed and masked, so that refitting compiles nothing. Letters: n capacity, q queries, p features, m members.
"""

import dataclasses

import chex
import jax
import jax.numpy as jnp
from flax import struct

from jcenas.errors import InputError
from jcenas.moo import linalg
from jcenas.moo.kernels import squared_distances


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """Shape of the ensemble.

    Attributes:
        members: regressions on bootstraps of the data.
        ridge: noise variance relative to that of the standardised targets.
        linear: weight of the linear kernel beside the Gaussian one.
    """

    members: int = 8
    ridge: float = 0.05
    linear: float = 1.0


class Predictor(struct.PyTreeNode):
    """A fitted ensemble."""

    inputs: jax.Array  # (n, p) standardised features
    weights: jax.Array  # (m, n) dual weights; 0 in padded rows
    centre: jax.Array  # (p,) mean of the features
    spread: jax.Array  # (p,) their deviation, plus a tenth against rare ones
    width: jax.Array  # () mean squared distance of the data
    mean: jax.Array  # () of the targets
    deviation: jax.Array  # () of the targets


def fit(key: jax.Array, config: PredictorConfig, features: jax.Array, targets: jax.Array, mask: jax.Array) -> Predictor:
    """Fit an ensemble to the rows where mask is True.

    Args:
        key: of the bootstraps; consumed.
        config: static.
        features: float32 (n, p).
        targets: float32 (n,); anything monotone in quality, such as the logarithm of the error.
        mask: bool (n,), True where there is an evaluation.

    Raises:
        InputError: the three do not have the same number of rows.
    """
    if not features.shape[0] == targets.shape[0] == mask.shape[0]:
        shapes = f"features {features.shape}, targets {targets.shape}, mask {mask.shape}"
        raise InputError(f"{shapes}: give all three one row for each place of the capacity")
    chex.assert_rank(features, 2, custom_message="features")
    chex.assert_rank([targets, mask], 1, custom_message="targets, mask")
    valid = mask.astype(features.dtype)
    n = jnp.maximum(valid.sum(), 1.0)
    centre = linalg.product(valid, jnp.where(mask[:, None], features, 0)) / n
    offset = jnp.where(mask[:, None], features - centre[None], 0)
    spread = jnp.sqrt(linalg.product(valid, jnp.square(offset)) / n) + 0.1
    inputs = offset / spread[None]
    mean = jnp.sum(jnp.where(mask, targets, 0)) / n
    residual = jnp.where(mask, targets - mean, 0)
    deviation = jnp.maximum(jnp.sqrt(jnp.sum(jnp.square(residual)) / n), 1e-6)
    squared = squared_distances(inputs, inputs)
    width = jnp.maximum(jnp.sum(squared * valid[:, None] * valid[None]) / n**2, 1e-6)
    kernel = _kernel(config, width, inputs, inputs)

    def member(key: jax.Array) -> jax.Array:
        times = jax.random.poisson(key, 1.0, mask.shape) * valid  # how often a row is in the bootstrap
        used = (times > 0)[:, None] & (times > 0)[None]
        noise = jnp.where(times > 0, config.ridge / jnp.maximum(times, 1), 1.0)
        factor = linalg.cholesky(jnp.where(used, kernel, 0) + jnp.diag(noise))
        return linalg.solve_definite(factor, jnp.where(times > 0, residual / deviation, 0))

    weights = jax.vmap(member)(jax.random.split(key, config.members))
    return Predictor(inputs, weights, centre, spread, width, mean, deviation)


def predict(config: PredictorConfig, predictor: Predictor, features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation over the members, both (q,), in units of the targets, for features (q, p)."""
    chex.assert_shape(features, (None, predictor.centre.shape[0]), custom_message="features")
    queries = (features - predictor.centre[None]) / predictor.spread[None]
    standard = linalg.product(predictor.weights, _kernel(config, predictor.width, predictor.inputs, queries))
    values = predictor.mean + predictor.deviation * standard
    return values.mean(axis=0), values.std(axis=0)


def _kernel(config: PredictorConfig, width: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.exp(-squared_distances(a, b) / width) + config.linear * linalg.product(a, b.T) / a.shape[1]
