"""Depthwise convolutions and 3x3 pools of NHWC images: shifted slices on CPU, the library's kernels elsewhere.

XLA:CPU runs a grouped convolution, a `reduce_window` and their gradients by naive loops, 5 to 20 times slower than the
same sums written over shifted slices, which it fuses into one vectorised pass (jax-ml/jax issue 23713). On accelerators
the library's kernels are right. `lax.platform_dependent` picks where the program is lowered, so a network is the same
module everywhere.

Letters: B images, H, W height and width, C channels, K kernel size (odd), S stride, D dilation.
"""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax

_NHWC = ("NHWC", "HWIO", "NHWC")


def depthwise(x: jax.Array, kernel: jax.Array, *, stride: int = 1, dilation: int = 1) -> jax.Array:
    """Convolve every channel with a kernel of its own; padding D * (K // 2), so that stride 1 keeps the size.

    Args:
        x: images (B, H, W, C), H and W multiples of `stride`.
        kernel: (K, K, C), K odd.
        stride: pixels between outputs.
        dilation: pixels between taps.

    Returns:
        (B, H / S, W / S, C) in the dtype of `x`.
    """
    return cast(jax.Array, _depthwise(x, kernel, stride, dilation))


def _library_depthwise(x: jax.Array, kernel: jax.Array, stride: int, dilation: int) -> jax.Array:
    pad = dilation * (kernel.shape[0] // 2)
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        ((pad, pad), (pad, pad)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=_NHWC,
        feature_group_count=x.shape[-1],
    )


def _taps(x: jax.Array, size: int, stride: int, dilation: int) -> list[jax.Array]:
    """The K * K shifted views of x that its depthwise convolution weighs, each (B, H / S, W / S, C), row by row."""
    _, h, w, _ = x.shape
    pad = dilation * (size // 2)
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    offsets = [dilation * i for i in range(size)]
    return [x[:, i : i + h : stride, j : j + w : stride] for i in offsets for j in offsets]


def _shifted_depthwise(x: jax.Array, kernel: jax.Array, stride: int, dilation: int) -> jax.Array:
    size, _, c = kernel.shape
    weights = kernel.astype(x.dtype).reshape(size * size, 1, 1, 1, c)
    return sum(
        (tap * weight for tap, weight in zip(_taps(x, size, stride, dilation), weights, strict=True)),
        start=jnp.zeros((), x.dtype),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(x, kernel, stride, dilation):
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _shifted_depthwise(x, kernel, stride, dilation),
        default=lambda x, kernel: _library_depthwise(x, kernel, stride, dilation),
    )


def _forward(x, kernel, stride, dilation):
    return _depthwise(x, kernel, stride, dilation), (x, kernel)


def _shifted_gradients(x, kernel, g, stride, dilation):
    size, _, c = kernel.shape
    taps = _taps(x, size, stride, dilation)
    dkernel = jnp.stack([jnp.sum(tap * g, axis=(0, 1, 2)) for tap in taps]).reshape(size, size, c)
    if stride > 1:  # the strided output is the dense one at every stride-th pixel: put its gradient back there
        gap = (0, stride - 1, stride - 1)
        g = lax.pad(g, jnp.zeros((), g.dtype), ((0, 0, 0), gap, gap, (0, 0, 0)))
    return _shifted_depthwise(g, kernel[::-1, ::-1], 1, dilation), dkernel


def _backward(stride, dilation, saved, g):
    def library(x, kernel, g):
        return jax.vjp(lambda x, kernel: _library_depthwise(x, kernel, stride, dilation), x, kernel)[1](g)

    return lax.platform_dependent(
        *saved, g, cpu=lambda x, kernel, g: _shifted_gradients(x, kernel, g, stride, dilation), default=library
    )


_depthwise.defvjp(_forward, _backward)


def max_pool_3x3(x: jax.Array, stride: int = 1) -> jax.Array:
    """3x3 maximum, padding 1, of x (B, H, W, C). Of equal pixels the first, row by row, gets the gradient."""
    return lax.platform_dependent(
        x,
        cpu=lambda x: _shifted_maximum(x, stride),
        default=lambda x: _window(x, -jnp.inf, lax.max, stride),
    )


def average_pool_3x3(x: jax.Array, stride: int = 1) -> jax.Array:
    """3x3 average, padding 1, of x (B, H, W, C) over the pixels that exist (padding is not counted)."""
    ones = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    total = lax.platform_dependent(
        x,
        cpu=lambda x: _shifted_sum(x, stride),
        default=lambda x: _window(x, 0.0, lax.add, stride),
    )
    return total / _shifted_sum(ones, stride)


def _window(x, start, combine, stride):
    """`reduce_window` with a literal start, which is what makes it differentiable."""
    window, strides, pad = (1, 3, 3, 1), (1, stride, stride, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, start, combine, window, strides, pad)


def _neighbours(x: jax.Array, axis: int, fill: float, stride: int) -> list[jax.Array]:
    """The pixels before, at and after every stride-th pixel along an axis; `fill` outside the image."""
    size = x.shape[axis]
    width = [(0, 0)] * x.ndim
    width[axis] = (1, 1)
    padded = jnp.pad(x, width, constant_values=fill)
    return [lax.slice_in_dim(padded, i, i + size, stride, axis) for i in range(3)]


def _shifted_sum(x: jax.Array, stride: int) -> jax.Array:
    for axis in (2, 1):
        before, at, after = _neighbours(x, axis, 0.0, stride)
        x = before + at + after
    return x


def _shifted_maximum(x: jax.Array, stride: int) -> jax.Array:
    for axis in (2, 1):  # columns first, then rows: the first of equal pixels in the order of rows
        before, at, after = _neighbours(x, axis, -jnp.inf, stride)
        rest = jnp.where(at >= after, at, after)
        x = jnp.where(before >= rest, before, rest)
    return x
