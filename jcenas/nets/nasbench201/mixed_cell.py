"""A NAS-Bench-201 cell with all five operations on every edge, summed with the weights of a mixture.

The edge of differentiable search: sum_o mixture[edge, o] * o(x) (Liu et al., arXiv 1806.09055, equation 2; arXiv
2001.00326 runs it on this cell), with a hand-written gradient. Norms and the mixture are affine, so that an edge from
node s into node t adds

    rectified_s @ kernel + factor * z + shift + skip * x_s + pool(share * x_s),

with z the 3x3 convolution before its norm, the only map that an edge saves. The 3x3 convolutions that leave a node are
one, with their outputs side by side: wider products keep a CPU busier. The 1x1 convolution has its norm and its share
in its kernel: the statistics after it follow from the moments of `rectified_s` (`ops.moments_after_pointwise`).
The pool is linear: one for all edges into a node, and one for its gradient.

`_affine` makes kernel, factor and shift, numbers of channels only, from weights, mixture and moments; its gradient is
automatic. The maps are written out by `once`, without which XLA:CPU computes them anew in every reader.

Letters: B images, H, W height and width, C channels, T edges into a node, which come from nodes 0 to T - 1, L edges out
of a node.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.convolution import conv, input_gradient, kernel_gradient
from jcenas.nets.layers.fusion import once
from jcenas.nets.layers.norm import Statistics
from jcenas.nets.layers.operations import Moments, PixelMoments
from jcenas.nets.nasbench201.cell import CellWeights
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
    return _cell(x, mixture, weights, running, statistics)


class _Affine(NamedTuple):
    """What norms and mixture make of an edge's convolutions."""

    kernel: jax.Array  # (C, C) of the 1x1 convolution
    factor: jax.Array  # (C,) float32, times the 3x3 convolution
    shift: jax.Array  # (C,) float32


def _affine(mixture, weights: CellWeights, of_node: PixelMoments, of_3x3: Moments, running: Moments, statistics):
    """One edge's `_Affine` and the statistics of its norms, (2, C)."""
    if statistics == "batch":
        of_1x1 = ops.moments_after_pointwise(of_node, weights.conv1x1)
        used = jax.tree.map(lambda *rows: jnp.stack(rows), of_1x1, of_3x3)
    else:
        used = running
    share = mixture[jnp.array([CONV_1X1, CONV_3X3])].astype(jnp.float32)[:, None]
    factor = share * weights.scale * ops.inverse_deviation(used)
    shift = jnp.sum(share * weights.bias - used.mean * factor, axis=0)
    return _Affine(weights.conv1x1 * factor[0][None].astype(weights.conv1x1.dtype), factor[1], shift), used


def _affine_of_edges(statistics, *edges):
    return jax.vmap(functools.partial(_affine, statistics=statistics))(*edges)


