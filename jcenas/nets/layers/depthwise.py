"""Depthwise convolutions and 3x3 pools of NHWC images: shifted slices on CPU, the library's kernels elsewhere.

XLA:CPU runs a grouped convolution, a `reduce_window` and their gradients by naive loops, 5 to 20 times slower than the
same sums written over shifted slices, which it fuses into one vectorised pass (jax-ml/jax issue 23713). On accelerators
the library's kernels are right. `lax.platform_dependent` picks where the program is lowered, so a network is the same
module everywhere.

Letters: B images, H, W height and width, C channels, K kernel size (odd), S stride, D dilation.
"""

import functools
from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers.fusion import apart

_NHWC = ("NHWC", "HWIO", "NHWC")
_PARTS = 8  # of a batch, at most, that are summed while their products are made


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


def _padded(x: jax.Array, size: int, dilation: int) -> jax.Array:
    pad = dilation * (size // 2)
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def _every(first: int, count: int, stride: int) -> slice:
    """`count` pixels from `first` on, `stride` apart."""
    return slice(first, first + stride * (count - 1) + 1, stride)


def _weights(kernel: jax.Array, dtype: jnp.dtype) -> list[jax.Array]:
    """The K * K weights, each (1, 1, 1, C), row by row."""
    return list(kernel.astype(dtype).reshape(-1, 1, 1, 1, kernel.shape[-1]))


def _shifted_depthwise(x: jax.Array, kernel: jax.Array, stride: int, dilation: int) -> jax.Array:
    size = kernel.shape[0]
    h, w = x.shape[1] // stride, x.shape[2] // stride
    offsets = [dilation * i for i in range(size)]

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        x, weights = _padded(x, size, dilation), _weights(kernel, x.dtype)
        taps = [x[:, _every(i, h, stride), _every(j, w, stride)] for i in offsets for j in offsets]
        return sum((tap * weight for tap, weight in zip(taps, weights, strict=True)), start=jnp.zeros((), x.dtype))

    return apart(convolve, x, kernel)


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
    return _input_gradient(x.shape, kernel, g, stride, dilation), _kernel_gradient(x, kernel, g, stride, dilation)


def _input_gradient(shape, kernel, g, stride, dilation):
    """Pixels (S i + p, S j + q) are one phase of the padded image: each phase is read by taps of its own."""
    size, (_, height, width, c) = kernel.shape[0], shape
    pad, extra = dilation * (size // 2), -(-dilation * (size - 1) // stride)
    h, w = g.shape[1] + extra, g.shape[2] + extra
    along = [divmod(dilation * i, stride) for i in range(size)]

    def spread(g: jax.Array, kernel: jax.Array) -> jax.Array:
        b, weights = g.shape[0], _weights(kernel, g.dtype)
        g = jnp.pad(g, ((0, 0), (extra, extra), (extra, extra), (0, 0)))
        phases = [[jnp.zeros((b, h, w, c), g.dtype)] * stride for _ in range(stride)]
        taps = ((extra - i, p, extra - j, q) for i, p in along for j, q in along)
        for weight, (i, p, j, q) in zip(weights, taps, strict=True):
            phases[p][q] += g[:, i : i + h, j : j + w] * weight
        if stride == 1:
            padded = phases[0][0]
        else:
            rows = [jnp.stack(row, axis=3) for row in phases]
            padded = jnp.stack(rows, axis=2).reshape(b, stride * h, stride * w, c)
        return padded[:, pad : pad + height, pad : pad + width]

    return apart(spread, g, kernel)


def _kernel_gradient(x, kernel, g, stride, dilation):
    """One row of the kernel after another; a program of all rows at once would take five times as long to compile.

    A sum over pixels costs XLA:CPU several times the products that it sums. Most of it is a sum of a few parts of the
    batch, which is fused with the products and vectorised.
    """
    size, (b, h, w) = kernel.shape[0], g.shape[:3]
    x, parts = _padded(x, size, dilation), max(n for n in range(1, _PARTS + 1) if b % n == 0)

    def fold(rows: jax.Array, g: jax.Array) -> list[jax.Array]:
        """Products of the taps of one row with g, summed over the parts of the batch: each (B / parts, H, W, C)."""
        rows, g = (a.reshape(parts, b // parts, *a.shape[1:]) for a in (rows, g))
        shifts = [_every(dilation * j, w, stride) for j in range(size)]
        return [sum((rows[p, :, ::stride, j] * g[p] for p in range(parts)), jnp.zeros((), g.dtype)) for j in shifts]

    def of_row(first: jax.Array) -> jax.Array:
        rows = lax.dynamic_slice_in_dim(x, first, stride * (h - 1) + 1, axis=1)
        return jnp.stack([jnp.sum(tap, axis=(0, 1, 2)) for tap in apart(fold, rows, g)])

    return lax.map(of_row, dilation * jnp.arange(size)).astype(kernel.dtype)


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
        cpu=lambda x: written_out(_shifted_maximum, x, stride),
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


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def written_out(pool: Callable[[jax.Array, int], jax.Array], x: jax.Array, stride: int) -> jax.Array:
    """`pool(x, stride)`, it and its gradient apart from what reads them: for CPUs, see `apart`."""
    return apart(lambda x: pool(x, stride), x)


def _forward_written_out(pool, x, stride):
    return written_out(pool, x, stride), x


def _backward_written_out(pool, stride, x, g):
    return (apart(lambda x, g: jax.vjp(lambda x: pool(x, stride), x)[1](g)[0], x, g),)


written_out.defvjp(_forward_written_out, _backward_written_out)


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
