"""What networks of inverted residuals cost without being built, vectorised over networks.

Counts are those of `jcenas.nets.mobilenet.network.MobileNetwork`; they equal the columns `params_M` and `macs_M` of
Accel-NASBench (arXiv 2404.08005).
"""

import dataclasses
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.spaces.mobilenet import MobileNet

HEAD_FACTOR = 4  # channels before the classifier over channels of the last stage
SQUEEZE = 4  # a squeeze-excite has a quarter of the channels that enter the layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class MacroMobile:
    """What data decide about a network; the defaults are those of ImageNet. The rest is the space's."""

    image_channels: int = 3
    classes: int = 1000


class Layer(NamedTuple):
    """One layer of a stage, or of many networks at once."""

    before: jax.Array  # channels in
    after: jax.Array  # channels out
    expansion: jax.Array
    kernel: jax.Array
    squeeze: jax.Array  # bool
    pixels: jax.Array  # in
    stride: int


class Counts(NamedTuple):
    """Parts of a cost."""

    parameters: jax.Array
    multiply_adds: jax.Array
    normalised: jax.Array  # numbers that pass a batch norm
    pooled: jax.Array  # numbers read and written by squeeze-excite's mean


def _layer(layer: Layer) -> Counts:
    wide, out = layer.before * layer.expansion, layer.pixels // layer.stride**2
    expands, narrow = layer.expansion > 1, jnp.maximum(layer.before // SQUEEZE, 1)
    taps = layer.kernel * layer.kernel
    parameters = expands * (layer.before * wide + 2 * wide) + taps * wide + 2 * wide
    parameters += layer.squeeze * (2 * wide * narrow + wide + narrow) + wide * layer.after + 2 * layer.after
    before, after, narrow = (a.astype(jnp.float32) for a in (layer.before, layer.after, narrow))
    wide, out, pixels = (a.astype(jnp.float32) for a in (wide, out, layer.pixels))
    work = expands * before * wide * pixels + out * wide * (taps + after) + layer.squeeze * 2 * wide * narrow
    normalised = expands * wide * pixels + out * (wide + after)
    return Counts(parameters, work, normalised, layer.squeeze * wide * (out + 1))


@functools.partial(jax.jit, static_argnames=("space", "macro"))
def counts(genomes: ArrayLike, space: MobileNet, macro: MacroMobile | None = None) -> Counts:
    """Parts of the cost of one image in the networks of genomes (..., d)."""
    macro = macro or MacroMobile()
    chex.assert_shape(jnp.asarray(genomes), (..., len(space.cardinalities)), custom_message="genomes")
    chosen = space.stages(genomes)
    channels = jnp.asarray(space.channels(), jnp.int32)[chosen.width]  # (..., 1 + S)
    stem, last = channels[..., 0], channels[..., -1]
    head = HEAD_FACTOR * last
    pixels = (chosen.resolution // space.stem_stride) ** 2
    taps = 9 * macro.image_channels
    area = pixels.astype(jnp.float32)
    total = Counts(taps * stem + 2 * stem, taps * stem * area, stem * area, jnp.zeros_like(area))
    for s, stride in enumerate(space.stage_strides):
        parts = (chosen.expansion[..., s], chosen.kernel[..., s], chosen.squeeze[..., s])
        first = _layer(Layer(channels[..., s], channels[..., s + 1], *parts, pixels, stride))
        pixels = pixels // stride**2
        rest = _layer(Layer(channels[..., s + 1], channels[..., s + 1], *parts, pixels, 1))
        more = chosen.layers[..., s] - 1
        total = Counts(*(t + a + more * b for t, a, b in zip(total, first, rest, strict=True)))
    area = pixels.astype(jnp.float32)
    width = head.astype(jnp.float32)
    parameters = last * head + 2 * head + (head + 1) * macro.classes
    return Counts(
        jnp.asarray(total.parameters + parameters, jnp.int32),
        jnp.asarray(total.multiply_adds + last * width * area + width * macro.classes, jnp.float32),
        jnp.asarray(total.normalised + width * area, jnp.float32),
        jnp.asarray(total.pooled + width * (area + 1), jnp.float32),
    )


def parameters(genomes: ArrayLike, space: MobileNet, macro: MacroMobile | None = None) -> jax.Array:
    """Trainable parameters, int32 (...), of the networks of genomes (..., d)."""
    return counts(genomes, space, macro).parameters


def multiply_adds(genomes: ArrayLike, space: MobileNet, macro: MacroMobile | None = None) -> jax.Array:
    """Multiply-adds of one image in convolutions and classifier, float32 (...)."""
    return counts(genomes, space, macro).multiply_adds


def largest(space: MobileNet) -> np.ndarray:
    """The genome, int32 (d,), that costs most: the largest choice of every variable."""
    choices = (space.expansions, space.kernels, space.layers, (0, 1), space.widths, space.resolutions)
    tops = [int(np.argmax(values)) for values in choices]
    return np.array([top for top in tops[:4] for _ in range(space.stage_count)] + tops[4:], np.int32)
