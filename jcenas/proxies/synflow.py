"""Synflow (Tanaka et al., arXiv 2006.05467): how much of a signal all weights together carry, without any data.

R = 1^T |W_L| ... |W_1| 1, equation 1 of section 6; the score is the logarithm of the sum over the weights of
|theta| dR / d|theta|. Norms are the identity here: with fresh running statistics theirs is a factor of
1 / sqrt(1 + 1e-5).

R leaves the range of float32 in deep networks (1e32 to 1e61 in one search is reported). Here the maps after every block
are divided by a power of two, a constant in the gradient, and the logarithm gets it back. A block of ReLUs is
homogeneous in its input, since fresh biases and running means are zero, so that this changes nothing but the scale; one
of SiLUs is so where they are the identity, and only there are its maps divided (`rescaling_blocks`).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.activations import rescaling_blocks
from jcenas.proxies.zero_shot import Start, total


def synflow(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Natural logarithm of synflow, float32 (); -inf, the logarithm of 0, for a network that passes nothing on.

    Args:
        network: any; where its blocks are not marked, R has to fit into float32, or the score is not finite.
        start: freshly drawn weights; of the images only the shape counts.
        genome: int32 (d,).
    """
    absolute = jax.tree.map(jnp.abs, start.variables["params"])

    def flow(params):
        variables = start.variables | {"params": params}
        ones = jnp.ones((1, *start.images.shape[1:]))
        with rescaling_blocks() as exponents:
            logits: Any = network.apply(variables, ones, genome, statistics="running")
        return jnp.sum(logits), exponents[-1] if exponents else jnp.zeros((), jnp.int32)

    gradient, exponent = jax.grad(flow, has_aux=True)(absolute)
    saliency = total(jax.tree.map(jnp.multiply, absolute, gradient))
    return jnp.log(saliency) + exponent.astype(jnp.float32) * jnp.log(jnp.float32(2))
