"""The NASNet space for CIFAR-10 (Zoph et al., CVPR 2018, arXiv 1707.07012), in the form that LaNAS and LaMOO search.

A normal and a reduction cell of B blocks. Each block applies an operation to each of two earlier nodes, equal or not,
and adds the results. The output of a cell is what no block of it reads; a reduction cell's own inputs are twice as
large as its output and never belong to it.

The defaults are those of LaNAS (arXiv 1906.06832; its public code names six blocks and these four operations), the
line of work from which LaMOO and CE-NAS come; `NASNET_OPERATIONS` are the thirteen of the original paper, with five
blocks.

A genome is int32 (8 B,): for each cell the operations of its 2 B edges, then the nodes that they read. Every genome is
valid. This is also LaNAS's own encoding of a cell, as integers.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.spaces import choices
from jcenas.spaces import genotype as genotypes
from jcenas.spaces.genotype import CELL_INPUTS, NUMBER, Cells, Edge, Genotype

LANAS_OPERATIONS = ("sep_conv_3x3", "max_pool_3x3", "skip_connect", "sep_conv_5x5")
NASNET_OPERATIONS = (
    "skip_connect",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)

NASNET_A = Genotype(
    normal=(
        ("sep_conv_5x5", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_5x5", 0),
        ("sep_conv_3x3", 0),
        ("avg_pool_3x3", 1),
        ("skip_connect", 0),
        ("avg_pool_3x3", 0),
        ("avg_pool_3x3", 0),
        ("sep_conv_3x3", 1),
        ("skip_connect", 1),
    ),
    normal_concat=(2, 3, 4, 5, 6),
    reduce=(
        ("sep_conv_5x5", 1),
        ("sep_conv_7x7", 0),
        ("max_pool_3x3", 1),
        ("sep_conv_7x7", 0),
        ("avg_pool_3x3", 1),
        ("sep_conv_5x5", 0),
        ("skip_connect", 3),
        ("avg_pool_3x3", 2),
        ("sep_conv_3x3", 2),
        ("max_pool_3x3", 1),
    ),
    reduce_concat=(4, 5, 6),
)
"""NASNet-A as the DARTS authors transcribed it (arXiv 1707.07012, figure 4)."""


def loose_ends(edges: Sequence[Edge], *, reduce: bool) -> tuple[int, ...]:
    """The nodes that no block of a cell reads; without the cell's own inputs in a reduction cell."""
    read = {node for _, node in edges}
    first = CELL_INPUTS if reduce else 0
    return tuple(n for n in range(first, len(edges) // 2 + CELL_INPUTS) if n not in read)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NasNet:
    """The space as optimisers see it (`jcenas.moo.types.Space`).

    Attributes:
        blocks: B, blocks of a cell.
        operations: names of `jcenas.spaces.genotype.OPERATIONS`; a genome numbers them in this order.
    """

    blocks: int = 6
    operations: tuple[str, ...] = LANAS_OPERATIONS

    def __post_init__(self):
        if self.blocks < 1:
            raise InputError(f"blocks must be at least 1, got {self.blocks}")
        if len(set(self.operations)) != len(self.operations) or len(self.operations) < 2:
            raise InputError(f"operations must be at least two, none twice: {self.operations}")
        for name in self.operations:
            if name not in NUMBER:
                raise InputError(f"operation '{name}' is not one of {', '.join(NUMBER)}")

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """For each cell: the operations of 2 B edges, then the i + 2 nodes that block i may read, twice."""
        nodes = tuple(b + CELL_INPUTS for b in range(self.blocks) for _ in range(2))
        return ((len(self.operations),) * (2 * self.blocks) + nodes) * 2

    @property
    def outputs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Nodes that the output of a normal and of a reduction cell may hold."""
        nodes = tuple(range(self.blocks + CELL_INPUTS))
        return nodes, nodes[CELL_INPUTS:]

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, 8 B). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one variable, chosen uniformly, another value. genome int32 (8 B,); the key is consumed."""
        return choices.mutate(self.cardinalities, key, genome)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where every variable has one of its values, bool (...), of genomes int32 (..., 8 B)."""
        return choices.within(self.cardinalities, jnp.asarray(genomes))

    def features(self, genomes: jax.Array) -> jax.Array:
        """One-hot operation and one-hot node of every edge, float32 (n, f), f the sum of the cardinalities."""
        values = [jax.nn.one_hot(genomes[..., i], size) for i, size in enumerate(self.cardinalities)]
        return jnp.concatenate(values, axis=-1)

    def cells(self, genomes: ArrayLike) -> Cells:
        """The arrays of the networks of genomes (..., 8 B)."""
        genomes = jnp.asarray(genomes)
        parts = genomes.reshape(*genomes.shape[:-1], 2, 2, self.blocks, 2)  # cell, operation or node, block, edge
        numbers = jnp.asarray([NUMBER[name] for name in self.operations], jnp.int32)
        operations, inputs = numbers[parts[..., 0, :, :]], parts[..., 1, :, :]
        nodes = self.blocks + CELL_INPUTS
        read = jax.nn.one_hot(inputs, nodes, dtype=jnp.int32).sum(axis=(-3, -2)) > 0  # (..., 2, nodes)
        possible = np.ones((2, nodes), bool)
        possible[1, :CELL_INPUTS] = False
        possible = possible.reshape((1,) * (genomes.ndim - 1) + (2, nodes))
        return Cells(operations, inputs, ~read & possible)

    def decode(self, genome: ArrayLike) -> Genotype:
        """The genotype of one genome (8 B,)."""
        return genotypes.from_cells(self.cells(np.asarray(genome)))

    def encode(self, genotype: Genotype) -> np.ndarray:
        """The genome, int32 (8 B,), of a genotype of this space.

        Raises:
            InputError: names what the space does not have.
        """
        genome = []
        for part in ("normal", "reduce"):
            edges, concat = getattr(genotype, part), getattr(genotype, f"{part}_concat")
            if len(edges) != 2 * self.blocks:
                raise InputError(f"{part} has {len(edges)} entries; a cell of {self.blocks} blocks has twice as many")
            for name, _ in edges:
                if name not in self.operations:
                    raise InputError(f"{part}: '{name}' is not one of {', '.join(self.operations)}")
            ends = loose_ends(edges, reduce=part == "reduce")
            if tuple(sorted(concat)) != ends:
                raise InputError(f"{part}_concat is {list(concat)}; what no block reads is {list(ends)}")
            genome += [self.operations.index(name) for name, _ in edges] + [node for _, node in edges]
        genotypes.checked(genotype)
        return np.array(genome, np.int32)

    def to_string(self, genome: ArrayLike) -> str:
        """The genotype of one genome (8 B,) as DARTS prints it."""
        return genotypes.to_string(self.decode(genome))

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (8 B,), of a genotype as DARTS prints it.

        Raises:
            InputError: names what is not understood, or what the space does not have.
        """
        return self.encode(genotypes.from_string(text))

    def from_lanas(self, text: str) -> np.ndarray:
        """The genome of a LaNAS encoding: 4 B integers for a cell that serves as both, or 8 B for two cells.

        Raises:
            InputError: names the integer that is not one or is too large, or the number of them.
        """
        tokens = text.replace(",", " ").replace("[", " ").replace("]", " ").split()
        for token in tokens:
            if not token.isdecimal():
                raise InputError(f"encoding '{text.strip()}': '{token}' is not an integer from 0")
        values = np.array([int(token) for token in tokens], np.int32)
        if values.size == 4 * self.blocks:
            values = np.tile(values, 2)
        if values.size != 8 * self.blocks:
            raise InputError(f"the encoding has {len(tokens)} integers; {self.blocks} blocks take {4 * self.blocks}")
        for place, (value, size) in enumerate(zip(values, self.cardinalities, strict=True)):
            if value >= size:
                raise InputError(f"encoding '{text.strip()}': entry {place} is {value}, at most {size - 1} is possible")
        return values

    def to_lanas(self, genome: ArrayLike) -> str:
        """The integers of a genome, with spaces between; once where both cells are equal."""
        values = np.asarray(genome).reshape(2, -1)
        kept = values[:1] if np.array_equal(values[0], values[1]) else values
        return " ".join(map(str, kept.ravel().tolist()))
