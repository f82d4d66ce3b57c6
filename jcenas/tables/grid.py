"""Two spaces of integer genomes for tables that bring no space of their own: a full grid, and a list of genomes.

Both follow `jcenas.moo.types.Space`. They hold arrays or plain tuples only, so they can be static fields of a table.
"""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.spaces import choices

NEIGHBOURS = 16


def ordinal_features(genomes: jax.Array, cardinalities: tuple[int, ...]) -> jax.Array:
    """Every variable scaled to [0, 1], float32 (n, d), of genomes int32 (n, d)."""
    chex.assert_shape(genomes, (None, len(cardinalities)), custom_message="genomes")
    most = jnp.asarray([max(c - 1, 1) for c in cardinalities], jnp.float32)
    return genomes.astype(jnp.float32) / most[None, :]


@dataclasses.dataclass(frozen=True)
class Grid:
    """All combinations of choices.

    Attributes:
      cardinalities: choices of each of the d variables.
    """

    cardinalities: tuple[int, ...]

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, d). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one variable that has a choice another value. genome int32 (d,); the key is consumed."""
        where, shift = jax.random.split(key)
        most = jnp.asarray(self.cardinalities, jnp.int32)
        i = jax.random.categorical(where, jnp.where(most > 1, 0.0, -jnp.inf))
        step = jax.random.randint(shift, (), 1, jnp.maximum(most[i], 2), jnp.int32)
        return genome.at[i].set((genome[i] + step) % most[i])

    def features(self, genomes: jax.Array) -> jax.Array:
        """Every variable scaled to [0, 1], float32 (n, d)."""
        return ordinal_features(genomes, self.cardinalities)


@dataclasses.dataclass(frozen=True, eq=False)
class Listed:
    """A list of genomes, where most combinations of choices are not to be had.

    A mutation goes to one of the `NEIGHBOURS` genomes of the list that differ in the fewest variables. Two lists are
    equal only if they are the same object, so a jitted function that takes one as static compiles once per object.

    Attributes:
      genomes: int32 (N, d), distinct, N >= 2.
      of: the space that they are part of, if it is known.
    """

    genomes: np.ndarray
    of: Any = None

    @functools.cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Choices of each variable, counted from 0 to the largest that occurs."""
        return tuple(int(c) + 1 for c in self.genomes.max(axis=0))

    @functools.cached_property
    def neighbours(self) -> np.ndarray:
        """Rows of the nearest other genomes by Hamming distance, int32 (N, k); ties by row."""
        k = min(NEIGHBOURS, len(self.genomes) - 1)
        rows = []
        for first in range(0, len(self.genomes), 256):
            block = self.genomes[first : first + 256]
            distance = (block[:, None, :] != self.genomes[None]).sum(axis=2)
            distance[np.arange(len(block)), first + np.arange(len(block))] = np.iinfo(distance.dtype).max
            rows.append(np.argsort(distance, axis=1, kind="stable")[:, :k])
        return np.concatenate(rows).astype(np.int32)

    def rows(self, genomes: jax.Array) -> jax.Array:
        """Row of each genome (n, d), int32 (n,); -1 where the list does not have it."""
        chex.assert_shape(genomes, (None, self.genomes.shape[1]), custom_message="genomes")
        listed = jnp.asarray(self.genomes)
        same = jnp.ones((genomes.shape[0], listed.shape[0]), bool)
        for i in range(listed.shape[1]):
            same &= genomes[:, i][:, None] == listed[:, i][None, :]
        return jnp.where(jnp.any(same, axis=1), jnp.argmax(same, axis=1), -1).astype(jnp.int32)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where the list has the genome, bool (n,), for genomes int32 (n, d)."""
        return self.rows(genomes) >= 0

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes of the list uniformly, int32 (n, d). The key is consumed."""
        return jnp.asarray(self.genomes)[jax.random.randint(key, (n,), 0, len(self.genomes))]

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """One of the nearest genomes of the list. genome int32 (d,); the key is consumed."""
        near = jnp.asarray(self.neighbours)[jnp.maximum(self.rows(genome[None])[0], 0)]
        return jnp.asarray(self.genomes)[jax.random.choice(key, near)]

    def features(self, genomes: jax.Array) -> jax.Array:
        """Every variable scaled to [0, 1], float32 (n, d)."""
        return ordinal_features(genomes, self.cardinalities)
