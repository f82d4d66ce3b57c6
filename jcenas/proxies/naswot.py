"""NASWOT (Mellor et al., "Neural Architecture Search without Training", arXiv 2006.04647, equations 1 and 2).

Each image has a binary code: which ReLUs are active. K_ij counts the ReLUs on which images i and j agree; the score is
log |det K|: untrained networks that tell images apart have codes that differ.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.activations import relu_inputs
from jcenas.proxies.spectrum import eigenvalues
from jcenas.proxies.zero_shot import Start


def agreement(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """K, float32 (B, B): on how many ReLUs two images agree; whole numbers."""
    kernel = jnp.zeros((start.images.shape[0],) * 2, jnp.float32)
    for maps, count in relu_inputs(network, start, genome):
        code = (maps > 0).reshape(maps.shape[0], -1).astype(jnp.float32)
        kernel += count * (code @ code.T + (1 - code) @ (1 - code).T)
    return kernel


def naswot(network: nn.Module, start: Start, genome: jax.Array) -> jax.Array:
    """Log det K, float32 (); -inf where two images have the same code.

    Eigenvalues below rounding, of codes that differ but depend on one another, count as rounding.
    """
    kernel = agreement(network, start, genome)
    same = (kernel == kernel[0, 0]) & ~jnp.eye(kernel.shape[0], dtype=bool)  # the diagonal is the number of ReLUs
    spectrum = eigenvalues(kernel)
    floor = jnp.maximum(spectrum[-1], 1.0) * jnp.finfo(kernel.dtype).eps
    return jnp.where(jnp.any(same), -jnp.inf, jnp.sum(jnp.log(jnp.maximum(spectrum, floor))))
