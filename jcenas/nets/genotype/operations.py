"""The operations of DARTS and NASNet cells as Linen modules, and drop-path (arXiv 1806.09055, appendix A.1).

Every convolution is ReLU, convolution, batch norm; a separable one does that twice. `stride` 2 halves the image.
Letters: B images, H, W height and width, C channels.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal

# Every edge of a shape shares one trace, which takes most of the tracing time off a network of many edges.
_depthwise = jax.jit(dw.depthwise, static_argnames=("stride", "dilation"))
_max_pool = jax.jit(dw.max_pool_3x3, static_argnames="stride")
_average_pool = jax.jit(dw.average_pool_3x3, static_argnames="stride")

_POOLS = {"max_pool_3x3": 1, "max_pool_5x5": 2, "max_pool_7x7": 3}  # a larger maximum is a maximum of maxima
_SEPARABLE = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "sep_conv_7x7": 7}
_DILATED = {"dil_conv_3x3": 3, "dil_conv_5x5": 5}
_DENSE = {"conv_1x1": 1, "conv_3x3": 3}
_LINES = {"conv_3x1_1x3": 3, "conv_7x1_1x7": 7}


class PointwiseNorm(nn.Module):
    """ReLU, 1x1 convolution to `channels`, batch norm."""

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C)."""
        kernel = self.param("kernel", he_normal(), (x.shape[-1], self.channels))
        return BatchNorm(name="norm")(ops.pointwise(nn.relu(x), kernel), statistics)


class FactorizedReduction(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2 whose grids are a pixel apart, half of the channels each, batch norm."""

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Halve x (B, H, W, C) with even H and W."""
        kernel = self.param("kernel", he_normal(), (x.shape[-1], self.channels))
        first, second = jnp.split(kernel, [self.channels // 2], axis=1)
        x = nn.relu(x)
        halves = [ops.pointwise(x[:, ::2, ::2], first), ops.pointwise(x[:, 1::2, 1::2], second)]
        return BatchNorm(name="norm")(jnp.concatenate(halves, axis=-1), statistics)


class SeparableNorm(nn.Module):
    """ReLU, depthwise convolution, 1x1 convolution, batch norm; the number of channels stays."""

    size: int
    stride: int = 1
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C)."""
        c = x.shape[-1]
        weights = self.param("depthwise", he_normal(), (self.size, self.size, c))
        x = _depthwise(nn.relu(x), weights, stride=self.stride, dilation=self.dilation)
        x = ops.pointwise(x, self.param("pointwise", he_normal(), (c, c)))
        return BatchNorm(name="norm")(x, statistics)


class DenseNorm(nn.Module):
    """ReLU, convolution with a square kernel, batch norm; the number of channels stays."""

    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C)."""
        c = x.shape[-1]
        weights = self.param("kernel", he_normal(), (self.size, self.size, c, c))
        return BatchNorm(name="norm")(conv(nn.relu(x), weights, self.stride), statistics)


class LinesNorm(nn.Module):
    """ReLU, convolution with a row of `size` taps, convolution with a column of them, batch norm."""

    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C)."""
        c, x = x.shape[-1], nn.relu(x)
        for axis, name in ((2, "row"), (1, "column")):
            weights = self.param(name, he_normal(), (self.size, c, c))
            x = line_convolution(x, weights, axis, self.stride)
        return BatchNorm(name="norm")(x, statistics)


def line_convolution(x: jax.Array, kernel: jax.Array, axis: int, stride: int) -> jax.Array:
    """Convolve x (B, H, W, C) along one axis with kernel (K, C, D), K odd, padding K // 2, stride on that axis only.

    Written as one matrix product over shifted copies, whose gradient stays fast inside loops and branches.
    """
    taps, c, d = kernel.shape
    size = x.shape[axis]
    width = [(0, 0)] * 4
    width[axis] = (taps // 2, taps // 2)
    padded = jnp.pad(x, width)
    shifted = [jax.lax.slice_in_dim(padded, i, i + size, stride, axis) for i in range(taps)]
    return ops.pointwise(jnp.concatenate(shifted, axis=-1), kernel.reshape(taps * c, d))


class Operation(nn.Module):
    """One operation of `jcenas.spaces.genotype.OPERATIONS`, by name."""

    operation: str
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C), H and W multiples of the stride; the result has C channels."""
        name, stride = self.operation, self.stride
        if name == "none":
            return jnp.zeros_like(x[:, ::stride, ::stride])
        if name == "skip_connect":
            return x if stride == 1 else FactorizedReduction(x.shape[-1], name="reduce")(x, statistics)
        if name == "avg_pool_3x3":
            return _average_pool(x, stride=stride)
        if name in _POOLS:
            for _ in range(_POOLS[name] - 1):
                x = _max_pool(x, stride=1)
            return _max_pool(x, stride=stride)
        if name in _SEPARABLE:
            x = SeparableNorm(_SEPARABLE[name], stride, name="first")(x, statistics)
            return SeparableNorm(_SEPARABLE[name], name="second")(x, statistics)
        if name in _DILATED:
            return SeparableNorm(_DILATED[name], stride, 2, name="first")(x, statistics)
        if name == "conv_1x1":
            return PointwiseNorm(x.shape[-1], name="first")(x[:, ::stride, ::stride], statistics)
        if name in _DENSE:
            return DenseNorm(_DENSE[name], stride, name="first")(x, statistics)
        return LinesNorm(_LINES[name], stride, name="first")(x, statistics)


def path_masks(key: jax.Array, paths: int, images: int, rate: jax.Array | float) -> jax.Array:
    """Factors, float32 (paths, images, 1, 1, 1), that drop each path of each image with probability `rate`.

    A kept path has 1 / (1 - rate), so that the mean stays (Larsson et al., ICLR 2017, arXiv 1605.07648). One draw for
    all paths: each draw of its own would take XLA:CPU half a second to compile. The key is consumed; `rate` below 1 is
    data.
    """
    keep = 1.0 - jnp.asarray(rate, jnp.float32)
    return jax.random.bernoulli(key, keep, (paths, images, 1, 1, 1)) / keep
