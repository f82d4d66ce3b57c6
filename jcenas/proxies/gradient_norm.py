"""Gradient norm (Abdelfattah et al., arXiv 2101.08134, section 3): the length of the first gradient."""

import flax.linen as nn
import jax
import optax

from jcenas.proxies.zero_shot import Start, loss_gradient


def gradient_norm(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Euclidean norm of the gradient of the loss by all weights, float32 ()."""
    return optax.tree.norm(loss_gradient(network, start, genome))
