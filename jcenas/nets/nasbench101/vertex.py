"""A vertex of a NAS-Bench-101 cell whose operation and width are data, and its gradient.

What enters a vertex is the sum of the maps of its sources and of the cell's input, which passes a 1x1 projection. Its
operation reads that sum. Every map has all channels of the cell's output; those beyond the vertex's own are zero. A
kernel of full width thus reads and writes the corner that the vertex has, and the rest gets the gradient zero.

Two ways to pick, with the same result:

* ``"branch"``: `lax.switch` and `lax.cond` run only what the vertex has. Best on CPU; under `vmap` they run everything.
* ``"blend"``: the projection and one 3x3 convolution whose kernel is the chosen one always run, and so does the pool.
  No control flow: for accelerators and `vmap`.

Gradients are written by hand: a switch, differentiated automatically, saves what any of its branches would need.

Letters: B images, H, W height and width, D channels of the cell's input, C of its output.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.convolution import conv, conv_gradients, conv_of_many
from jcenas.nets.layers.norm import Statistics
from jcenas.nets.layers.operations import Moments
from jcenas.spaces.nasbench101 import CONV_1X1, CONV_3X3, POOL

PASS = 3  # the operation of the cell's output, which hands on what enters it, and of unused vertices: nothing enters


class How(NamedTuple):
    """What is the same for all vertices of a network."""

    choose: Literal["branch", "blend"]
    statistics: Statistics


class Wire(NamedTuple):
    """What one vertex is."""

    operation: jax.Array  # int32 (), a number of the space or `PASS`
    projected: jax.Array  # bool (): the cell's input enters
    mask: jax.Array  # bool (C,): its channels


class ConvWeights(NamedTuple):
    """A convolution and its batch norm."""

    kernel: jax.Array  # (3, 3, C, C), (C, C) or (D, C)
    scale: jax.Array  # (C,) float32
    bias: jax.Array  # (C,) float32


class Convolutions(NamedTuple):
    """`ConvWeights`, running statistics or gradients of the three convolutions of a vertex."""

    conv3x3: Any
    conv1x1: Any
    project: Any


class Ran(NamedTuple):
    """The result of a part of a vertex, and what its gradient needs besides the input."""

    y: jax.Array  # (B, H, W, C)
    z: jax.Array  # (B, H, W, C), before the norm
    used: Moments  # statistics of the norm; zero where none ran, and undefined beyond the mask


def enter(how: How, x: jax.Array, others: jax.Array, wire: Wire, weights: ConvWeights, running: Moments) -> Ran:
    """What enters a vertex: `others` (B, H, W, C), and the projection of x (B, H, W, D) if the cell's input enters."""

    def projected(x: jax.Array, others: jax.Array) -> Ran:
        z = ops.pointwise(x, weights.kernel)
        y, used = _norm_relu(z, weights, running, wire.mask & wire.projected, how)
        return Ran(others + y, z, used)

    if how.choose == "blend":
        return projected(x, others)
    return lax.cond(wire.projected, projected, lambda _, others: _plain(others), x, others)


def enter_back(how: How, x: jax.Array, ran: Ran, wire: Wire, weights: ConvWeights, g: jax.Array, dx: jax.Array):
    """Gradients of `enter`: dx plus that by x, and that by the weights; g (B, H, W, C) is that of its result."""

    def projected(x, z, g, dx):
        dz, dscale, dbias = _norm_relu_back(z, ran.used, weights, wire.mask & wire.projected, g, how)
        more, dkernel = ops.pointwise_gradients(x, weights.kernel, dz)
        return dx + more, ConvWeights(dkernel, dscale, dbias)

    if how.choose == "blend":
        return projected(x, ran.z, g, dx)
    none = jax.tree.map(jnp.zeros_like, weights)
    return lax.cond(wire.projected, projected, lambda x, z, g, dx: (dx, none), x, ran.z, g, dx)


def operate(how: How, x: jax.Array, wire: Wire, weights: Convolutions, running: Convolutions) -> Ran:
    """Apply a vertex's operation to what entered it, x (B, H, W, C)."""
    if how.choose == "blend":
        z = conv_of_many(x, _blended(wire, weights))
        y, used = _norm_relu(z, *_chosen(wire, weights, running), wire.mask, how)
        return Ran(lax.select_n(_kind(wire), y, dw.max_pool_3x3(x), x), z, used)

    def normed(convolution, own, running):
        def run(x):
            z = convolution(x, own.kernel)
            y, used = _norm_relu(z, own, running, wire.mask, how)
            return Ran(y, z, used)

        return run

    branches = [
        normed(conv, weights.conv3x3, running.conv3x3),
        normed(ops.pointwise, weights.conv1x1, running.conv1x1),
        lambda x: _plain(dw.max_pool_3x3(x)),
        _plain,
    ]
    return lax.switch(wire.operation, branches, x)


