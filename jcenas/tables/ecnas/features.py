"""What the energy surrogate sees of a NAS-Bench-101 cell: how much work of each kind its network does.

On one accelerator the operations of a network run one after another, so the energy of training is close to a sum over
operations, each with a price that depends on its kind and its channels. In these networks all inner vertices of a cell
have nearly the same channels: those of the cell shared out among the vertices that feed the output. So the features are
counts: of operations, projections, sums and cuts (where 171 channels meet 170) by the cell's share of channels; of
neighbouring operations; and of what follows from them (parameters, multiply-adds, activations, depth).

None depends on how the vertices are numbered beyond what the network itself does with the numbers.

Letters: V vertices, k vertices that feed the output (1 to V - 2).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jcenas.nets.nasbench101 import cost as network
from jcenas.spaces.nasbench101 import MAX_VERTICES

MOST_FEEDS = 5
MILLION, BILLION = 1e6, 1e9


class Work(NamedTuple):
    """Features of cells: `additive` enter the energy by a price that is not negative, `shape` may bend it."""

    additive: jax.Array  # (..., 46) float32, not negative
    shape: jax.Array  # (..., 82) float32


@functools.partial(jax.jit, static_argnames="vertices")
def work(genomes: ArrayLike, vertices: int = MAX_VERTICES) -> Work:
    """Features of genomes int (..., d)."""
    cell = network.wiring(genomes, vertices)
    feeds = jnp.sum(cell.feeds, axis=-1)
    share = jax.nn.one_hot(feeds - 1, MOST_FEEDS)  # (..., 5); zeros for the cell without inner vertices
    wires = cell.adjacency.astype(jnp.float32)
    inner = wires[..., 1:-1, 1:-1]
    projected = cell.projected.astype(jnp.float32)
    operations = jnp.sum(cell.operations, axis=-2)
    extra = jnp.maximum(jnp.sum(wires[..., :-1, 1:-1], axis=-2) - 1, 0)
    cuts = jnp.sum(inner * _cut(cell), axis=(-2, -1))
    counts = jnp.stack(
        [
            *jnp.moveaxis(operations, -1, 0),
            jnp.sum(projected, axis=-1),
            jnp.sum(extra, axis=-1),
            cuts,
            cell.shortcut.astype(jnp.float32),
            jnp.ones_like(cuts),
        ],
        axis=-1,
    )
    by_share = (counts[..., :, None] * share[..., None, :]).reshape(*counts.shape[:-1], -1)
    costs = jnp.stack(
        [
            network.parameters(genomes, vertices) / MILLION,
            network.multiply_adds(genomes, vertices) / BILLION,
            network.activations(genomes, vertices) / MILLION,
        ],
        axis=-1,
    )
    additive = jnp.concatenate([by_share, costs, operations], axis=-1)
    thin = 1.0 / jnp.maximum(feeds, 1)[..., None]
    follows = jnp.einsum("...va,...vw,...wb->...ab", cell.operations, inner, cell.operations)
    follows = follows.reshape(*follows.shape[:-2], -1)
    first = jnp.einsum("...v,...va->...a", projected, cell.operations)
    last = jnp.einsum("...v,...va->...a", cell.feeds.astype(jnp.float32), cell.operations)
    size = jnp.stack([jnp.sum(wires, axis=(-2, -1)), jnp.sum(cell.used, axis=-1), _depth(wires)], axis=-1)
    shape = jnp.concatenate(
        [
            share,
            thin,
            counts[..., :-1],
            counts[..., :-1] * thin,
            operations * thin**2,
            follows,
            follows * thin,
            first,
            last,
            size,
            costs,
            by_share[..., : 6 * MOST_FEEDS],
        ],
        axis=-1,
    )
    return Work(additive, shape)


def _cut(cell: network.Wiring) -> jax.Array:
    """Share, float32 (..., V - 2, V - 2), of the three stacks in which an edge between two vertices loses a channel."""
    lost = []
    for channels in (128, 256, 512):
        c = network.vertex_channels(cell, channels)
        lost.append(c[..., :, None] > c[..., None, :])
    return jnp.mean(jnp.stack(lost).astype(jnp.float32), axis=0)


def _depth(wires: jax.Array) -> jax.Array:
    """Edges, float32 (...), on the longest path of adjacency (..., V, V)."""
    longest = [jnp.zeros(wires.shape[:-2])]
    for j in range(1, wires.shape[-1]):
        reach = jnp.stack([wires[..., i, j] * (longest[i] + 1) for i in range(j)], axis=-1)
        longest.append(jnp.max(reach, axis=-1))
    return longest[-1]
