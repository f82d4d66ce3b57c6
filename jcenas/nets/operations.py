"""Operations on NHWC images, written so that their gradients stay fast inside loops and branches.

XLA:CPU rewrites a convolution into the form that its fast kernel accepts only at the top level of a program; inside
`scan`, `cond` or `switch` the transposed convolutions of automatic gradients fall to a naive loop, 40 times slower
(jax-ml/jax issue 12868). `conv` therefore writes both of its gradients as plain NHWC/HWIO convolutions.

Letters: B images, H, W height and width, C channels in, D channels out, K kernel size.
"""

import functools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

_NHWC = ("NHWC", "HWIO", "NHWC")
BATCH_NORM_EPSILON = 1e-5


def _conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC)


def conv(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Convolve x (B, H, W, C) with kernel (K, K, C, D), K odd, padding K // 2, H and W multiples of `stride`."""
    return cast(jax.Array, _conv_with_gradients(x, kernel, stride))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_with_gradients(x, kernel, stride):
    return _conv(x, kernel, stride)


def _forward(x, kernel, stride):
    return _conv(x, kernel, stride), (x, kernel)


def _backward(stride, saved, g):
    x, kernel = saved
    if stride > 1:  # the strided output is the dense one at every stride-th pixel: put its gradient back there
        gap = (0, stride - 1, stride - 1)
        g = lax.pad(g, jnp.zeros((), g.dtype), ((0, 0, 0), gap, gap, (0, 0, 0)))
    dx = _conv(g, kernel[::-1, ::-1].swapaxes(2, 3), 1)
    pad = kernel.shape[0] // 2
    dkernel = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), (1, 1), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC
    )
    return dx, dkernel.transpose(1, 2, 0, 3)


_conv_with_gradients.defvjp(_forward, _backward)


def pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """1x1 convolution of x (B, H, W, C) with kernel (C, D), as the matrix product that it is."""
    return jnp.einsum("bhwc,cd->bhwd", x, kernel)


def average_pool_3x3(x: jax.Array) -> jax.Array:
    """3x3 average pool, stride 1, over the pixels that exist (padding is not counted). x (B, H, W, C)."""

    def total(x):
        rows = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
        x = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
        columns = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
        return columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]

    return total(x) / total(jnp.ones((1, *x.shape[1:3], 1), x.dtype))


def average_pool_2x2(x: jax.Array) -> jax.Array:
    """2x2 average pool, stride 2. x (B, H, W, C) with even H and W."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


class Moments(NamedTuple):
    """Mean and biased variance of each channel, both (C,)."""

    mean: jax.Array
    variance: jax.Array


def moments(x: jax.Array) -> Moments:
    """Statistics of a batch x (B, H, W, C), in float32."""
    x = x.astype(jnp.float32)
    mean = x.mean(axis=(0, 1, 2))
    return Moments(mean, jnp.square(x).mean(axis=(0, 1, 2)) - jnp.square(mean))


def normalise(x: jax.Array, statistics: Moments, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """Batch normalisation of x (B, H, W, C) with given statistics; scale and bias (C,)."""
    factor = scale * lax.rsqrt(jnp.maximum(statistics.variance, 0.0) + BATCH_NORM_EPSILON)
    shift = bias - statistics.mean * factor
    return x * factor.astype(x.dtype)[None, None, None] + shift.astype(x.dtype)[None, None, None]
