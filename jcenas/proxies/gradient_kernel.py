"""Scores of the gradient kernel (neural tangent kernel) Theta_ij = <df(x_i) / dtheta, df(x_j) / dtheta>.

* `ntk_condition`: minus the logarithm of its condition number (TE-NAS, Chen et al., arXiv 2102.11535, section 3.1.1):
  badly conditioned networks train slowly.
* `kernel_mean`: logarithm of the mean of its entries (KNAS, Xu et al., ICML 2021, equation 8, MGM).

f is the sum of an image's logits. The norms use the statistics of the batch, as in training.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.moo import linalg
from jcenas.proxies.spectrum import eigenvalues
from jcenas.proxies.zero_shot import Start

IMAGES = 8  # each costs a backward pass


def kernel(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Theta, float32 (B, B), of the first B = `IMAGES` images."""
    images = start.images[:IMAGES]

    def summed(params):
        variables = start.variables | {"params": params}
        logits: Any = network.apply(variables, images, genome, statistics="batch")
        return jnp.sum(logits, axis=1)

    _, pull = jax.vjp(summed, start.variables["params"])
    rows = jax.lax.map(lambda cotangent: pull(cotangent)[0], jnp.eye(images.shape[0], dtype=images.dtype))
    flat = [x.reshape(x.shape[0], -1) for x in jax.tree.leaves(rows)]
    return jnp.sum(jnp.stack([linalg.product(x, x.T) for x in flat]), axis=0)


def ntk_condition(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Minus the logarithm of the condition number, -log(largest eigenvalue / smallest), float32 ()."""
    return condition_score(kernel(network, start, genome))


def kernel_mean(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Log of the mean entry, which is the squared length of the images' mean gradient, float32 ().

    A mean of 0, which rounding may put below 0, counts as the smallest normal number: -87.3.
    """
    return jnp.log(jnp.maximum(jnp.mean(kernel(network, start, genome)), jnp.finfo(jnp.float32).tiny))


def condition_score(theta: jax.Array) -> jax.Array:
    """-log of the condition number of Theta (B, B); eigenvalues below rounding count as rounding."""
    spectrum = eigenvalues(theta)
    floor = jnp.maximum(spectrum[-1] * jnp.finfo(theta.dtype).eps, jnp.finfo(theta.dtype).tiny)
    return jnp.log(jnp.maximum(spectrum[0], floor)) - jnp.log(jnp.maximum(spectrum[-1], floor))
