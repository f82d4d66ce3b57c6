"""The DARTS space (Liu et al., ICLR 2019, arXiv 1806.09055) as NAS-Bench-301 has it (arXiv 2008.09777).

Two cells of four blocks, whose two inputs differ; seven operations; all four blocks make the output. A genome is int32
(22,): for the normal cell the operations of its eight edges, then which pair of nodes the second, third and fourth
block read (the first always reads both inputs of the cell), and the same for the reduction cell. Every genome is
valid: (7^8 * 3 * 6 * 10)^2, about 1.1e18, of which some are isomorphic.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.spaces import choices
from jcenas.spaces import genotype as genotypes
from jcenas.spaces.genotype import CELL_INPUTS, NUMBER, Cells, Genotype, checked

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
BLOCKS = 4
CONCAT = tuple(range(CELL_INPUTS, BLOCKS + CELL_INPUTS))
PAIRS = tuple(tuple(itertools.combinations(range(block + CELL_INPUTS), 2)) for block in range(BLOCKS))

_EDGES = 2 * BLOCKS
_PER_CELL = _EDGES + BLOCKS - 1
_PREFIX = "NetworkSelectorDatasetInfo:darts:"
_CELLS = ("normal", "reduce")

DARTS_V2 = Genotype(
    normal=(
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ),
    normal_concat=CONCAT,
    reduce=(
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ),
    reduce_concat=CONCAT,
)
"""The cells that DARTS found on CIFAR-10 with its second-order search: 3.3 M parameters, arXiv 1806.09055, table 1."""


@dataclasses.dataclass(frozen=True)
class Darts:
    """The space as optimisers see it (`jcenas.moo.types.Space`)."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """For each cell: seven operations on eight edges, then 3, 6 and 10 pairs of nodes."""
        return ((len(OPERATIONS),) * _EDGES + tuple(len(pairs) for pairs in PAIRS[1:])) * 2

    @property
    def outputs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Nodes that the output of a normal and of a reduction cell may hold: here those that it does hold."""
        return CONCAT, CONCAT

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operations, in the order in which genomes number them."""
        return OPERATIONS

    @property
    def blocks(self) -> int:
        """Blocks of a cell."""
        return BLOCKS

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, 22). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one variable, chosen uniformly, another value. genome int32 (22,); the key is consumed."""
        return choices.mutate(self.cardinalities, key, genome)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where every variable has one of its values, bool (...), of genomes int32 (..., 22)."""
        return choices.within(self.cardinalities, jnp.asarray(genomes))

    def features(self, genomes: jax.Array) -> jax.Array:
        """Operation of each edge, one-hot, and whether a block reads a node, float32 (n, 2 * (8 * 7 + 12)).

        The two edges of a block come in the order of their nodes; the first block has no choice of nodes.
        """
        lead = genomes.shape[:-1]
        chosen = genomes.reshape(*lead, 2, _PER_CELL)[..., :_EDGES]
        operations = jax.nn.one_hot(chosen, len(OPERATIONS))
        reads = jax.nn.one_hot(self.cells(genomes).inputs, BLOCKS + 1).sum(axis=-2)  # (..., 2, B, 5)
        blocks, nodes = np.array([(b, i) for b in range(1, BLOCKS) for i in range(b + CELL_INPUTS)]).T
        reads = reads[..., blocks, nodes]
        parts = [x.reshape(*lead, math.prod(x.shape[len(lead) :])) for x in (operations, reads)]
        return jnp.concatenate(parts, axis=-1)

    def cells(self, genomes: ArrayLike) -> Cells:
        """The arrays of the networks of genomes (..., 22)."""
        genomes = jnp.asarray(genomes)
        genomes = genomes.reshape(*genomes.shape[:-1], 2, _PER_CELL)
        lead = genomes.shape[:-1]
        numbers = jnp.asarray([NUMBER[name] for name in OPERATIONS], jnp.int32)
        operations = numbers[genomes[..., :_EDGES]].reshape(*lead, BLOCKS, 2)
        first = jnp.broadcast_to(jnp.array(PAIRS[0], jnp.int32).reshape((1,) * len(lead) + (1, 2)), (*lead, 1, 2))
        later = [jnp.array(PAIRS[b], jnp.int32)[genomes[..., _EDGES + b - 1]] for b in range(1, BLOCKS)]
        inputs = jnp.concatenate([first, jnp.stack(later, axis=-2)], axis=-2)
        concat = jnp.arange(BLOCKS + CELL_INPUTS).reshape((1,) * len(lead) + (-1,)) >= CELL_INPUTS
        return Cells(operations, inputs, jnp.broadcast_to(concat, (*lead, BLOCKS + CELL_INPUTS)))

    def to_string(self, genome: ArrayLike) -> str:
        """The genotype of one genome (22,) as DARTS prints it."""
        return genotypes.to_string(decode(genome))

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (22,), of a genotype as DARTS prints it.

        Raises:
            InputError: names what is not understood, or what the space does not have.
        """
        return encode(genotypes.from_string(text))


