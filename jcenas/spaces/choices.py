"""Uniform draws and membership of genomes whose variables take any of their values, whatever the others are."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def within(cardinalities: Sequence[int], genomes: jax.Array) -> jax.Array:
    """Mask, bool (...), of genomes (..., d) of which every variable has one of its values."""
    high = jnp.asarray(cardinalities, jnp.int32).reshape((1,) * (genomes.ndim - 1) + (-1,))
    return jnp.all((genomes >= 0) & (genomes < high), axis=-1)


def sample(cardinalities: Sequence[int], key: jax.Array, n: int) -> jax.Array:
    """Draw n genomes uniformly, int32 (n, d), variable i below cardinalities[i]. The key is consumed."""
    high = jnp.asarray(cardinalities, jnp.int32)
    return jax.random.randint(key, (n, high.size), 0, high[None, :], jnp.int32)


def mutate(cardinalities: Sequence[int], key: jax.Array, genome: jax.Array) -> jax.Array:
    """Give one variable that has a choice, drawn uniformly, another value. genome int32 (d,); the key is consumed."""
    place_key, shift_key = jax.random.split(key)
    free = jnp.asarray([i for i, size in enumerate(cardinalities) if size > 1], jnp.int32)
    place = free[jax.random.randint(place_key, (), 0, free.size)]
    high = jnp.asarray(cardinalities, jnp.int32)[place]
    shift = jax.random.randint(shift_key, (), 1, high, jnp.int32)
    return genome.at[place].set((genome[place] + shift) % high)


def one_hot(cardinalities: Sequence[int], genomes: np.ndarray) -> np.ndarray:
    """Every variable one-hot, side by side, float32 (n, sum of the cardinalities), of genomes (n, d); on the host."""
    columns = [np.eye(size, dtype=np.float32)[np.asarray(genomes)[:, i]] for i, size in enumerate(cardinalities)]
    return np.concatenate(columns, axis=1)
