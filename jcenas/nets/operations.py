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

from jcenas.nets.depthwise import average_pool_3x3 as average_pool_3x3

_NHWC = ("NHWC", "HWIO", "NHWC")
BATCH_NORM_EPSILON = 1e-5
_NARROW = 16  # output channels up to which two columns are computed at once


def _conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC)


def _two_columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same as `_conv` of stride 1, two neighbouring output columns at once: kernel (K, K + 1, C, 2 D), stride 2.

    XLA:CPU's matrix kernel needs 32 and more output channels to be busy: at D = 16 this is 1.35 times faster in spite
    of a third more products, all of them by zero.
    """
    pad = kernel.shape[0] // 2
    pair = jnp.concatenate([jnp.pad(kernel, ((0, 0), (i, 1 - i), (0, 0), (0, 0))) for i in range(2)], axis=-1)
    y = lax.conv_general_dilated(x, pair, (1, 2), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC)
    return y.reshape(*x.shape[:3], kernel.shape[-1])


def _same(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution of stride 1, in the form that suits the platform and the number of output channels."""
    if kernel.shape[-1] > _NARROW or x.shape[2] % 2:
        return _conv(x, kernel, 1)
    return lax.platform_dependent(x, kernel, cpu=_two_columns, default=lambda x, kernel: _conv(x, kernel, 1))


def conv(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """Convolve x (B, H, W, C) with kernel (K, K, C, D), K odd, padding K // 2, H and W multiples of `stride`."""
    return cast(jax.Array, _conv_with_gradients(x, kernel, stride))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_with_gradients(x, kernel, stride):
    return _same(x, kernel) if stride == 1 else _conv(x, kernel, stride)


def _forward(x, kernel, stride):
    return _conv_with_gradients(x, kernel, stride), (x, kernel)


def _backward(stride, saved, g):
    return conv_gradients(*saved, g, stride)


_conv_with_gradients.defvjp(_forward, _backward)


def conv_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array, stride: int = 1) -> tuple[jax.Array, jax.Array]:
    """Gradients by x and by the kernel, where g (B, H / stride, W / stride, D) is that of `conv`'s output."""
    if stride > 1:  # the strided output is the dense one at every stride-th pixel: put its gradient back there
        gap = (0, stride - 1, stride - 1)
        g = lax.pad(g, jnp.zeros((), g.dtype), ((0, 0, 0), gap, gap, (0, 0, 0)))
    pad = kernel.shape[0] // 2
    dkernel = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), (1, 1), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC
    )
    return _same(g, kernel[::-1, ::-1].swapaxes(2, 3)), dkernel.transpose(1, 2, 0, 3)


def pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """1x1 convolution of x (B, H, W, C) with kernel (C, D), as the matrix product that it is."""
    return jnp.einsum("bhwc,cd->bhwd", x, kernel)


def pointwise_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gradients by x and by the kernel, where g (B, H, W, D) is that of `pointwise`'s output."""
    rows = (x.shape[0], -1)
    dkernel = jnp.einsum("bpc,bpd->cd", x.reshape(*rows, x.shape[-1]), g.reshape(*rows, g.shape[-1]))
    return pointwise(g, kernel.T), dkernel


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


def inverse_deviation(statistics: Moments) -> jax.Array:
    """1 / sqrt(variance + epsilon) of each channel, as a batch norm divides; float32 (C,)."""
    return lax.rsqrt(jnp.maximum(statistics.variance, 0.0) + BATCH_NORM_EPSILON)


def normalise(x: jax.Array, statistics: Moments, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """Batch normalisation of x (B, H, W, C) with given statistics; scale and bias (C,)."""
    factor = scale * inverse_deviation(statistics)
    shift = bias - statistics.mean * factor
    return x * factor.astype(x.dtype)[None, None, None] + shift.astype(x.dtype)[None, None, None]
