"""Operations on NHWC images beside convolutions: 1x1 convolutions, pools, statistics and norms, with their gradients.

Letters: B images, H, W height and width, C channels in, D channels out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers.depthwise import average_pool_3x3 as average_pool_3x3

BATCH_NORM_EPSILON = 1e-5


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
