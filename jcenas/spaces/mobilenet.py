"""Networks of inverted residuals for ImageNet: seven stages, the space of MnasNet, EfficientNet and Accel-NASBench.

Each stage chooses expansion, kernel, number of layers and squeeze-excite; the network, its width and the resolution of
its images (Tan et al., CVPR 2019, arXiv 1807.11626; Tan and Le, ICML 2019, arXiv 1905.11946; Ahmad et al., DATE 2024,
arXiv 2404.08005). A genome is int32 (30,): the choices of expansion of the seven stages, then of kernel, of layers, of
squeeze-excite, then of width and of resolution. Every genome is valid.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.spaces import choices

STAGES = 7
STEM_CHANNELS = 32
CHANNELS = (16, 24, 40, 80, 112, 192, 320)  # of the stages, at width 1
STRIDES = (1, 2, 2, 2, 1, 2, 1)
TOTAL_STRIDE = 32  # of the stem and of the stages
DIVISOR = 8

_PARTS = ("e", "k", "l", "se")


class Stages(NamedTuple):
    """The choices of networks as values; seven stages on the last axis."""

    expansion: jax.Array  # (..., 7) int32
    kernel: jax.Array  # (..., 7) int32
    layers: jax.Array  # (..., 7) int32
    squeeze: jax.Array  # (..., 7) bool
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
        widths: factors of all channels but the last 1280; results are rounded to multiples of eight.
        resolutions: sides of the images in pixels, multiples of 32.
    """

    expansions: tuple[int, ...] = (1, 4, 6)
    kernels: tuple[int, ...] = (3, 5)
    layers: tuple[int, ...] = (1, 2, 3, 4)
    widths: tuple[float, ...] = (0.75, 1.0, 1.25)
    resolutions: tuple[int, ...] = (160, 192, 224)

    def __post_init__(self):
        for name, values in dataclasses.asdict(self).items():
            if not values or len(set(values)) != len(values) or min(values) <= 0:
                raise InputError(f"{name} must be positive and name no value twice: {values}")
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise InputError(f"kernel {kernel} is even")
        for side in self.resolutions:
            if side % TOTAL_STRIDE:
                raise InputError(f"resolution {side} is not a multiple of {TOTAL_STRIDE}")

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Choices of the 30 variables."""
        sizes = (len(self.expansions), len(self.kernels), len(self.layers), 2)
        return (*(size for size in sizes for _ in range(STAGES)), len(self.widths), len(self.resolutions))

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, 30). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Give one variable that has a choice another value. genome int32 (30,); the key is consumed."""
        return choices.mutate(self.cardinalities, key, genome)

    def features(self, genomes: jax.Array) -> jax.Array:
        """The 30 variables as ordinals in [0, 1], float32 (n, 30); a variable without a choice is 0."""
        top = np.maximum(np.array(self.cardinalities) - 1, 1).astype(np.float32)
        return genomes.astype(jnp.float32) / top.reshape((1,) * (genomes.ndim - 1) + (-1,))

    def stages(self, genomes: ArrayLike) -> Stages:
        """The values that genomes (..., 30) choose."""
        genomes = jnp.asarray(genomes)
        parts = genomes[..., : 4 * STAGES].reshape(*genomes.shape[:-1], 4, STAGES)
        return Stages(
            expansion=jnp.asarray(self.expansions, jnp.int32)[parts[..., 0, :]],
            kernel=jnp.asarray(self.kernels, jnp.int32)[parts[..., 1, :]],
            layers=jnp.asarray(self.layers, jnp.int32)[parts[..., 2, :]],
            squeeze=parts[..., 3, :] > 0,
            width=genomes[..., -2],
            resolution=jnp.asarray(self.resolutions, jnp.int32)[genomes[..., -1]],
        )

    def channels(self) -> np.ndarray:
        """Channels of the stem and of the stages, int (widths, 8)."""
        return np.array([[rounded(c * width) for c in (STEM_CHANNELS, *CHANNELS)] for width in self.widths])

    def to_string(self, genome: ArrayLike) -> str:
        """Accel-NASBench's columns, width and resolution: `e=1 6 6 6 6 6 6;k=...;l=...;se=...;w=1.0;r=224`."""
        found = self.stages(np.asarray(genome))
        values = (found.expansion, found.kernel, found.layers, found.squeeze.astype(jnp.int32))
        columns = [f"{p}=" + " ".join(map(str, np.asarray(v).tolist())) for p, v in zip(_PARTS, values, strict=True)]
        return ";".join([*columns, f"w={self.widths[int(found.width)]}", f"r={int(found.resolution)}"])

    def from_string(self, text: str) -> np.ndarray:
        """The genome, int32 (30,), of a string as `to_string` writes it.

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
        choices = (self.expansions, self.kernels, self.layers, (0, 1), self.widths, self.resolutions)
        genome = []
        for name, possible in zip((*_PARTS, "w", "r"), choices, strict=True):
            count = STAGES if name in _PARTS else 1
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
