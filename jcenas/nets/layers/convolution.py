"""Convolutions of NHWC images, written so that their gradients stay fast inside loops and branches.

XLA:CPU rewrites a convolution into the form that its fast kernel accepts only at the top level of a program; inside
`scan`, `cond` or `switch` the transposed convolutions of automatic gradients fall to a naive loop, 40 times slower
(jax-ml/jax issue 12868). There `conv` writes both of its gradients as plain NHWC/HWIO convolutions.

On a CPU compile programs of them with `jcenas.runtime.compilation.jit`, which picks XLA's faster kernels.

Letters: B images, H, W height and width, C channels in, D channels out, K kernel size.
"""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers.fusion import apart

_NHWC = ("NHWC", "HWIO", "NHWC")
_FEW_PIXELS = 4  # up to which an image on a CPU is convolved 2.5 times faster by a product with its patches


def _library(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    pad = kernel.shape[0] // 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=_NHWC)


def _conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    if stride == 1 and x.shape[1] * x.shape[2] <= _FEW_PIXELS:
        return _on_cpu_by_patches(x, kernel)
    return _library(x, kernel, stride)


def _on_cpu_by_patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.platform_dependent(x, kernel, cpu=_by_patches, default=lambda x, kernel: _library(x, kernel, 1))


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
    return conv_gradients(x, kernel, g, stride)


_conv_with_gradients.defvjp(_forward, _backward)


def conv_gradients(x: jax.Array, kernel: jax.Array, g: jax.Array, stride: int = 1) -> tuple[jax.Array, jax.Array]:
    """Gradients by x and by the kernel, where g (B, H / stride, W / stride, D) is that of `conv`'s output."""
    if stride > 1:  # the strided output is the dense one at every stride-th pixel: put its gradient back there
        gap = (0, stride - 1, stride - 1)
        g = lax.pad(g, jnp.zeros((), g.dtype), ((0, 0, 0), gap, gap, (0, 0, 0)))
    return input_gradient(g, kernel), kernel_gradient(x, g, kernel.shape[0])


def input_gradient(g: jax.Array, kernel: jax.Array) -> jax.Array:
    """Gradient of `conv` of stride 1 by its input, from that of its output, g (B, H, W, D)."""
    return _conv(g, kernel[::-1, ::-1].swapaxes(2, 3), 1)


def kernel_gradient(x: jax.Array, g: jax.Array, size: int) -> jax.Array:
    """Gradient (K, K, C, D) of stride-1 `conv` by its kernel, K = `size`; g (B, H, W, D) is that of its output."""

    def library(x: jax.Array, g: jax.Array) -> jax.Array:
        kernel = jnp.zeros((size, size, x.shape[-1], g.shape[-1]), g.dtype)
        return jax.vjp(lambda kernel: _library(x, kernel, 1), kernel)[1](g)[0]

    def on_cpu(x: jax.Array, g: jax.Array) -> jax.Array:
        """Images and channels change places: a convolution of planes (C, H, W, B) with kernel (H, W, B, D)."""
        pad = ((size // 2, size // 2),) * 2
        planes, kernel = apart(lambda x: x.transpose(3, 1, 2, 0), x), apart(lambda g: g.transpose(1, 2, 0, 3), g)
        return lax.conv_general_dilated(planes, kernel, (1, 1), pad, dimension_numbers=_NHWC).transpose(1, 2, 0, 3)

    return lax.platform_dependent(x, g, cpu=on_cpu, default=library)


def conv_of_many(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv` of stride 1 for use under `vmap` over kernels: on CPU a matrix product with the patches of x.

    A convolution batched over its kernels becomes a grouped one, which XLA:CPU runs by a naive loop; batched matrix
    products are fast everywhere.
    """
    return cast(jax.Array, _conv_of_many(x, kernel))


@jax.custom_vjp
def _conv_of_many(x, kernel):
    return _on_cpu_by_patches(x, kernel)


def _forward_of_many(x, kernel):
    return _conv_of_many(x, kernel), (x, kernel)


def _backward_of_many(saved, g):
    def on_cpu(x, kernel, g):
        dkernel = _patches(x, kernel.shape[0]).T @ g.reshape(-1, g.shape[-1])
        return _by_patches(g, kernel[::-1, ::-1].swapaxes(2, 3)), dkernel.reshape(kernel.shape)

    return lax.platform_dependent(*saved, g, cpu=on_cpu, default=conv_gradients)


_conv_of_many.defvjp(_forward_of_many, _backward_of_many)
