"""Batch norm as a Linen module, and He's initialisation."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.nets.layers import operations as ops

Statistics = Literal["batch", "running"]

STATISTICS_MOMENTUM = 0.9


def he_normal(batch_axis: tuple[int, ...] = ()):
    """He initialisation; `batch_axis` are stacked weights that do not count towards the fan-in."""
    return nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal", batch_axis=batch_axis)


class BatchNorm(nn.Module):
    """Batch norm over (B, H, W). Running statistics move only where `batch_stats` is mutable."""

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Normalise x (B, H, W, C) with the batch's or the running statistics."""
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        variance = self.variable("batch_stats", "variance", jnp.ones, (channels,))
        if statistics == "running":
            return ops.normalise(x, ops.Moments(mean.value, variance.value), scale, bias)
        now = ops.moments(x)
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            mean.value += (1 - STATISTICS_MOMENTUM) * (now.mean - mean.value)
            variance.value += (1 - STATISTICS_MOMENTUM) * (now.variance - variance.value)
        return ops.normalise(x, now, scale, bias)
