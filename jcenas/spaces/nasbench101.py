"""The NAS-Bench-101 cell (Ying et al., ICML 2019, arXiv 1902.09635): a directed graph whose vertices are operations.

At most seven vertices and nine edges; the first vertex is the input, the last the output, those between hold one of
three operations. Vertices that are not on a path from input to output do nothing and are cut away (*pruned*).

A genome describes a cell in a frame of V vertices: int32 (d,) with d = V (V - 1) / 2 + V - 2, first whether each edge
i -> j (i < j) exists, in the order (0, 1), (0, 2), (1, 2), (0, 3), ..., then the operation of each inner vertex. Cells
with fewer vertices are genomes with unconnected vertices; the output is always vertex V - 1.

Letters: V vertices of the frame, k vertices of a cell, d variables.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.spaces import choices

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
CONV_3X3, CONV_1X1, POOL = range(3)
INPUT, OUTPUT = "input", "output"
MAX_VERTICES, MAX_EDGES = 7, 9
FLIPPED_EDGES, CHANGED_LABELS = 2.0, 0.5  # expected changes of one mutation: EC-NAS, arXiv 2210.06015, section 4

_TRIES = 32


class Cell(NamedTuple):
    """A cell of k vertices: adjacency int8 (k, k), strictly upper-triangular, and the k labels."""

    adjacency: np.ndarray
    operations: tuple[str, ...]


@functools.cache
def edges(vertices: int) -> tuple[tuple[int, int], ...]:
    """The possible edges of a frame, in the order of the genome: by their end, then by their start."""
    return tuple((i, j) for j in range(vertices) for i in range(j))


def make_cell(
    adjacency: ArrayLike,
    operations: Sequence[str],
    *,
    max_vertices: int = MAX_VERTICES,
    max_edges: int = MAX_EDGES,
) -> Cell:
    """The pruned cell of a graph.

    Args:
      adjacency: (k, k) of 0 and 1, strictly upper-triangular.
      operations: k labels: `input`, names of `OPERATIONS`, `output`.
      max_vertices: most vertices, after pruning.
      max_edges: most edges, after pruning.

    Raises:
      InputError: says what is wrong with the graph.
    """
    matrix, labels = np.asarray(adjacency), tuple(operations)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise InputError(f"adjacency must be a square matrix of at least 2 vertices, got shape {matrix.shape}")
    if not np.isin(matrix, (0, 1)).all():
        raise InputError("adjacency may hold only 0 and 1")
    if np.tril(matrix).any():
        i, j = np.argwhere(np.tril(matrix))[0]
        raise InputError(
            f"adjacency must be upper-triangular, but has the edge {i} -> {j}: number the vertices in order"
        )
    if len(labels) != len(matrix):
        raise InputError(f"{len(labels)} labels for {len(matrix)} vertices; give one for each")
    if labels[0] != INPUT or labels[-1] != OUTPUT:
        raise InputError(
            f"the first label must be '{INPUT}' and the last '{OUTPUT}', got '{labels[0]}', '{labels[-1]}'"
        )
    for label in labels[1:-1]:
        if label not in OPERATIONS:
            raise InputError(f"label '{label}' is not one of {', '.join(OPERATIONS)}")
    kept = np.flatnonzero(np.asarray(_on_path(matrix.astype(bool), np)))
    if len(kept) < 2:
        raise InputError("there is no path from input to output")
    matrix = matrix[np.ix_(kept, kept)].astype(np.int8)
    if len(kept) > max_vertices:
        raise InputError(f"the cell has {len(kept)} vertices; the space has at most {max_vertices}")
    if matrix.sum() > max_edges:
        raise InputError(f"the cell has {matrix.sum()} edges; the space has at most {max_edges}")
    return Cell(matrix, tuple(labels[i] for i in kept))


def module_hash(cell: Cell) -> str:
    """NAS-Bench-101's name of a cell, 32 hexadecimal digits, the same for isomorphic cells.

    Each vertex starts as the MD5 of its degrees and label, takes in its neighbours' digests k times, and the sorted
    digests make the name (Ying et al., appendix).
    """
    matrix, k = cell.adjacency, len(cell.operations)
    labels = [-1, *(OPERATIONS.index(label) for label in cell.operations[1:-1]), -2]
    degrees = zip(matrix.sum(1).tolist(), matrix.sum(0).tolist(), labels, strict=True)
    digests = [_md5(str(vertex)) for vertex in degrees]
    before = [np.flatnonzero(matrix[:, v]) for v in range(k)]
    after = [np.flatnonzero(matrix[v]) for v in range(k)]
    for _ in range(k):
        incoming = ("".join(sorted(digests[i] for i in vertices)) for vertices in before)
        outgoing = ("".join(sorted(digests[i] for i in vertices)) for vertices in after)
        digests = [_md5(f"{a}|{b}|{own}") for a, b, own in zip(incoming, outgoing, digests, strict=True)]
    return _md5(str(sorted(digests)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def to_string(cell: Cell) -> str:
    """The adjacency row by row, a colon, and the labels: `011001000:input,conv3x3-bn-relu,output`."""
    return "".join(map(str, cell.adjacency.ravel().tolist())) + ":" + ",".join(cell.operations)


def from_string(text: str, *, max_vertices: int = MAX_VERTICES, max_edges: int = MAX_EDGES) -> Cell:
    """The pruned cell of a string as `to_string` writes it.

    Raises:
      InputError: names what is wrong with the string or the graph.
    """
    digits, colon, labels = text.strip().partition(":")
    k = round(len(digits) ** 0.5)
    if not colon or k * k != len(digits) or set(digits) - {"0", "1"}:
        raise InputError(f"cell '{text}' is not k*k digits 0 or 1, a colon and k labels with commas between")
    matrix = np.array(list(digits), dtype=np.int8).reshape(k, k)
    return make_cell(matrix, labels.split(","), max_vertices=max_vertices, max_edges=max_edges)


def encode(cell: Cell, vertices: int = MAX_VERTICES) -> np.ndarray:
    """The genome, int32 (d,), of a cell in a frame of at least its k vertices, in the cell's own order.

    Raises:
      InputError: the cell has more vertices than the frame.
    """
    k = len(cell.operations)
    if k > vertices:
        raise InputError(f"the cell has {k} vertices; the space has at most {vertices}")
    place = [*range(k - 1), vertices - 1]
    matrix = np.zeros((vertices, vertices), np.int32)
    matrix[np.ix_(place, place)] = cell.adjacency
    labels = [OPERATIONS.index(label) for label in cell.operations[1:-1]] + [0] * (vertices - k)
    return np.array([matrix[i, j] for i, j in edges(vertices)] + labels, np.int32)


def decode(genome: ArrayLike, vertices: int = MAX_VERTICES) -> Cell:
    """The pruned cell of one genome (d,).

    Raises:
      InputError: the genome describes no valid cell.
    """
    genome = np.asarray(genome)
    sizes = (2,) * len(edges(vertices)) + (len(OPERATIONS),) * (vertices - 2)
    if genome.shape != (len(sizes),):
        raise InputError(f"a genome of {vertices} vertices has shape ({len(sizes)},), got {genome.shape}")
    for place, (value, size) in enumerate(zip(genome, sizes, strict=True)):
        if not 0 <= value < size:
            raise InputError(f"entry {place} of genome {genome.tolist()} is {value}; it must be from 0 to {size - 1}")
    matrix = np.zeros((vertices, vertices), np.int8)
    for (i, j), edge in zip(edges(vertices), genome, strict=False):
        matrix[i, j] = edge
    labels = (OPERATIONS[label] for label in genome[len(edges(vertices)) :])
    return make_cell(matrix, (INPUT, *labels, OUTPUT), max_vertices=vertices)


def _on_path(matrix, xp):
    """Vertices, bool (..., V), on a path from first to last, of adjacency bool (..., V, V); xp: numpy or jax.numpy."""
    vertices = matrix.shape[-1]
    closure = matrix | xp.eye(vertices, dtype=bool).reshape((1,) * (matrix.ndim - 2) + (vertices, vertices))
    for _ in range((vertices - 2).bit_length()):  # paths of twice the length each time
        closure = (closure[..., :, :, None] & closure[..., None, :, :]).any(axis=-2)
    return closure[..., 0, :] & closure[..., :, -1]


@functools.partial(jax.jit, static_argnames="vertices")
def pruned(genomes: ArrayLike, vertices: int = MAX_VERTICES) -> tuple[jax.Array, jax.Array]:
    """Adjacency, bool (..., V, V), without what is not on a path, and the vertices on a path, bool (..., V)."""
    genomes = jnp.asarray(genomes)
    number = {pair: e for e, pair in enumerate(edges(vertices))}
    place = [[number.get((i, j), 0) for j in range(vertices)] for i in range(vertices)]
    upper = np.triu(np.ones((vertices, vertices), bool), 1).reshape((1,) * (genomes.ndim - 1) + (vertices, vertices))
    matrix = (genomes[..., np.array(place)] > 0) & upper
    used = _on_path(matrix, jnp)
    return matrix & used[..., :, None] & used[..., None, :], used


@dataclasses.dataclass(frozen=True, kw_only=True)
class NasBench101:
    """The space as optimisers see it (`jcenas.moo.types.Space`); different genomes may be isomorphic cells.

    Attributes:
      vertices: V, at least 3: EC-NAS calls the spaces 4V, 5V and 7V.
      max_edges: most edges of a pruned cell.
    """

    vertices: int = MAX_VERTICES
    max_edges: int = MAX_EDGES

    def __post_init__(self):
        if self.vertices < 3 or self.max_edges < 1:
            raise InputError(f"vertices must be at least 3 and max_edges at least 1: {self}")

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Two choices for an edge, three for an inner vertex."""
        return (2,) * len(edges(self.vertices)) + (len(OPERATIONS),) * (self.vertices - 2)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """Mask, bool (...), of genomes (..., d) with a path and at most `max_edges` edges after pruning."""
        matrix, used = pruned(genomes, self.vertices)
        inside = choices.within(self.cardinalities, jnp.asarray(genomes))
        return inside & used[..., 0] & (jnp.sum(matrix, axis=(-2, -1)) <= self.max_edges)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n valid genomes, int32 (n, d), uniformly among the valid ones. The key is consumed."""
        high = jnp.asarray(self.cardinalities)

        def more(carry):
            step, _, genomes = carry
            return (step < _TRIES) & ~jnp.all(self.valid(genomes))

        def redraw(carry):
            step, key, genomes = carry
            key, now = jax.random.split(key)
            fresh = jax.random.randint(now, genomes.shape, 0, high[None, :], jnp.int32)
            return step + 1, key, jnp.where(self.valid(genomes)[:, None], genomes, fresh)

        start = jnp.zeros((n, len(self.cardinalities)), jnp.int32)  # valid for none
        genomes = jax.lax.while_loop(more, redraw, (jnp.int32(0), key, start))[2]
        return jnp.where(self.valid(genomes)[:, None], genomes, self._direct(genomes))

    def _direct(self, genomes: jax.Array) -> jax.Array:
        """The cells (..., d) that have the edge from input to output and nothing else: valid in every frame."""
        edge = len(edges(self.vertices)) - self.vertices + 1
        return jnp.zeros_like(genomes).at[..., edge].set(1)

    def mutations(self, key: jax.Array, genome: jax.Array, n: int) -> jax.Array:
        """Perturb genome (d,) n times as EC-NAS does, int32 (n, d), valid or not, changed or not.

        Each edge flips with probability 2 / edges, each label changes with probability 1 / (2 (V - 2)).
        """
        flip_key, change_key, shift_key = jax.random.split(key, 3)
        many, inner = len(edges(self.vertices)), self.vertices - 2
        flips = jax.random.bernoulli(flip_key, min(FLIPPED_EDGES / many, 1.0), (n, many))
        changes = jax.random.bernoulli(change_key, CHANGED_LABELS / inner, (n, inner))
        shifts = jnp.where(changes, jax.random.randint(shift_key, (n, inner), 1, len(OPERATIONS), jnp.int32), 0)
        wires = jnp.where(flips, 1 - genome[None, :many], genome[None, :many])
        labels = (genome[None, many:] + shifts) % len(OPERATIONS)
        return jnp.concatenate([wires, labels], axis=1)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Perturb genome (d,) until it is valid and differs; after 32 attempts one label changes, if it was valid.

        From a genome that is not valid the way leads, after as many attempts, to the cell without inner vertices.
        """
        many, one = jax.random.split(key)
        tried = self.mutations(many, genome, _TRIES)
        good = self.valid(tried) & jnp.any(tried != genome[None, :], axis=1)
        vertex = jax.random.randint(one, (), len(edges(self.vertices)), genome.shape[0])
        other = genome.at[vertex].set((genome[vertex] + 1) % len(OPERATIONS))
        other = jnp.where(self.valid(genome), other, self._direct(genome))
        return jnp.where(jnp.any(good), tried[jnp.argmax(good)], other)

    def features(self, genomes: jax.Array) -> jax.Array:
        """Edges of the pruned cell and one-hot labels of its vertices, float32 (n, V (V - 1) / 2 + 3 (V - 2))."""
        matrix, used = pruned(genomes, self.vertices)
        rows, columns = np.array(edges(self.vertices)).T
        labels = jax.nn.one_hot(genomes[..., len(rows) :], len(OPERATIONS)) * used[..., 1:-1, None]
        wires = matrix[..., rows, columns].astype(jnp.float32)
        return jnp.concatenate(
            [wires, labels.reshape(*labels.shape[:-2], labels.shape[-2] * labels.shape[-1])], axis=-1
        )

    def to_string(self, genome: ArrayLike) -> str:
        """The pruned cell of one genome (d,), see `to_string` of this module.

        Raises:
          InputError: the genome describes no valid cell.
        """
        return to_string(decode(genome, self.vertices))

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (d,), of a cell as `to_string` writes it.

        Raises:
          InputError: names what is wrong with the string or the graph.
        """
        return encode(from_string(text, max_vertices=self.vertices, max_edges=self.max_edges), self.vertices)
