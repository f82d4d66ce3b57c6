"""Synflow (Tanaka et al., arXiv 2006.05467): how much of a signal all weights together carry, without any data.

R = 1^T |W_L| ... |W_1| 1, equation 1 of section 6; the score is the sum over the weights of |theta| dR / d|theta|.
Norms are the identity here: with fresh running statistics theirs is a factor of 1 / sqrt(1 + 1e-5).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.zero_shot import Start, total

# R reaches 1e48 on the benchmark's networks, beyond float32. It is homogeneous in the input and linear in the output,
# so both are scaled down by a power of two, exactly, and the logarithm gets its share back.
_LOG2_SCALE = -60


def synflow(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Natural logarithm of synflow, float32 (); -inf for a network that passes nothing on."""
    absolute = jax.tree.map(jnp.abs, start.variables["params"])
    tiny = jnp.float32(2.0**_LOG2_SCALE)

    def flow(params):
        variables = start.variables | {"params": params}
        ones = jnp.full((1, *start.images.shape[1:]), tiny)
        logits: Any = network.apply(variables, ones, genome, statistics="running")
        return tiny * jnp.sum(logits)

    saliency = jax.tree.map(jnp.multiply, absolute, jax.grad(flow)(absolute))
    return jnp.log(total(saliency)) - 2 * _LOG2_SCALE * jnp.log(jnp.float32(2))
