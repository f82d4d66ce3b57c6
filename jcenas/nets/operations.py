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
    x, kernel = saved
    return conv_gradients(x, kernel, g, stride)


_conv_with_gradients.defvjp(_forward, _backward)


def conv_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array, stride: int = 1) -> tuple[jax.Array, jax.Array]:
    """Gradients by x and by the kernel, where g (B, H / stride, W / stride, D) is that of `conv`'s output."""
    if stride > 1:  # the strided output is the dense one at every stride-th pixel: put its gradient back there
        gap = (0, stride - 1, stride - 1)
        g = lax.pad(g, jnp.zeros((), g.dtype), ((0, 0, 0), gap, gap, (0, 0, 0)))
    return input_gradient(g, kernel), kernel_gradient(planes(x), pixels_first(g), kernel.shape[0])


def input_gradient(g: jax.Array, kernel: jax.Array) -> jax.Array:
    """Gradient of `conv` of stride 1 by its input, from that of its output, g (B, H, W, D)."""
    return _same(g, kernel[::-1, ::-1].swapaxes(2, 3))


def planes(x: jax.Array) -> jax.Array:
    """(B, H, W, C) -> (C, H, W, B), as `kernel_gradient` reads the input."""
    return x.transpose(3, 1, 2, 0)


def pixels_first(g: jax.Array) -> jax.Array:
    """(B, H, W, D) -> (H, W, B, D), as `kernel_gradient` reads the output's gradient."""
    return g.transpose(1, 2, 0, 3)


