"""Networks of inverted residuals: the space of MnasNet, EfficientNet and Accel-NASBench, and a small one.

Each of S stages chooses expansion, kernel, number of layers and squeeze-excite; the network, its width and the
resolution of its images (Tan et al., CVPR 2019, arXiv 1807.11626; Tan and Le, ICML 2019, arXiv 1905.11946; Ahmad et
al., DATE 2024, arXiv 2404.08005). A genome is int32 (d,), d = 4 S + 2: the choices of expansion of the stages, then of
kernel, of layers, of squeeze-excite, then of width and of resolution. Every genome is valid.

The skeleton, which no genome changes, is the space's: by default that of ImageNet, seven stages and d = 30.
`MobileNet.small` is for images of 8 x 8 to 32 x 32 pixels.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.spaces import choices

DIVISOR = 8

_PARTS = ("e", "k", "l", "se")
_CHOICES = ("expansions", "kernels", "layers", "widths", "resolutions")


class Stages(NamedTuple):
    """The choices of networks as values; the S stages on the last axis."""

    expansion: jax.Array  # (..., S) int32
    kernel: jax.Array  # (..., S) int32
    layers: jax.Array  # (..., S) int32
    squeeze: jax.Array  # (..., S) bool
    width: jax.Array  # (...,) int32, index into the space's widths
    resolution: jax.Array  # (...,) int32, pixels of a side


def rounded(channels: float) -> int:
    """The multiple of eight nearest to a number of channels, but not less than nine tenths of it."""
    nearest = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * channels else nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileNet:
    """The space as optimisers see it (`jcenas.moo.types.Space`).

    Attributes:
        expansions: of the channels inside a layer.
        kernels: sides of the depthwise convolution, odd.
        layers: layers of a stage.
        widths: factors of all channels; results are rounded to multiples of eight.
        resolutions: sides of the images in pixels, multiples of the product of all strides.
        stem_channels: channels of the stem at width 1.
        stem_stride: stride of the stem.
        stage_channels: channels of the S stages at width 1.
        stage_strides: stride of the first layer of each stage.

    Raises:
        InputError: a choice or a part of the skeleton that no network can have.
    """

    expansions: tuple[int, ...] = (1, 4, 6)
    kernels: tuple[int, ...] = (3, 5)
    layers: tuple[int, ...] = (1, 2, 3, 4)
    widths: tuple[float, ...] = (0.75, 1.0, 1.25)
    resolutions: tuple[int, ...] = (160, 192, 224)
    stem_channels: int = 32
    stem_stride: int = 2
    stage_channels: tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    stage_strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)

    def __post_init__(self):
        for name in _CHOICES:
            values = getattr(self, name)
            if not values or len(set(values)) != len(values) or min(values) <= 0:
                raise InputError(f"{name} must be positive and name no value twice: {values}")
        skeleton = (self.stem_channels, self.stem_stride, *self.stage_channels, *self.stage_strides)
        if not self.stage_channels or len(self.stage_channels) != len(self.stage_strides) or min(skeleton) < 1:
            raise InputError(
                f"channels and strides must be positive, and as many: stem {self.stem_channels}, {self.stem_stride}; "
                f"stages {self.stage_channels}, {self.stage_strides}"
            )
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise InputError(f"kernel {kernel} is even")
        for side in self.resolutions:
            if side % self.total_stride:
                raise InputError(f"resolution {side} is not a multiple of {self.total_stride}, the product of strides")

    @classmethod
    def small(cls, resolution: int = 32, **options: Any) -> "MobileNet":
        """A space of 46,656 networks for small images: three stages, two of which halve, and a stem that does not.

        Args:
            resolution: side of the images, a multiple of 4, such as 8 (digits), 28 (MNIST) or 32 (CIFAR).
            **options: attributes that differ from those of the small space, such as `widths=(2.0,)` for twice the
                channels.
        """
        skeleton = {"stem_channels": 8, "stem_stride": 1, "stage_channels": (8, 16, 24), "stage_strides": (1, 2, 2)}
        choices = {"layers": (1, 2, 3), "widths": (1.0,), "resolutions": (resolution,)}
        return cls(**(skeleton | choices | options))

    @property
    def stage_count(self) -> int:
        """S, the number of stages."""
        return len(self.stage_channels)

    @property
    def total_stride(self) -> int:
        """The product of the strides of stem and stages, by which image sides must divide."""
        return self.stem_stride * math.prod(self.stage_strides)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Choices of the d variables."""
        sizes = (len(self.expansions), len(self.kernels), len(self.layers), 2)
        return (*(size for size in sizes for _ in range(self.stage_count)), len(self.widths), len(self.resolutions))

    def valid(self, genomes: jax.Array) -> jax.Array:
        """Mask, bool (...), of genomes (..., d) of which every variable has one of its values."""
        return choices.within(self.cardinalities, genomes)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, d). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one variable that has a choice another value. genome int32 (d,); the key is consumed."""
        return choices.mutate(self.cardinalities, key, genome)

    def features(self, genomes: jax.Array) -> jax.Array:
        """The d variables as ordinals in [0, 1], float32 (n, d); a variable without a choice is 0."""
        top = np.maximum(np.array(self.cardinalities) - 1, 1).astype(np.float32)
        return genomes.astype(jnp.float32) / top.reshape((1,) * (genomes.ndim - 1) + (-1,))

    def stages(self, genomes: ArrayLike) -> Stages:
        """The values that genomes (..., d) choose."""
        genomes = jnp.asarray(genomes)
        parts = genomes[..., : 4 * self.stage_count].reshape(*genomes.shape[:-1], 4, self.stage_count)
        return Stages(
            expansion=jnp.asarray(self.expansions, jnp.int32)[parts[..., 0, :]],
            kernel=jnp.asarray(self.kernels, jnp.int32)[parts[..., 1, :]],
            layers=jnp.asarray(self.layers, jnp.int32)[parts[..., 2, :]],
            squeeze=parts[..., 3, :] > 0,
            width=genomes[..., -2],
            resolution=jnp.asarray(self.resolutions, jnp.int32)[genomes[..., -1]],
        )

    def channels(self) -> np.ndarray:
        """Channels of the stem and of the stages, int (widths, 1 + S)."""
        base = (self.stem_channels, *self.stage_channels)
        return np.array([[rounded(c * width) for c in base] for width in self.widths])

    def to_string(self, genome: ArrayLike) -> str:
        """Accel-NASBench's columns, width and resolution: `e=1 6 6 6 6 6 6;k=...;l=...;se=...;w=1.0;r=224`."""
        found = self.stages(np.asarray(genome))
        values = (found.expansion, found.kernel, found.layers, found.squeeze.astype(jnp.int32))
        columns = [f"{p}=" + " ".join(map(str, np.asarray(v).tolist())) for p, v in zip(_PARTS, values, strict=True)]
        return ";".join([*columns, f"w={self.widths[int(found.width)]}", f"r={int(found.resolution)}"])

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (d,), of a string as `to_string` writes it.

        Width and resolution may be left out where the space has a single one.

        Raises:
            InputError: names the token that is not understood, is missing, or is not a choice of the space.
        """
        given = {}
        for token in text.strip().strip(";").split(";"):
            name, equals, values = token.strip().partition("=")
            if not equals or name not in (*_PARTS, "w", "r") or name in given:
                raise InputError(f"network '{text.strip()}': token '{token}' should be one of e=, k=, l=, se=, w=, r=")
            given[name] = values.split()
        possibilities = (self.expansions, self.kernels, self.layers, (0, 1), self.widths, self.resolutions)
        genome = []
        for name, possible in zip((*_PARTS, "w", "r"), possibilities, strict=True):
            count = self.stage_count if name in _PARTS else 1
            if name not in given and count == 1 and len(possible) == 1:
                given[name] = [str(possible[0])]
            if len(given.get(name, ())) != count:
                raise InputError(f"network '{text.strip()}': {name}= needs {count} value(s)")
            for value in given[name]:
                genome.append(_choice(name, value, possible))
        return np.array(genome, np.int32)


def _choice(name: str, text: str, possible: tuple) -> int:
    try:
        return possible.index(float(text))
    except ValueError as error:
        raise InputError(f"{name}: '{text}' is not one of {', '.join(map(str, possible))}") from error


ACCEL_NASBENCH = MobileNet(widths=(1.0,), resolutions=(224,))
"""The space of Accel-NASBench's ImageNet table, which also holds EfficientNet-B0 with four layers in a stage."""
