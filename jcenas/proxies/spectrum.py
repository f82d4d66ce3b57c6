"""Eigenvalues of symmetric matrices, one at a time: see `jcenas.moo.linalg` for what a batch can do on a CPU."""

import jax
import jax.numpy as jnp


@jax.custom_batching.sequential_vmap
def eigenvalues(symmetric: jax.Array) -> jax.Array:
    """Eigenvalues in ascending order, (n,), of a symmetric matrix (n, n)."""
    return jnp.linalg.eigvalsh(symmetric)
