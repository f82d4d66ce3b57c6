"""The network that DARTS searches with: all eight operations on all fourteen edges of every cell, mixed by weights.

Liu et al., ICLR 2019, arXiv 1806.09055: node j of a cell is the sum over all earlier nodes i of

    sum_o mixture[edge (i, j), o] * o(node i),                                                          (equation 2)

where a softmax of the architecture's logits makes the mixture. Here the mixture is data: one program descends on the
weights, another on the logits, and every architecture runs in both. As there (appendix A.1.1) the norms use the
statistics of the batch and have no scale or bias, so the network has no running statistics.

The edges of a cell run in loops, the eight that read its inputs and the six that do not, so that a program holds each
operation twice for every cell rather than fourteen times. `jcenas.nets.darts.mixed_edge` computes an edge.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jcenas.nets.darts.mixed_edge import (
    OPERATIONS,
    EdgeWeights,
    factorized_reduction,
    mixed_edge,
    pointwise_norm,
    standardise,
)
from jcenas.nets.genotype.network import STEM_MULTIPLIER, check_images, reductions
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import Statistics, he_normal
from jcenas.spaces.genotype import CELL_INPUTS

NODES = 4
EDGES = tuple((source, node) for node in range(CELL_INPUTS, CELL_INPUTS + NODES) for source in range(node))
"""(source, node) of each edge, in the order of DARTS's logits: by the node that it enters."""

MIXTURE_SHAPE = (2, len(EDGES), len(OPERATIONS))
"""Of a mixture: normal and reduction cells, edges, operations."""

_OF_INPUTS = [e for e, (source, _) in enumerate(EDGES) if source < CELL_INPUTS]
_BETWEEN = sorted((e for e in range(len(EDGES)) if e not in _OF_INPUTS), key=lambda e: EDGES[e])


class Edges(nn.Module):
    """The weights of some edges of a cell, whose nodes have `channels` channels."""

    edges: int
    channels: int
    stride: int

    @nn.compact
    def __call__(self) -> EdgeWeights:
        """All weights, with a leading axis of edges."""
        n, c = self.edges, self.channels
        one, two = he_normal((0,)), he_normal((0, 1))  # axes that are not of a kernel
        return EdgeWeights(
            depthwise3=self.param("depthwise3", two, (n, 2, 3, 3, c)),
            depthwise5=self.param("depthwise5", two, (n, 2, 5, 5, c)),
            dilated3=self.param("dilated3", one, (n, 3, 3, c)),
            dilated5=self.param("dilated5", one, (n, 5, 5, c)),
            first=self.param("first", two, (n, 2, c, c)),
            last=self.param("last", two, (n, 4, c, c)),
            halve=self.param("halve", one, (n, c, c)) if self.stride == 2 else None,
        )


class MixedCell(nn.Module):
    """One cell, of `channels` channels a node."""

    channels: int
    reduction: bool
    reduction_before: bool

    @nn.compact
    def __call__(self, before: jax.Array, last: jax.Array, mixture: jax.Array) -> jax.Array:
        """Apply to the outputs of the two cells before, (B, H, W, C); mixture (14, 8)."""
        enter = [
            self.param(f"input{i}", he_normal(), (x.shape[-1], self.channels)) for i, x in enumerate((before, last))
        ]
        halve = factorized_reduction if self.reduction_before else pointwise_norm
        entries = jnp.stack([halve(before, enter[0]), pointwise_norm(last, enter[1])])
        stride = 2 if self.reduction else 1
        of_inputs = Edges(len(_OF_INPUTS), self.channels, stride, name="of_inputs")()
        between = Edges(len(_BETWEEN), self.channels, 1, name="between")()

        def from_input(edge: tuple[jax.Array, jax.Array, EdgeWeights]) -> jax.Array:
            source, share, weights = edge
            return mixed_edge(entries[source], share, weights, stride)

        sources = jnp.array([EDGES[e][0] for e in _OF_INPUTS])
        parts = lax.map(from_input, (sources, mixture[np.array(_OF_INPUTS)], of_inputs))
        nodes = parts.reshape(NODES, CELL_INPUTS, *parts.shape[1:]).sum(axis=1)

        def from_node(nodes: jax.Array, edge: tuple[jax.Array, jax.Array, EdgeWeights]) -> tuple[jax.Array, None]:
            (source, target), share, weights = edge
            total = nodes[target] + mixed_edge(nodes[source], share, weights, 1)
            return lax.dynamic_update_index_in_dim(nodes, total, target, 0), None

        ends = jnp.array([EDGES[e] for e in _BETWEEN]) - CELL_INPUTS
        nodes, _ = lax.scan(from_node, nodes, (ends, mixture[np.array(_BETWEEN)], between))
        return jnp.concatenate(list(nodes), axis=-1)


class DartsSupernet(nn.Module):
    """The whole network.

    Attributes:
        classes: number of classes.
        channels: channels of a node in the first cells, even (DARTS: 16).
        cells: cells (DARTS: 8).
    """

    classes: int
    channels: int = 16
    cells: int = 8

    @nn.compact
    def __call__(self, images: jax.Array, mixture: jax.Array, *, statistics: Statistics = "batch") -> jax.Array:
        """Classify images.

        Args:
            images: (B, H, W, C), H and W multiples of 4.
            mixture: (2, 14, 8), of the operations of `mixed_edge.OPERATIONS` on `EDGES` of normal and of reduction
                cells; rows that sum to 1 make the published network.
            statistics: ignored, so that the network trains as others do.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: image sides that two reductions cannot halve, or an odd number of channels.
        """
        del statistics
        check_images(images, self.channels)
        mixture, channels = mixture.astype(images.dtype), self.channels
        stem = self.param("stem", he_normal(), (3, 3, images.shape[-1], STEM_MULTIPLIER * channels))
        before = last = standardise(conv(images, stem))
        halved = False
        for i in range(self.cells):
            reduce = i in reductions(self.cells)
            channels *= 2 if reduce else 1
            cell = MixedCell(channels, reduce, halved, name=f"cell{i}")
            before, last, halved = last, cell(before, last, mixture[int(reduce)]), reduce
        return nn.Dense(self.classes, name="classifier")(last.mean(axis=(1, 2)))
