"""A NAS-Bench-201 cell with all five operations on every edge, summed with the weights of a mixture.

The edge of differentiable search: sum_o mixture[edge, o] * o(x) (Liu et al., arXiv 1806.09055, equation 2; arXiv
2001.00326 runs it on this cell). What the edges that leave one node share is computed once: the ReLU, the pool, and one
3x3 convolution with the output channels of all of them, wide enough to keep XLA:CPU's matrix kernel busy. Their 1x1
convolutions are one matrix product, which has the norms and the mixture in its kernel (`operations.pointwise_moments`).
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets import operations as ops
from jcenas.nets.cell import CellWeights, Statistics
from jcenas.nets.operations import Moments
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, POOL, SKIP


def mixed_cell(
    x: jax.Array, mixture: jax.Array, weights: CellWeights, running: Moments, statistics: Statistics
) -> tuple[jax.Array, Moments]:
    """Apply the cell to x (B, H, W, C).

    Args:
        x: the input map.
        mixture: (6, 5), the weight of each operation of each edge.
        weights: of all edges and operations.
        running: running statistics, both (6, 2, C).
        statistics: which statistics the norms use.

    Returns:
        The output (B, H, W, C) and the statistics that the norms used, both (6, 2, C), without gradient.
    """
    nodes: list[jax.Array] = [x] + [jnp.zeros((), x.dtype)] * 3
    seen: list[Moments | None] = [None] * len(EDGES)
    for source in range(3):
        edges = [e for e, ends in enumerate(EDGES) if ends[0] == source]
        pick = functools.partial(jax.tree.map, lambda array, own=tuple(edges): jnp.stack([array[e] for e in own]))
        parts, used = _from_node(nodes[source], pick(mixture), pick(weights), pick(running), statistics)
        for i, e in enumerate(edges):
            nodes[EDGES[e][1]] += parts[i]
            seen[e] = jax.tree.map(lambda array, i=i: array[i], used)
    return nodes[-1], lax.stop_gradient(jax.tree.map(lambda *edges: jnp.stack(edges), *seen))


@functools.partial(jax.jit, static_argnames="statistics")  # the cells of a stage share one trace
def _from_node(x, mixture, weights: CellWeights, running: Moments, statistics) -> tuple[list[jax.Array], Moments]:
    """What the E edges that leave a node add to E nodes, each (B, H, W, C), and the statistics (E, 2, C)."""
    edges, c = mixture.shape[0], x.shape[-1]
    rectified, pooled = jax.nn.relu(x), ops.average_pool_3x3(x)
    pointwise = weights.conv1x1.transpose(1, 0, 2).reshape(c, edges * c)
    kernels = weights.conv3x3.transpose(1, 2, 3, 0, 4).reshape(3, 3, c, edges * c)
    convolved = _conv(rectified, kernels, jnp.any(mixture[:, CONV_3X3] != 0))
    if statistics == "batch":
        both = ops.pointwise_moments(rectified, pointwise), ops.moments(convolved)
        used = Moments(*(jnp.stack(rows).reshape(2, edges, c).swapaxes(0, 1) for rows in zip(*both, strict=True)))
    else:
        used = running
    share = mixture[:, jnp.array([CONV_1X1, CONV_3X3])][:, :, None]
    factor = share * weights.scale * ops.inverse_deviation(used)
    shift = jnp.sum(share * weights.bias - used.mean * factor, axis=1).astype(x.dtype)
    factor = factor.astype(x.dtype)
    product = ops.pointwise(rectified, pointwise * factor[:, 0].reshape(-1)[None])
    parts = []
    for e in range(edges):
        own = slice(e * c, (e + 1) * c)
        part = product[..., own] + convolved[..., own] * factor[e, 1][None, None, None] + shift[e][None, None, None]
        parts.append(part + mixture[e, SKIP] * x + mixture[e, POOL] * pooled)
    return parts, used


@jax.custom_vjp
def _conv(x, kernel, matters):
    """`ops.conv`, whose gradients are computed only where its result `matters`, bool (), and are else zero.

    The branch is there for XLA:CPU's sake: what enters it is written out. Elsewhere the transpositions of the kernel's
    gradient would each compute anew, pixel by pixel, all sums and norms that their operands come from.
    """
    del matters
    return ops.conv(x, kernel)


def _forward(x, kernel, matters):
    return ops.conv(x, kernel), (x, kernel, matters)


def _backward(saved, g):
    x, kernel, matters = saved
    nothing = lambda x, kernel, g: (jnp.zeros_like(x), jnp.zeros_like(kernel))
    return *lax.cond(matters, ops.conv_gradients, nothing, x, kernel, g), None


_conv.defvjp(_forward, _backward)
