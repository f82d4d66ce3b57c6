"""Every NAS-Bench-101 cell once: enumeration up to isomorphism, and the number of the cell that a genome describes.

Two genomes are the same cell if pruning and renumbering the inner vertices makes them equal. The edges of a genome are
a binary number, its *code*; the representative of a cell has the smallest code over all numberings in topological
order, then the smallest labels. This is the representative that NAS-Bench-101's own generator keeps: it walks the codes
upwards and drops what it has seen.

The work splits into shapes (graphs without labels) and labels, so the whole space of 423,624 cells takes seconds, and a
look-up is three gathers: code -> shape and numbering -> labels in that numbering -> cell.

Letters: V vertices, E edges, P numberings of the inner vertices, S shapes, L = 3^(V - 2) labellings, n cells.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.spaces import choices
from jcenas.spaces.nasbench101 import MAX_EDGES, OPERATIONS, edges

_OPS = len(OPERATIONS)


class Catalog(struct.PyTreeNode):
    """All cells of at most V vertices, by number of vertices, then code, then labels."""

    shape: jax.Array  # (2^E,) int32: shape of a code, -1 where invalid
    numbering: jax.Array  # (2^E,) uint8: row of `place_value` that leads to the representative's numbering
    place_value: jax.Array  # (P, V - 2) int32: what the label of a vertex counts in the representative's labelling
    cell: jax.Array  # (S, L) int32: number of the cell by shape and labelling
    codes: jax.Array  # (n,) int32: edges of the representatives
    labels: jax.Array  # (n,) int32: labels of the representatives, base 3, the first inner vertex highest
    sizes: jax.Array  # (n,) int32: vertices of the pruned cell
    vertices: int = struct.field(pytree_node=False)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.codes.shape[0]

    @jax.jit
    def index(self, genomes: jax.Array) -> jax.Array:
        """Number of the cell, int32 (...), of genomes (..., d); -1 where the genome is no valid cell."""
        many = len(edges(self.vertices))
        genomes = jnp.asarray(genomes)
        inside = choices.within((2,) * many + (_OPS,) * (self.vertices - 2), genomes)
        genomes = jnp.where(inside[..., None], genomes, 0).astype(jnp.int32)
        powers = jnp.asarray(1 << np.arange(many), jnp.int32).reshape((1,) * (genomes.ndim - 1) + (-1,))
        code = jnp.sum(genomes[..., :many] * powers, axis=-1)
        values = self.place_value[self.numbering[code].astype(jnp.int32)]
        labelling = jnp.sum(genomes[..., many:] * values, axis=-1)
        shape = self.shape[code]
        return jnp.where(inside & (shape >= 0), self.cell[jnp.maximum(shape, 0), labelling], -1)

    @jax.jit
    def genomes(self, index: jax.Array) -> jax.Array:
        """Genomes, int32 (..., d), of the representatives of cells (...)."""
        index = jnp.asarray(index)
        lead = (1,) * index.ndim
        bits = (self.codes[index][..., None] >> jnp.arange(len(edges(self.vertices))).reshape(*lead, -1)) & 1
        values = jnp.asarray(_place_values(self.vertices), jnp.int32).reshape(*lead, -1)
        labels = (self.labels[index][..., None] // values) % _OPS
        return jnp.concatenate([bits, labels], axis=-1).astype(jnp.int32)


def _place_values(vertices: int) -> np.ndarray:
    return _OPS ** np.arange(vertices - 3, -1, -1)


@functools.cache
def catalog(vertices: int, max_edges: int = MAX_EDGES) -> Catalog:
    """Enumerate the cells of at most `vertices` (3 to 7) vertices and `max_edges` edges: 91 for 4, 423,624 for 7."""
    wires = edges(vertices)
    codes = np.arange(1 << len(wires), dtype=np.int32)
    used = _on_path(codes, vertices)
    cut = np.zeros_like(codes)
    for e, (i, j) in enumerate(wires):
        cut |= (codes & (1 << e)) * (used[i] & used[j])
    valid = used[0] & (np.bitwise_count(cut) <= max_edges)
    known, back = np.unique(cut[valid], return_inverse=True)
    smallest, numbering = _smallest(known, vertices)
    shapes = np.unique(smallest)
    vertices_of = np.sum(_on_path(shapes, vertices), axis=0)
    order = np.lexsort((shapes, vertices_of))
    shapes, vertices_of = shapes[order], vertices_of[order]
    labelling = _smallest_labels(shapes, vertices)
    rows, columns = np.nonzero(labelling == np.arange(labelling.shape[1]))
    number = np.full(labelling.shape, -1, np.int32)
    number[rows, columns] = np.arange(len(rows))
    rank = np.empty(len(shapes), np.int32)
    rank[order] = np.arange(len(shapes))
    shape = np.full(len(codes), -1, np.int32)
    shape[valid] = rank[np.searchsorted(np.sort(shapes), smallest)][back]
    arrangement = np.zeros(len(codes), np.uint8)
    arrangement[valid] = numbering[back]
    values = _place_values(vertices)
    return Catalog(
        shape=jnp.asarray(shape),
        numbering=jnp.asarray(arrangement),
        place_value=jnp.asarray(np.array([values[list(p)] for p in _numberings(vertices)]), jnp.int32),
        cell=jnp.asarray(np.take_along_axis(number, labelling, axis=1)),
        codes=jnp.asarray(shapes[rows]),
        labels=jnp.asarray(columns, jnp.int32),
        sizes=jnp.asarray(vertices_of[rows], jnp.int32),
        vertices=vertices,
    )


def _on_path(codes: np.ndarray, vertices: int) -> np.ndarray:
    """Whether each vertex lies on a path from input to output, bool (V, c), for codes (c,)."""
    bit = {pair: (codes >> e) & 1 == 1 for e, pair in enumerate(edges(vertices))}
    forward, backward = np.zeros((2, vertices, len(codes)), bool)
    forward[0] = backward[-1] = True
    for j in range(1, vertices):
        for i in range(j):
            forward[j] |= forward[i] & bit[i, j]
    for i in reversed(range(vertices - 1)):
        for j in range(i + 1, vertices):
            backward[i] |= backward[j] & bit[i, j]
    return forward & backward


@functools.cache
def _numberings(vertices: int) -> tuple[tuple[int, ...], ...]:
    """All numberings of the inner vertices: entry v is the new place, from 0, of inner vertex v."""
    return tuple(itertools.permutations(range(vertices - 2)))


def _renumbered(codes: np.ndarray, numbering: tuple[int, ...], vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (c,) in another numbering, and whether all their edges still go upwards, bool (c,)."""
    place = [0, *(p + 1 for p in numbering), vertices - 1]
    number = {pair: e for e, pair in enumerate(edges(vertices))}
    result, backwards = np.zeros_like(codes), 0
    for e, (i, j) in enumerate(edges(vertices)):
        if place[i] < place[j]:
            result |= ((codes >> e) & 1) << number[place[i], place[j]]
        else:
            backwards |= 1 << e
    return result, (codes & backwards) == 0


