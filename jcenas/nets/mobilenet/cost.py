"""What networks of inverted residuals cost without being built, vectorised over networks.

Counts are those of `jcenas.nets.mobilenet.network.MobileNetwork`; they equal the columns `params_M` and `macs_M` of
Accel-NASBench (arXiv 2404.08005).
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.nets.maps import Maps, classified
from jcenas.spaces.mobilenet import MobileNet, Stages

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


def most_activations(genomes: ArrayLike, space: MobileNet, macro: MacroMobile | None = None) -> np.ndarray:
    """The most numbers of maps at once for one image, float64 (n,), see `jcenas.nets.maps`; genomes (n, d)."""
    macro = macro or MacroMobile()
    chosen = space.stages(genomes)
    widths = space.channels()[np.asarray(chosen.width)].tolist()
    choices = Stages(*(np.asarray(part).tolist() for part in chosen))  # pyright: ignore[reportArgumentType]
    found = [_most(space, macro, width, *one) for width, *one in zip(widths, *choices, strict=True)]
    return np.array(found, float)


def _most(space: MobileNet, macro: MacroMobile, widths: list[int], *choices: Any) -> int:
    """Of one network: channels of the stem and of the stages, and the fields of its `Stages` as lists."""
    expansion, _, layers, squeeze, _, side = choices
    maps, pixels, before = Maps(), (side // space.stem_stride) ** 2, widths[0]
    x = maps.new(pixels * before, maps.new(side**2 * macro.image_channels))
    for stage, stride in enumerate(space.stage_strides):
        for i in range(layers[stage]):
            wide, after, y = before * expansion[stage], widths[stage + 1], x
            if expansion[stage] > 1:
                y = maps.new(pixels * wide, y)
            step = 1 if i else stride
            pixels //= step**2
            y = maps.new(pixels * wide, y)
            if squeeze[stage]:
                narrow = maps.new(max(1, before // SQUEEZE), maps.new(wide, y))
                maps.add(y, maps.new(wide, narrow))
            y = maps.new(pixels * after, y)
            if step == 1 and before == after:
                maps.add(y, x)
            x, before = y, after
    head = HEAD_FACTOR * before
    return classified(maps, head, macro.classes, maps.new(pixels * head, x))