def kernel_gradient(x: jax.Array, g: jax.Array, size: int = 3) -> jax.Array:
    """Gradient (K, K, C, D) of `conv` of stride 1 by its kernel, from `planes(x)` and `pixels_first(g)`."""
    pad = ((size // 2, size // 2),) * 2
    return lax.conv_general_dilated(x, g, (1, 1), pad, dimension_numbers=_NHWC).transpose(1, 2, 0, 3)


def conv_of_many(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv` of stride 1 for use under `vmap` over kernels: on CPU a matrix product with the patches of x.

    A convolution batched over its kernels becomes a grouped one, which XLA:CPU runs by a naive loop; batched matrix
    products are fast everywhere.
    """
    return cast(jax.Array, _conv_of_many(x, kernel))


def _patches(x: jax.Array, size: int) -> jax.Array:
    """The K x K neighbours of every pixel: (B * H * W, K * K * C), rows in the order of a kernel's."""
    _, h, w, c = x.shape
    pad = size // 2
    x = lax.optimization_barrier(x)  # what computes x would be fused into every one of the K * K slices
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    shifted = [x[:, i : i + h, j : j + w] for i in range(size) for j in range(size)]
    return jnp.concatenate(shifted, axis=-1).reshape(-1, size * size * c)


def _by_patches(x, kernel):
    return (_patches(x, kernel.shape[0]) @ kernel.reshape(-1, kernel.shape[-1])).reshape(*x.shape[:3], -1)


@jax.custom_vjp
def _conv_of_many(x, kernel):
    return lax.platform_dependent(x, kernel, cpu=_by_patches, default=lambda x, kernel: _conv(x, kernel, 1))


def _forward_of_many(x, kernel):
    return _conv_of_many(x, kernel), (x, kernel)


def _backward_of_many(saved, g):
    def on_cpu(x, kernel, g):
        dkernel = _patches(x, kernel.shape[0]).T @ g.reshape(-1, g.shape[-1])
        return _by_patches(g, kernel[::-1, ::-1].swapaxes(2, 3)), dkernel.reshape(kernel.shape)

    return lax.platform_dependent(*saved, g, cpu=on_cpu, default=conv_gradients)


_conv_of_many.defvjp(_forward_of_many, _backward_of_many)


def pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """1x1 convolution of x (B, H, W, C) with kernel (C, D), as the matrix product that it is."""
    # The product of rows: XLA:CPU transposes the operands of an einsum's gradient by the kernel, one pixel at a time.
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], -1)


def pointwise_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gradients by x and by the kernel, where g (B, H, W, D) is that of `pointwise`'s output."""
    return pointwise(g, kernel.T), pixel_products(x, g).astype(kernel.dtype)


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


def pixel_products(x: jax.Array, y: jax.Array, precision: lax.Precision | None = None) -> jax.Array:
    """Sums over all pixels of the products of channels: float32 (C, D) of x (B, H, W, C) and y (B, H, W, D)."""
    rows, others = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    over = (((0,), (0,)), ((), ()))
    return lax.dot_general(rows, others, over, precision=precision, preferred_element_type=jnp.float32)


class PixelMoments(NamedTuple):
    """First and second moments over all pixels: float32 (C,) and (C, C)."""

    first: jax.Array
    second: jax.Array


def pixel_moments(x: jax.Array) -> PixelMoments:
    """Means of the channels of x (B, H, W, C), and of the products of every two."""
    n = x.size // x.shape[-1]
    first = x.mean(axis=(0, 1, 2), dtype=jnp.float32)
    return PixelMoments(first, pixel_products(x, x, lax.Precision.HIGHEST) / n)


def pixel_moments_gradient(x: jax.Array, g: PixelMoments) -> tuple[jax.Array, jax.Array]:
    """Gradient of `pixel_moments` by x, from that of its result: a map (B, H, W, C) plus a row (C,)."""
    n = x.size // x.shape[-1]
    return pointwise(x, ((g.second + g.second.T) / n).astype(x.dtype)), (g.first / n).astype(x.dtype)


def moments_after_pointwise(of: PixelMoments, kernel: jax.Array) -> Moments:
    """`moments(pointwise(x, kernel))` without the convolution, from the moments of x and kernel (C, D); float32 (D,).

    With mean m and covariance S of x, output channel d has mean W_d . m and variance W_d . S W_d: a norm after a 1x1
    convolution can go into its kernel before the convolution runs, and costs a matrix product of C x C numbers.
    """
    covariance = of.second - of.first[:, None] * of.first[None]
    wide = kernel.astype(jnp.float32)
    return Moments(of.first @ wide, jnp.sum(wide * (covariance @ wide), axis=0))


def inverse_deviation(statistics: Moments) -> jax.Array:
    """1 / sqrt(variance + epsilon) of each channel, as a batch norm divides; float32 (C,)."""
    return lax.rsqrt(jnp.maximum(statistics.variance, 0.0) + BATCH_NORM_EPSILON)


def normalise(x: jax.Array, statistics: Moments, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """Batch normalisation of x (B, H, W, C) with given statistics; scale and bias (C,)."""
    factor = scale * inverse_deviation(statistics)
    shift = bias - statistics.mean * factor
    return x * factor.astype(x.dtype)[None, None, None] + shift.astype(x.dtype)[None, None, None]


def norm_gradients(
    x: jax.Array, g: jax.Array, used: Moments, scale: jax.Array, *, of_batch: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Gradients of `normalise` by x, scale and bias, where g (B, H, W, C) is that of its output; float32.

    With r = 1 / sqrt(variance + epsilon), and n pixels where the statistics are those of x itself (Ioffe and Szegedy,
    arXiv 1502.03167, section 3):

        dbias = sum g,  dscale = r * sum g (x - mean),  dx = scale * r * (g - dbias / n - (x - mean) * r * dscale / n).
    """
    r = inverse_deviation(used)
    wide = g.astype(jnp.float32)
    dbias = wide.sum(axis=(0, 1, 2))
    dscale = ((wide * x).sum(axis=(0, 1, 2)) - used.mean * dbias) * r
    by_g, by_x, constant = scale * r, jnp.zeros_like(r), jnp.zeros_like(r)
    if of_batch:
        n = x.size // x.shape[-1]
        by_x = -by_g * r * dscale / n
        constant = -by_g * dbias / n - by_x * used.mean
    dx = wide * by_g[None, None, None] + x * by_x[None, None, None] + constant[None, None, None]
    return dx, dscale, dbias
