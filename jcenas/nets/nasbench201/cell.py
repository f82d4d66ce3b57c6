"""A NAS-Bench-201 cell as a function with a hand-written gradient: `lax.switch` picks each edge's operation.

Automatic differentiation of a switch saves, at every edge, what any of its branches would need, zeros for those that
did not run, and then reads them all back. Here an edge saves one map z, the output of its operation before the norm;
everything else follows from the maps of the nodes. Norms are affine in z, so that the sums at the nodes are one pass:

    node_t = sum over the edges e into t of factor_e * z_e + shift_e,

with factor 1 and shift 0 where the operation has no norm.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.convolution import conv, conv_gradients
from jcenas.nets.layers.norm import Statistics
from jcenas.nets.layers.operations import Moments
from jcenas.spaces.nasbench201 import EDGES


class CellWeights(NamedTuple):
    """Weights of one cell, E = 6 edges, or without the leading axis of one edge. Norms: row 0 is 1x1's, row 1 3x3's."""

    conv1x1: jax.Array  # (E, C, C)
    conv3x3: jax.Array  # (E, 3, 3, C, C)
    scale: jax.Array  # (E, 2, C) float32
    bias: jax.Array  # (E, 2, C) float32


class _Ran(NamedTuple):
    """What an edge computed: its contribution to the node is factor * z + shift."""

    z: jax.Array  # (B, H, W, C)
    factor: jax.Array  # (C,)
    shift: jax.Array  # (C,)
    used: Moments  # statistics of the norm


def branch_cell(
    x: jax.Array, genome: jax.Array, weights: CellWeights, running: Moments, statistics: Statistics
) -> tuple[jax.Array, Moments]:
    """Apply the cell to x (B, H, W, C), running only the operations that `genome`, int32 (6,), names.

    Args:
        x: the input map.
        genome: operation of each edge.
        weights: of all edges and operations.
        running: running statistics, both (E, 2, C).
        statistics: which statistics the norms use.

    Returns:
        The output (B, H, W, C) and the statistics that each edge's norm used, both (E, C), zero where none ran; they
        carry no gradient.
    """
    return _cell(x, genome, weights, running, statistics)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _cell(x, genome, weights, running, statistics):
    return _forward(x, genome, weights, running, statistics)[0]


def _forward(x, genome, weights, running, statistics):
    nodes, ran = [x], []
    for target in (1, 2, 3):
        total = jnp.zeros(x.shape, jnp.float32)
        for e, (source, into) in enumerate(EDGES):
            if into == target:
                now = _run(nodes[source], genome[e], *_edge(e, weights, running), statistics)
                total += now.z * now.factor[None, None, None] + now.shift[None, None, None]
                ran.append(now)
        nodes.append(total.astype(x.dtype))
    used = jax.tree.map(lambda *edges: jnp.stack(edges), *(now.used for now in ran))
    return (nodes[-1], used), (nodes[:-1], [now.z for now in ran], used, genome, weights)


def _edge(e, *trees):
    return jax.tree.map(lambda array: array[e], trees)


@functools.partial(jax.jit, static_argnames="statistics")  # all edges of a shape share one trace: half the tracing time
def _run(x, choice, weights: CellWeights, running: Moments, statistics) -> _Ran:
    one, zero = jnp.ones(x.shape[-1]), jnp.zeros(x.shape[-1])
    plain = functools.partial(_Ran, factor=one, shift=zero, used=Moments(zero, zero))

    def normed(convolution, kernel, row):
        def run(x):
            z = convolution(jax.nn.relu(x), kernel)
            used = ops.moments(z) if statistics == "batch" else Moments(running.mean[row], running.variance[row])
            factor = weights.scale[row] * ops.inverse_deviation(used)
            return _Ran(z, factor, weights.bias[row] - used.mean * factor, used)

        return run

    branches = [
        lambda x: plain(jnp.zeros_like(x)),
        lambda x: plain(x),
        normed(ops.pointwise, weights.conv1x1, 0),
        normed(conv, weights.conv3x3, 1),
        lambda x: plain(ops.average_pool_3x3(x)),
    ]
    return lax.switch(choice, branches, x)


def _backward(statistics, saved, cotangents):
    nodes, maps, used, genome, weights = saved
    gradients = [None, None, None, cotangents[0]]
    own = [None] * len(EDGES)
    for target in (3, 2, 1):
        for e, (source, into) in enumerate(EDGES):
            if into == target:
                dx, own[e] = _pull(
                    nodes[source], maps[e], gradients[target], genome[e], *_edge(e, weights, used), statistics
                )
                gradients[source] = dx if gradients[source] is None else gradients[source] + dx
    stacked = jax.tree.map(lambda *edges: jnp.stack(edges), *own)
    none = Moments(*(jnp.zeros((len(EDGES), 2, nodes[0].shape[-1])),) * 2)
    return gradients[0], None, stacked, none


_cell.defvjp(_forward, _backward)


@functools.partial(jax.jit, static_argnames="statistics")
def _pull(x, z, g, choice, weights: CellWeights, used: Moments, statistics) -> tuple[jax.Array, CellWeights]:
    """Gradients of one edge by its input x and its weights, from the gradient g of its output."""
    none = jax.tree.map(jnp.zeros_like, weights)

    def normed(gradients, name, row):
        def pull(x, z, g):
            of_batch = statistics == "batch"
            dz, dscale, dbias = ops.norm_gradients(z, g, used, weights.scale[row], of_batch=of_batch)
            dx, dkernel = gradients(jax.nn.relu(x), getattr(weights, name), dz.astype(z.dtype))
            rows = {
                part: getattr(none, part).at[row].set(value) for part, value in (("scale", dscale), ("bias", dbias))
            }
            return jnp.where(x > 0, dx, 0), none._replace(**{name: dkernel}, **rows)

        return pull

    branches = [
        lambda x, z, g: (jnp.zeros_like(x), none),
        lambda x, z, g: (g, none),
        normed(ops.pointwise_gradients, "conv1x1", 0),
        normed(conv_gradients, "conv3x3", 1),
        lambda x, z, g: (jax.vjp(ops.average_pool_3x3, x)[1](g)[0], none),
    ]
    return lax.switch(choice, branches, x, z, g)