def _into(target: int) -> slice:
    """The edges into a node, among `EDGES`."""
    return slice(target * (target - 1) // 2, target * (target + 1) // 2)


def _out_of(source: int) -> list[int]:
    """The edges that leave a node, by their targets."""
    return [e for e, (start, _) in enumerate(EDGES) if start == source]


def _side_by_side(kernels: jax.Array, source: int) -> jax.Array:
    """Kernels (6, 3, 3, C, C) of the edges that leave a node as one, (3, 3, C, L * C)."""
    return jnp.concatenate([kernels[e] for e in _out_of(source)], axis=-1)


def _of_edge(tree, number: int, like: jax.Array):
    """Part `number` of arrays (..., L * C) whose parts lie side by side, each as wide as another map."""
    c = like.shape[-1]
    return jax.tree.map(lambda array: array[..., number * c : (number + 1) * c], tree)


def _pick(target, *trees):
    return jax.tree.map(lambda array: array[_into(target)], trees)


def _stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _weighted(shares, maps):
    return sum((share * x for share, x in zip(shares, maps, strict=True)), start=jnp.zeros((), maps[0].dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _cell(x, mixture, weights, running, statistics):
    return _forward(x, mixture, weights, running, statistics)[0]


def _forward(x, mixture, weights, running, statistics):
    nodes, rectified, sums, maps, of_maps, used = [x], [], [], [], [], []
    for target in (1, 2, 3):
        rectified.append(once(jax.nn.relu, nodes[-1]))
        sums.append(ops.pixel_moments(rectified[-1]))
        maps.append(conv(rectified[-1], _side_by_side(weights.conv3x3, target - 1)))
        of_maps.append(once(ops.moments, maps[-1]))
        share, own, of_running = _pick(target, mixture, weights, running)
        moments = _stack([_of_edge(of, target - 1 - s, x) for s, of in enumerate(of_maps)])
        affine, now = _affine_of_edges(statistics, share, own, _stack(sums), moments, of_running)
        products = [ops.pointwise(source, kernel) for source, kernel in zip(rectified, affine.kernel, strict=True)]
        pooled = once(lambda share, nodes: ops.average_pool_3x3(_weighted(share, nodes)), share[:, POOL], nodes)
        rows = affine.factor.astype(x.dtype), jnp.sum(affine.shift, axis=0).astype(x.dtype), share[:, SKIP]
        nodes = [*nodes, once(_node, pooled, products, maps, nodes, *rows)]
        used.append(now)
    statistics_used = jax.tree.map(lambda *targets: jnp.concatenate(targets), *used)
    return (nodes[-1], statistics_used), (nodes[:-1], maps, sums, statistics_used, mixture, weights, running)


def _node(pooled, products, maps, nodes, factor, shift, skip):
    total = pooled + shift[None, None, None]
    for s, (product, z, by) in enumerate(zip(products, maps, factor, strict=True)):
        total += product + _of_edge(z, len(maps) - 1 - s, total) * by[None, None, None]
    return total + _weighted(skip, nodes)


def _backward(statistics, saved, cotangents):
    nodes, maps, sums, used, mixture, weights, running = saved
    n, c = nodes[0].size // nodes[0].shape[-1], nodes[0].shape[-1]
    rectified = [once(jax.nn.relu, node) for node in nodes]
    g, arrived = cotangents[0], [_Arrived.nothing(c)] * len(nodes)
    of_mixture, of_weights, of_conv3x3 = [], [], {}
    for target in (3, 2, 1):
        share, own, statistics_of, of_running = _pick(target, mixture, weights, used, running)
        sources = range(target)
        moments = jax.tree.map(lambda array: array[:, 1], statistics_of)
        affine, pull = jax.vjp(
            lambda *edges, rest=of_running: _affine_of_edges(statistics, *edges, rest)[0],
            *(share, own, _stack(sums[:target]), moments),
        )
        dkernel = jnp.stack([ops.pixel_products(rectified[s], g) for s in sources]).astype(g.dtype)
        dfactor = jnp.stack([once(functools.partial(_channel_product, target - 1 - s), g, maps[s]) for s in sources])
        dshift = jnp.sum(g, axis=(0, 1, 2), dtype=jnp.float32)
        dshare, dweights, dsums, dmoments = pull(_Affine(dkernel, dfactor, jnp.tile(dshift[None], (target, 1))))
        pooled = once(_pool_gradient, g)
        skips, pools = (jnp.stack([jnp.sum(h * nodes[s]) for s in sources]) for h in (g, pooled))
        of_mixture.append(dshare.at[:, SKIP].add(skips).at[:, POOL].add(pools))
        of_weights.append(dweights)
        by_z = 2 * dmoments.variance / n  # of the moments' gradient; the rest is constant
        constant = dmoments.mean / n - by_z * moments.mean
        for s in sources:
            here = jax.tree.map(lambda array, s=s: array[s], dsums)
            before_norm = (g, affine.factor[s], by_z[s], constant[s])
            arrived[s] = arrived[s].plus(ops.pointwise(g, affine.kernel[s].T), here, (share[s], g, pooled), before_norm)
        source = target - 1  # whose edges have all had their gradients now
        dz = once(_before_norms, maps[source], arrived[source].before_norm[::-1])  # by targets, the first first
        dkernels = kernel_gradient(rectified[source], dz, 3)
        of_conv3x3 |= {e: _of_edge(dkernels, number, g) for number, e in enumerate(_out_of(source))}
        g = arrived[source].at_node(rectified[source], input_gradient(dz, _side_by_side(weights.conv3x3, source)))

    def join(*targets: jax.Array) -> jax.Array:
        return jnp.concatenate(targets[::-1])

    dweights = jax.tree.map(join, *of_weights)._replace(conv3x3=jnp.stack([of_conv3x3[e] for e in range(len(EDGES))]))
    return g, join(*of_mixture), dweights, jax.tree.map(jnp.zeros_like, running)


_cell.defvjp(_forward, _backward)


class _Arrived(NamedTuple):
    """What the gradients of the edges that leave a node bring there, edge by edge, before they are summed."""

    of_products: list[jax.Array]  # of the 1x1 convolutions, behind the ReLU: (B, H, W, C) each
    sums: PixelMoments
    direct: list[tuple[jax.Array, jax.Array, jax.Array]]  # mixture of the edge, gradient as it is, and pooled
    before_norm: list[tuple[jax.Array, ...]]  # what `_before_norms` makes of the 3x3 convolutions' outputs

    @staticmethod
    def nothing(channels: int) -> "_Arrived":
        return _Arrived([], PixelMoments(jnp.zeros(channels), jnp.zeros((channels, channels))), [], [])

    def plus(self, product, sums, direct, before_norm) -> "_Arrived":
        return _Arrived(
            [*self.of_products, product],
            jax.tree.map(jnp.add, self.sums, sums),
            [*self.direct, direct],
            [*self.before_norm, before_norm],
        )

    def at_node(self, rectified, of_3x3) -> jax.Array:
        """Gradient of the node, which is `rectified` after its ReLU, with that of its 3x3 convolutions."""
        product, row = ops.pixel_moments_gradient(rectified, self.sums)
        return once(_sum_of_arrived, rectified, [*self.of_products, of_3x3, product], row, self.direct)


def _sum_of_arrived(rectified, parts, constant, direct):
    total = jnp.where(rectified > 0, sum(parts, start=constant[None, None, None]), 0)
    for share, g, pooled in direct:
        total += share[SKIP] * g + share[POOL] * pooled
    return total


def _before_norms(z, edges):
    """Gradients of 3x3 convolutions' outputs z (B, H, W, L * C), from those behind their norms."""

    def before(number, g, *rows):
        factor, by_z, constant = (row[None, None, None] for row in rows)
        return g * factor + _of_edge(z, number, g) * by_z + constant

    return jnp.concatenate([before(i, *edge) for i, edge in enumerate(edges)], axis=-1).astype(z.dtype)


def _channel_product(number, g, z):
    return jnp.sum(g.astype(jnp.float32) * _of_edge(z, number, g), axis=(0, 1, 2))


def _pool_gradient(g):
    return jax.vjp(dw.average_pool_3x3, g)[1](g)[0]
