"""The cheap stage: what a search believes about proposals that nobody has trained yet.

- `none`: nothing; proposals are trained in the order in which they were proposed (vanilla LaMOO).
- `supernet`: the table's estimate of the error; scoring a proposal takes a sampling device's time (CE-NAS).
- `predictor`: a Gaussian process fitted to the finished evaluations anew in each interval; no device time. Supernets do
  not rank good cells (few-shot NAS's own tables: Kendall's tau about 0 among the best half), finished trainings do.

The cost of a candidate is known exactly at all stages: it is measured or counted without training.

Letters: c room for evaluations, k candidates, d variables.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from jcenas.moo import gp, linalg
from jcenas.moo.surrogate import warp

Stage = Literal["none", "supernet", "predictor"]
STAGES: tuple[Stage, ...] = ("none", "supernet", "predictor")
LOG_COST_OF_A_CHOICE = -1.6  # of the covariance: a differing variable multiplies the correlation by exp(-exp(-1.6))
LOG_NOISE = -5.0


def predict_error(
    genomes: jax.Array, errors: jax.Array, mask: jax.Array, queries: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of the error of queries, float32 (k,) each, from finished evaluations.

    A process with the categorical covariance on the logarithm of the errors (`jcenas.moo.surrogate.Warp`); the
    deviation is mapped back by a symmetric difference. Without any evaluation the mean is 0 and the deviation large.

    Args:
      genomes: int32 (c, d).
      errors: float32 (c,).
      mask: bool (c,), True where there is an evaluation.
      queries: int32 (k, d).
    """
    scale = warp(errors, mask)
    targets = jnp.where(mask, scale.forward(jnp.where(mask, errors, 0)), 0)
    hyper = gp.defaults(genomes.shape[1])
    hyper = hyper.replace(
        log_scale=jnp.full_like(hyper.log_scale, LOG_COST_OF_A_CHOICE), log_noise=jnp.float32(LOG_NOISE)
    )
    process = gp.condition("categorical", hyper, genomes, targets, mask)
    cross = jnp.where(mask[:, None], gp.covariance("categorical", hyper, genomes, queries), 0)
    mean = cross.T @ process.weights
    half = linalg.solve_lower(process.factor, cross)
    deviation = jnp.sqrt(jnp.maximum(jnp.exp(hyper.log_variance) - jnp.sum(half**2, axis=0), 1e-6))
    spread = (scale.backward(mean + deviation) - scale.backward(mean - deviation)) / 2
    return scale.backward(mean), jnp.maximum(spread, 1e-3)