def encode(genotype: Genotype) -> np.ndarray:
    """The genome, int32 (22,), of a genotype of this space; a block's edges may come in any order.

    Raises:
        InputError: names what the space does not have.
    """
    genome = []
    for part in _CELLS:
        edges, concat = getattr(genotype, part), getattr(genotype, f"{part}_concat")
        if len(edges) != _EDGES or tuple(sorted(concat)) != CONCAT:
            raise InputError(f"{part}: a DARTS cell has {BLOCKS} blocks, all in the output; got {edges}, {concat}")
        operations, pairs = [], []
        for b in range(BLOCKS):
            two = sorted(edges[2 * b : 2 * b + 2], key=lambda edge: edge[1])
            for name, _ in two:
                if name not in OPERATIONS:
                    raise InputError(f"{part}: '{name}' is not one of {', '.join(OPERATIONS)}")
            nodes = tuple(node for _, node in two)
            if nodes not in PAIRS[b]:
                raise InputError(f"{part}: block {b} reads nodes {nodes}; they must be two different earlier nodes")
            operations += [OPERATIONS.index(name) for name, _ in two]
            pairs.append(PAIRS[b].index(nodes))
        genome += [*operations, *pairs[1:]]
    return np.array(genome, np.int32)


def decode(genome: ArrayLike) -> Genotype:
    """The genotype of one genome (22,)."""
    parts = []
    for values in np.asarray(genome).reshape(2, _PER_CELL):
        names = [OPERATIONS[int(v)] for v in values[:_EDGES]]
        pairs = [PAIRS[0][0], *(PAIRS[b][int(values[_EDGES + b - 1])] for b in range(1, BLOCKS))]
        nodes = [node for pair in pairs for node in pair]
        parts += [tuple(zip(names, nodes, strict=True)), CONCAT]
    return checked(Genotype(*parts))


def to_nasbench301(genotype: Genotype) -> dict[str, str]:
    """The configuration of NAS-Bench-301: an operation for each used edge, and the pair of inputs of nodes 3 to 5.

    The edges of a cell are numbered by the node that they enter, then by the node that they leave.
    """
    encode(genotype)  # refuses what is not of this space
    configuration = {}
    for part in _CELLS:
        edges = getattr(genotype, part)
        for b in range(BLOCKS):
            two = sorted(edges[2 * b : 2 * b + 2], key=lambda edge: edge[1])
            for name, node in two:
                configuration[f"{_PREFIX}edge_{part}_{_first_edge(b) + node}"] = name
            if b:
                pair = "_".join(str(node) for _, node in two)
                configuration[f"{_PREFIX}inputs_node_{part}_{b + CELL_INPUTS}"] = pair
    return configuration


def from_nasbench301(configuration: Mapping[str, str]) -> Genotype:
    """Read a configuration of NAS-Bench-301.

    Raises:
        InputError: names the key that is missing or has a value outside the space.
    """
    parts = []
    for part in _CELLS:
        edges = []
        for b in range(BLOCKS):
            text = "0_1" if b == 0 else _value(configuration, f"{_PREFIX}inputs_node_{part}_{b + CELL_INPUTS}")
            allowed = ["_".join(map(str, pair)) for pair in PAIRS[b]]
            if text not in allowed:
                raise InputError(f"inputs_node_{part}_{b + CELL_INPUTS}: '{text}' is not one of {', '.join(allowed)}")
            for node in PAIRS[b][allowed.index(text)]:
                edges.append((_value(configuration, f"{_PREFIX}edge_{part}_{_first_edge(b) + node}"), node))
        parts += [tuple(edges), CONCAT]
    genotype = Genotype(*parts)
    encode(genotype)
    return genotype


def _first_edge(block: int) -> int:
    return sum(b + CELL_INPUTS for b in range(block))


def _value(configuration: Mapping[str, str], key: str) -> str:
    if key not in configuration:
        raise InputError(f"the NAS-Bench-301 configuration has no '{key}'")
    return configuration[key]
