"""NAS-Bench-201's cells as a space that optimisers search."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.spaces import choices
from jcenas.spaces.nasbench201 import cells
from jcenas.spaces.nasbench201.cells import EDGES, OPERATIONS
from jcenas.spaces.nasbench201.paths import path_counts


@dataclasses.dataclass(frozen=True)
class NasBench201:
    """The space as optimisers see it (`jcenas.moo.types.Space`).

    Attributes:
        connected_only: whether cells without a path from input to output count as invalid. The benchmark trained them
            too; a search that pays for training leaves them out.
    """

    connected_only: bool = False

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Five operations on each of the six edges."""
        return (len(OPERATIONS),) * len(EDGES)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n valid genomes uniformly, int32 (n, 6). The key is consumed."""
        if self.connected_only:
            known = jnp.asarray(cells.connected_cells())
            return known[jax.random.randint(key, (n,), 0, known.shape[0])]
        return jax.random.randint(key, (n, len(EDGES)), 0, len(OPERATIONS), jnp.int32)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one edge another operation, uniformly among the valid cells. genome int32 (6,); the key is consumed."""
        if self.connected_only:
            edges, shifts = np.divmod(np.arange(len(EDGES) * (len(OPERATIONS) - 1)), len(OPERATIONS) - 1)
            changes = np.zeros((len(edges), len(EDGES)), np.int32)
            changes[np.arange(len(edges)), edges] = shifts + 1
            near = (genome[None, :] + changes) % len(OPERATIONS)
            # Never empty: the direct edge connects every cell, and has four operations that do.
            return near[jax.random.categorical(key, jnp.where(cells.connected(near), 0.0, -jnp.inf))]
        edge_key, shift_key = jax.random.split(key)
        edge = jax.random.randint(edge_key, (), 0, len(EDGES))
        shift = jax.random.randint(shift_key, (), 1, len(OPERATIONS), jnp.int32)
        return genome.at[edge].set((genome[edge] + shift) % len(OPERATIONS))

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where a genome may be proposed, bool (...), for genomes int32 (..., 6)."""
        inside = choices.within(self.cardinalities, genomes)
        return inside & cells.connected(genomes) if self.connected_only else inside

    def features(self, genomes: jax.Array) -> jax.Array:
        """Six ordinal variables in [0, 1], float32 (n, 6): the encoding of LaMOO (arXiv 2110.03173)."""
        return genomes.astype(jnp.float32) / (len(OPERATIONS) - 1)

    def to_string(self, genome: ArrayLike) -> str:
        """The benchmark's string of one genome (6,)."""
        return cells.to_string(np.asarray(genome))

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (6,), of the benchmark's string.

        Raises:
            InputError: names the token that is wrong.
        """
        return np.array(cells.from_string(text), np.int32)

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Logarithm of how often each sequence of operations lies on a path, float32 (n, 40), on the host.

        Equal for cells that compute the same.
        """
        return np.log1p(path_counts(genomes))
