"""The NAS-Bench-201 cell (Dong and Yang, ICLR 2020, arXiv 2001.00326): six edges, five operations, 15,625 cells.

Four nodes; node 0 is the cell's input, node 3 its output; every edge i -> j (i < j) holds one operation and a node is
the sum of its incoming edges. A genome is int32 (6,): the operation of each edge in the order of `EDGES`, which is the
order of the benchmark's strings.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
N_CELLS = len(OPERATIONS) ** len(EDGES)

# The paths from input to output, as indices into EDGES.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))


def all_cells() -> np.ndarray:
    """Every genome, int32 (15625, 6), the last edge running fastest."""
    digits = np.indices((len(OPERATIONS),) * len(EDGES), dtype=np.int32)
    return digits.reshape(len(EDGES), N_CELLS).T.copy()


@functools.cache
def connected_cells() -> np.ndarray:
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