def _smallest(codes: np.ndarray, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest code over all numberings in topological order, int32 (c,), and the first numbering that gives it."""
    best, which = codes.copy(), np.zeros(len(codes), np.uint8)  # numbering 0 changes nothing
    for p, numbering in enumerate(_numberings(vertices)):
        code, upwards = _renumbered(codes, numbering, vertices)
        better = upwards & (code < best)
        best[better], which[better] = code[better], p
    return best, which


def _smallest_labels(shapes: np.ndarray, vertices: int) -> np.ndarray:
    """Smallest equivalent labelling, int32 (S, L), of every labelling of the shapes (S,).

    Equivalent are labellings that a symmetry of the shape exchanges, or that differ only at unconnected vertices.
    """
    values = _place_values(vertices)
    total = _OPS ** (vertices - 2)
    digits = (np.arange(total)[:, None] // values) % _OPS  # (L, V - 2)
    used = _on_path(shapes, vertices)[1:-1].T  # (S, V - 2)
    plain = (digits[None] * used[:, None, :]) @ values  # (S, L)
    best = plain.astype(np.int32)
    for numbering in _numberings(vertices):
        code, upwards = _renumbered(shapes, numbering, vertices)
        symmetric = np.flatnonzero(upwards & (code == shapes))
        moved = (digits @ values[list(numbering)]).astype(np.int32)
        best[symmetric] = np.minimum(best[symmetric], moved[plain[symmetric]])
    return best
