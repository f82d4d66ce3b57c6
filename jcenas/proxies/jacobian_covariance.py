"""Jacobian covariance (Mellor et al., arXiv 2006.04647v1, equation 4): how differently a network sees the images.

J_i is the gradient of the sum of the logits by image i. With the eigenvalues s of the correlation matrix of the rows of
J, the score is -sum(log(s + k) + 1 / (s + k)), k = 1e-5: largest where the images' Jacobians are uncorrelated.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.moo import linalg
from jcenas.proxies.spectrum import eigenvalues
from jcenas.proxies.zero_shot import Start

_K = 1e-5


def jacobian_covariance(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Score of the correlation of the images' Jacobians, float32 (); -inf where the logits see no image."""

    def summed(images):
        logits: Any = network.apply(start.variables, images, genome, statistics="batch")
        return jnp.sum(logits)

    return score_of(jax.grad(summed)(start.images).reshape(start.images.shape[0], -1))


def score_of(jacobian: jax.Array) -> jax.Array:
    """The score of a Jacobian, one row an image: float32 (B, D) -> ()."""
    centred = jacobian - jacobian.mean(axis=1, keepdims=True)
    length = jnp.sqrt(jnp.sum(jnp.square(centred), axis=1, keepdims=True))
    rows = centred / jnp.where(length > 0, length, 1.0)
    spectrum = jnp.maximum(eigenvalues(linalg.product(rows, rows.T)), 0.0) + _K
    return jnp.where(jnp.any(length == 0), -jnp.inf, -jnp.sum(jnp.log(spectrum) + 1 / spectrum))
