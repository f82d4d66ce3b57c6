"""The NAS-Bench-201 cell (Dong and Yang, ICLR 2020, arXiv 2001.00326): six edges, five operations, 15,625 cells.

Four nodes; node 0 is the cell's input, node 3 its output; every edge i -> j (i < j) holds one operation and a node is
the sum of its incoming edges. A genome is int32 (6,): the operation of each edge in the order of `EDGES`, which is the
order of the benchmark's strings.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.spaces import choices

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
N_CELLS = len(OPERATIONS) ** len(EDGES)

# The paths from input to output, as indices into EDGES.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))


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
            cells = jnp.asarray(_connected_cells())
            return cells[jax.random.randint(key, (n,), 0, cells.shape[0])]
        return jax.random.randint(key, (n, len(EDGES)), 0, len(OPERATIONS), jnp.int32)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one edge another operation, uniformly among the valid cells. genome int32 (6,); the key is consumed."""
        if self.connected_only:
            edges, shifts = np.divmod(np.arange(len(EDGES) * (len(OPERATIONS) - 1)), len(OPERATIONS) - 1)
            changes = np.zeros((len(edges), len(EDGES)), np.int32)
            changes[np.arange(len(edges)), edges] = shifts + 1
            near = (genome[None, :] + changes) % len(OPERATIONS)
            # Never empty: the direct edge connects every cell, and has four operations that do.
            return near[jax.random.categorical(key, jnp.where(connected(near), 0.0, -jnp.inf))]
        edge_key, shift_key = jax.random.split(key)
        edge = jax.random.randint(edge_key, (), 0, len(EDGES))
        shift = jax.random.randint(shift_key, (), 1, len(OPERATIONS), jnp.int32)
        return genome.at[edge].set((genome[edge] + shift) % len(OPERATIONS))

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where a genome may be proposed, bool (...), for genomes int32 (..., 6)."""
        inside = choices.within(self.cardinalities, genomes)
        return inside & connected(genomes) if self.connected_only else inside

    def features(self, genomes: jax.Array) -> jax.Array:
        """Six ordinal variables in [0, 1], float32 (n, 6): the encoding of LaMOO (arXiv 2110.03173)."""
        return genomes.astype(jnp.float32) / (len(OPERATIONS) - 1)


def all_cells() -> np.ndarray:
    """Every genome, int32 (15625, 6), the last edge running fastest."""
    digits = np.indices((len(OPERATIONS),) * len(EDGES), dtype=np.int32)
    return digits.reshape(len(EDGES), N_CELLS).T.copy()


@functools.cache
def _connected_cells() -> np.ndarray:
    """The connected genomes, int32 (n, 6), in the order of `all_cells`."""
    cells = all_cells()
    live = cells != NONE
    return cells[np.any([live[:, list(path)].all(axis=1) for path in PATHS], axis=0)]


def connected(genomes: jax.Array) -> jax.Array:
    """True where some path of non-`none` edges leads from input to output. genomes (..., 6) -> bool (...)."""
    live = jnp.asarray(genomes) != NONE
    paths = [jnp.all(live[..., list(path)], axis=-1) for path in PATHS]
    return jnp.any(jnp.stack(paths, axis=-1), axis=-1)


def to_string(genome) -> str:
    """The benchmark's string of one genome (6,), such as `|nor_conv_3x3~0|+|skip_connect~0|none~1|+|...|`."""
    operations = [OPERATIONS[int(g)] for g in genome]
    nodes = []
    for node in (1, 2, 3):
        entries = [f"{op}~{i}" for op, (i, j) in zip(operations, EDGES, strict=True) if j == node]
        nodes.append("|" + "|".join(entries) + "|")
    return "+".join(nodes)


def from_string(cell: str) -> tuple[int, ...]:
    """The genome of the benchmark's string.

    Raises:
        InputError: names the first token that is not `operation~input` with a known operation and the right input.
    """
    tokens = [token for node in cell.strip().split("+") for token in node.strip().strip("|").split("|")]
    if len(tokens) != len(EDGES):
        raise InputError(f"cell '{cell}' has {len(tokens)} edges; a NAS-Bench-201 cell has {len(EDGES)}")
    genome = []
    for token, (i, _) in zip(tokens, EDGES, strict=True):
        match = re.fullmatch(r"(\w+)~(\d)", token)
        if match is None or match[1] not in OPERATIONS or int(match[2]) != i:
            choices = ", ".join(OPERATIONS)
            raise InputError(f"cell '{cell}': token '{token}' should be OPERATION~{i} with one of {choices}")
        genome.append(OPERATIONS.index(match[1]))
    return tuple(genome)


def isomorphism_class(genome) -> str:
    """Name of what a cell computes by the benchmark's rule, the same for isomorphic cells: 6,466 names in all.

    A skip is no step, equal terms in another order are equal, and what gets nothing gives nothing ('#'), which stays in
    a sum: so a few cells that compute the same still have different names, as they have in the benchmark.
    """
    nodes = ["0"]
    for node in (1, 2, 3):
        terms = []
        for operation, (source, target) in zip(map(int, genome), EDGES, strict=True):
            if target != node:
                continue
            if operation == NONE or nodes[source] == "#":
                terms.append("#")
            else:
                terms.append(nodes[source] if operation == SKIP else f"({nodes[source]})@{OPERATIONS[operation]}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def non_isomorphic_cells() -> np.ndarray:
    """The cheapest genome of every isomorphism class, int32 (6466, 6), in the order of `all_cells`."""
    cells = all_cells()
    dearness = np.stack([(cells == op).sum(1) for op in (CONV_3X3, CONV_1X1, POOL, SKIP)]).T
    cheapest: dict[str, int] = {}
    for i in np.lexsort(dearness.T[::-1]):  # stable: the first of equally dear ones
        cheapest.setdefault(isomorphism_class(cells[i]), int(i))
    return cells[sorted(cheapest.values())]
