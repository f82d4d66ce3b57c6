"""Fisher potential of blocks (Turner et al., BlockSwap, arXiv 1906.04113, equation 3).

For channel c of a block's output a with gradient g: Delta_c = 1 / (2 N) sum over the images n of (sum over the pixels
of a g)^2. The score is the sum over the channels of all cells and reduction blocks.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.activations import block_outputs
from jcenas.proxies.zero_shot import Start, total
from jcenas.train.recipe import cross_entropy


def fisher(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Fisher potential of the whole network, float32 ()."""
    shapes = jax.eval_shape(lambda: block_outputs(network, start, genome)[1])

    def loss(shifts):
        logits, outputs = block_outputs(network, start, genome, shifts)
        return cross_entropy(logits, start.labels), outputs

    none = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    gradients, outputs = jax.grad(loss, has_aux=True)(none)
    n = start.images.shape[0]

    def potential(a: jax.Array, g: jax.Array) -> jax.Array:
        per_image = jnp.sum(a * g * n, axis=(1, 2))  # the loss is a mean: times n gives each image's own gradient
        return jnp.sum(jnp.square(per_image)) / (2 * n)

    return total(jax.tree.map(potential, outputs, gradients))
