"""SNIP (Lee et al., arXiv 1810.02340): the sum of the connections' sensitivities |theta dL / dtheta| (equation 4)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.zero_shot import Start, loss_gradient, total


def snip(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Sum of |theta dL / dtheta| over all weights, float32 (), not normalised."""
    gradient = loss_gradient(network, start, genome)
    return total(jax.tree.map(lambda p, g: jnp.abs(p * g), start.variables["params"], gradient))
