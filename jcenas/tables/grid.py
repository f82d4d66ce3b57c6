"""Two spaces of integer genomes for tables that bring no space of their own: a full grid, and a list of genomes.

Both follow `jcenas.moo.types.Space`. They hold arrays or plain tuples only, so they can be static fields of a table.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.spaces import choices

NEIGHBOURS = 16
_LONG, _WIDE = 20_000, 1024  # genomes and choices of a list whose neighbours are looked up
_BLOCK = 512  # of them at a time
_BASE = 512  # of the digits of a look-up; four million genomes then have keys in 32 bits


class _Level(NamedTuple):
    """A digit of the genomes: the keys of all prefixes that end with it."""

    variable: int
    unit: int  # what a 1 of the digit stands for
    keys: np.ndarray  # int32, ascending: the place of the prefix before among its own, times _BASE, plus the digit


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
    def _tree(self) -> tuple[tuple[_Level, ...], np.ndarray]:
        """A tree of the genomes' digits, so that a look-up takes the time of a few searches; and the leaves' rows."""
        nodes, levels = np.zeros(len(self.genomes), np.int64), []
        for variable, count in enumerate(self.cardinalities):
            for unit in (_BASE**place for place in range(math.ceil(math.log(max(count, 2), _BASE)))):
                keys, nodes = np.unique(nodes * _BASE + self.genomes[:, variable] // unit % _BASE, return_inverse=True)
                levels.append(_Level(variable, unit, keys.astype(np.int32)))
        return tuple(levels), np.argsort(nodes).astype(np.int32)

    @functools.cached_property
    def _near(self) -> np.ndarray | None:
        """Rows of the nearest genomes of each, int32 (N, k), of equals the first; None where that takes minutes."""
        n = len(self.genomes)
        if n > _LONG or sum(self.cardinalities) > _WIDE:
            return None
        ones = choices.one_hot(self.cardinalities, self.genomes)
        near = []
        for block in np.array_split(np.arange(n), -(-n // _BLOCK)):
            shared = np.rint(ones[block] @ ones.T).astype(np.int64)
            order = (self.genomes.shape[1] - shared) * n + np.arange(n)  # by distance, then by row
            order[np.arange(len(block)), block] = np.iinfo(np.int64).max  # never itself
            near.append(np.sort(np.partition(order, self._neighbours - 1)[:, : self._neighbours]) % n)
        return np.concatenate(near).astype(np.int32)

    @property
    def _neighbours(self) -> int:
        return min(NEIGHBOURS, len(self.genomes) - 1)

    def rows(self, genomes: jax.Array) -> jax.Array:
        """Row of each genome (n, d), int32 (n,); -1 where the list does not have it."""
        chex.assert_shape(genomes, (None, self.genomes.shape[1]), custom_message="genomes")
        levels, leaves = self._tree
        known, node = choices.within(self.cardinalities, genomes), jnp.zeros(genomes.shape[0], jnp.int32)
        for variable, unit, keys in levels:
            key = node * _BASE + genomes[:, variable] // unit % _BASE
            node = jnp.minimum(jnp.searchsorted(jnp.asarray(keys), key), len(keys) - 1).astype(jnp.int32)
            known &= jnp.asarray(keys)[node] == key
        return jnp.where(known, jnp.asarray(leaves)[node], -1)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where the list has the genome, bool (n,), for genomes int32 (n, d)."""
        return self.rows(genomes) >= 0

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes of the list uniformly, int32 (n, d). The key is consumed."""
        return jnp.asarray(self.genomes)[jax.random.randint(key, (n,), 0, len(self.genomes))]

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """One of the nearest genomes of the list by Hamming distance. genome int32 (d,); the key is consumed."""
        listed = jnp.asarray(self.genomes)
        if self._near is not None:
            return listed[jax.random.choice(key, jnp.asarray(self._near)[self.rows(genome[None, :])[0]])]
        distance = jnp.sum(listed != genome[None, :], axis=1)
        distance = jnp.where(distance == 0, genome.shape[0] + 1, distance)  # never itself
        near = jax.lax.top_k(-distance, self._neighbours)[1]  # of equals the first
        return listed[jax.random.choice(key, near)]

    def features(self, genomes: jax.Array) -> jax.Array:
        """Every variable scaled to [0, 1], float32 (n, d)."""
        return ordinal_features(genomes, self.cardinalities)
