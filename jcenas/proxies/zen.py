"""Zen-score (Lin et al., arXiv 2102.01063, algorithm 1): expressivity as the sensitivity of the features to the input.

log E ||f(x) - f(x + a e)||, x and e standard normal images, f the maps before the global pool. The paper divides by
batch norms to keep the numbers small and adds the logarithms of their deviations back. Here the norms are identities at
initialisation and float32 holds the numbers, so there is nothing to add back; and parallel branches, for which that sum
is not defined, are seen as they are.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.activations import features
from jcenas.proxies.zero_shot import Start

_A = 0.01


def zen(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Zen-score with as many random images as the batch has, float32 (); -inf where nothing reaches the features."""
    image_key, change_key = jax.random.split(start.key)
    x = jax.random.normal(image_key, start.images.shape)
    near = x + _A * jax.random.normal(change_key, x.shape)
    both = features(network, start, jnp.concatenate([x, near]), genome)
    before, after = jnp.split(both, 2)
    distances = jnp.sqrt(jnp.sum(jnp.square(after - before), axis=(1, 2, 3)))
    return jnp.log(jnp.mean(distances) / _A)