def operate_back(how: How, x: jax.Array, ran: Ran, wire: Wire, weights: Convolutions, g: jax.Array):
    """Gradients of `operate` by x, zero beyond the mask, and by (conv3x3, conv1x1); g (B, H, W, C) is its result's."""
    if how.choose == "blend":
        return _blend_back(how, x, ran, wire, weights, g)
    none = jax.tree.map(jnp.zeros_like, (weights.conv3x3, weights.conv1x1))

    def normed(gradients, place):
        def pull(x, z, g):
            own = weights[place]
            dz, dscale, dbias = _norm_relu_back(z, ran.used, own, wire.mask, g, how)
            dx, dkernel = gradients(x, own.kernel, dz)
            found = ConvWeights(dkernel, dscale, dbias)
            return _masked(wire, dx), (found, none[1]) if place == CONV_3X3 else (none[0], found)

        return pull

    branches = [
        normed(conv_gradients, CONV_3X3),
        normed(ops.pointwise_gradients, CONV_1X1),
        lambda x, z, g: (jax.vjp(dw.max_pool_3x3, x)[1](g)[0], none),
        lambda x, z, g: (g, none),
    ]
    return lax.switch(wire.operation, branches, x, ran.z, g)


def _plain(y: jax.Array) -> Ran:
    none = jnp.zeros(y.shape[-1])
    return Ran(y, jnp.zeros_like(y), Moments(none, none))


def _norm_relu(z, weights: ConvWeights, running: Moments, mask, how: How) -> tuple[jax.Array, Moments]:
    used = ops.moments(z) if how.statistics == "batch" else running
    y = jax.nn.relu(ops.normalise(z, used, weights.scale, weights.bias))
    return jnp.where(mask[None, None, None], y, jnp.zeros((), y.dtype)), used


def _norm_relu_back(z, used: Moments, weights: ConvWeights, mask, g, how: How):
    """Gradients by z, scale and bias; all zero beyond the mask."""
    passed = (ops.normalise(z, used, weights.scale, weights.bias) > 0) & mask[None, None, None]
    g = jnp.where(passed, g, jnp.zeros((), g.dtype))
    dz, dscale, dbias = ops.norm_gradients(z, g, used, weights.scale, of_batch=how.statistics == "batch")
    return dz.astype(z.dtype), dscale, dbias


def _masked(wire: Wire, x: jax.Array) -> jax.Array:
    return jnp.where(wire.mask[None, None, None], x, jnp.zeros((), x.dtype))


def _kind(wire: Wire) -> jax.Array:
    """0: a convolution, 1: the pool, 2: `PASS`."""
    return jnp.maximum(wire.operation - CONV_1X1, 0)


def _blended(wire: Wire, weights: Convolutions) -> jax.Array:
    """The chosen kernel, (3, 3, C, C): that of a 1x1 convolution is the centre of a 3x3."""
    centred = jnp.pad(weights.conv1x1.kernel[None, None], ((1, 1), (1, 1), (0, 0), (0, 0)))
    return jnp.where(wire.operation == CONV_3X3, weights.conv3x3.kernel, centred)


def _chosen(wire: Wire, weights: Convolutions, running: Convolutions) -> tuple[ConvWeights, Moments]:
    """The norm of the chosen convolution, with no kernel."""

    def pick(a, b):
        return jnp.where(wire.operation == CONV_3X3, a, b)

    scale, bias = (pick(getattr(weights.conv3x3, n), getattr(weights.conv1x1, n)) for n in ("scale", "bias"))
    return ConvWeights(jnp.zeros(0), scale, bias), jax.tree.map(pick, running.conv3x3, running.conv1x1)


def _blend_back(how: How, x, ran: Ran, wire: Wire, weights: Convolutions, g):
    kind, none = _kind(wire), jnp.zeros((), g.dtype)
    norm, _ = _chosen(wire, weights, Convolutions(ran.used, ran.used, ran.used))
    mask = wire.mask & (kind == 0)
    dz, dscale, dbias = _norm_relu_back(ran.z, ran.used, norm, mask, g, how)
    dx, dkernel = jax.vjp(conv_of_many, x, _blended(wire, weights))[1](dz)
    dpool = jax.vjp(dw.max_pool_3x3, x)[1](jnp.where(kind == POOL - CONV_1X1, g, none))[0]
    dx = _masked(wire, lax.select_n(kind, dx, dpool, g))

    def part(operation: int, dkernel: jax.Array) -> ConvWeights:
        own = wire.operation == operation
        return jax.tree.map(lambda a: jnp.where(own, a, jnp.zeros((), a.dtype)), ConvWeights(dkernel, dscale, dbias))

    return dx, (part(CONV_3X3, dkernel), part(CONV_1X1, dkernel[1, 1]))
