"""One edge of the network that DARTS searches with: its eight operations, summed with the weights of a mixture.

The statistics of a norm after a 1x1 convolution follow from those of its input (`ops.moments_after_pointwise`). So the
1x1 convolutions that end the four convolutional operations become, with their norms and with the mixture, matrix
products that add up; nothing else of them is ever written out. Norms have hand-written gradients: a loop over edges
saves what its gradient reads, and every array that it saves is another program to compile.

Letters: B images, H, W height and width, C channels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.spaces import darts

OPERATIONS = ("none", *darts.OPERATIONS)
_MAX, _AVERAGE, _SKIP, _CONVOLUTIONS = 1, 2, 3, slice(4, 8)

_depthwise = jax.jit(dw.depthwise, static_argnames=("stride", "dilation"))  # one trace for each shape


class EdgeWeights(NamedTuple):
    """Weights of one edge; those of several have a leading axis."""

    depthwise3: jax.Array  # (2, 3, 3, C), both halves of the separable 3x3 convolution
    depthwise5: jax.Array  # (2, 5, 5, C)
    dilated3: jax.Array  # (3, 3, C)
    dilated5: jax.Array  # (5, 5, C)
    first: jax.Array  # (2, C, C), 1x1 convolutions between the halves of the separable ones
    last: jax.Array  # (4, C, C), 1x1 convolutions at the end: separable 3x3 and 5x5, dilated 3x3 and 5x5
    halve: jax.Array | None = None  # (C, C), the identity of stride 2; None with stride 1


def mixed_edge(x: jax.Array, mixture: jax.Array, weights: EdgeWeights, stride: int) -> jax.Array:
    """Sum of the operations on x (B, H, W, C), each times its entry of `mixture` (8,): (B, H / stride, W / stride, C).

    Norms have the statistics of the batch, and no scale or bias.
    """
    rectified, ends = jax.nn.relu(x), []
    for kernels, kernel in zip((weights.depthwise3, weights.depthwise5), weights.first, strict=True):
        half = _depthwise(rectified, kernels[0], stride=stride)
        kernel, shift = normed_kernel(half, kernel)
        half = jax.nn.relu(ops.pointwise(half, kernel) + shift[None, None, None])
        ends.append(_depthwise(half, kernels[1]))
    for kernel in (weights.dilated3, weights.dilated5):
        ends.append(_depthwise(rectified, kernel, stride=stride, dilation=2))
    total = standardise(dw.max_pool_3x3(x, stride), mixture[_MAX])
    average = lax.platform_dependent(
        x,
        cpu=lambda x: dw.written_out(dw.average_pool_3x3, x, stride),
        default=lambda x: dw.average_pool_3x3(x, stride),
    )
    total += standardise(average, mixture[_AVERAGE])
    if weights.halve is None:
        total += mixture[_SKIP] * x
    else:
        total += factorized_reduction(x, weights.halve, mixture[_SKIP])
    for end, kernel, share in zip(ends, weights.last, mixture[_CONVOLUTIONS], strict=True):
        kernel, shift = normed_kernel(end, kernel)
        total += ops.pointwise(end, share * kernel) + (share * shift)[None, None, None]
    return total


def normed_kernel(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The 1x1 convolution of x (B, H, W, C) with kernel (C, D) and its norm in one: a kernel (C, D), a shift (D,)."""
    return _normed_kernel(x, kernel)


def _fold_norm(of_x: ops.PixelMoments, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    now = ops.moments_after_pointwise(of_x, kernel)
    factor = ops.inverse_deviation(now)
    return kernel * factor.astype(kernel.dtype)[None], (-now.mean * factor).astype(kernel.dtype)


@jax.custom_vjp
def _normed_kernel(x, kernel):
    return _fold_norm(ops.pixel_moments(x), kernel)


def _normed_kernel_forward(x, kernel):
    of_x = ops.pixel_moments(x)
    return _fold_norm(of_x, kernel), (x, of_x, kernel)


def _normed_kernel_backward(saved, g):
    x, of_x, kernel = saved
    dmoments, dkernel = jax.vjp(_fold_norm, of_x, kernel)[1](g)
    product, row = ops.pixel_moments_gradient(x, dmoments)
    return product + row[None, None, None], dkernel


_normed_kernel.defvjp(_normed_kernel_forward, _normed_kernel_backward)


def standardise(x: jax.Array, share: jax.Array | None = None) -> jax.Array:
    """Batch norm of x (B, H, W, C) without scale and bias, times `share`, () or nothing."""
    return _standardise(x, jnp.ones((), x.dtype) if share is None else share)


@jax.custom_vjp
def _standardise(x, share):
    return _standardise_forward(x, share)[0]


def _standardise_forward(x, share):
    now = ops.moments(x)
    scale = jnp.full_like(now.mean, share)
    return ops.normalise(x, now, scale, jnp.zeros_like(now.mean)), (x, now, share)


def _standardise_backward(saved, g):
    x, now, share = saved
    dx, dscale, _ = ops.norm_gradients(x, g, now, jnp.full_like(now.mean, share), of_batch=True)
    return dx.astype(x.dtype), jnp.sum(dscale).astype(share.dtype)


_standardise.defvjp(_standardise_forward, _standardise_backward)


def pointwise_norm(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """ReLU, 1x1 convolution with kernel (C, D), norm."""
    return standardise(ops.pointwise(jax.nn.relu(x), kernel))


def factorized_reduction(x: jax.Array, kernel: jax.Array, share: jax.Array | None = None) -> jax.Array:
    """ReLU, two 1x1 convolutions of stride 2 whose grids are a pixel apart, half of D channels each, norm, `share`."""
    first, second = jnp.split(kernel, 2, axis=1)
    x = jax.nn.relu(x)
    halves = [ops.pointwise(x[:, ::2, ::2], first), ops.pointwise(x[:, 1::2, 1::2], second)]
    return standardise(jnp.concatenate(halves, axis=-1), share)
