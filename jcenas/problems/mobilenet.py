"""Inverted residuals trained for real: stages as of MnasNet and EfficientNet, for small images (arXiv 1807.11626)."""

from typing import Any

import jax
import numpy as np

from jcenas import units
from jcenas.nets.mobilenet import cost as formulas
from jcenas.nets.mobilenet.cost import MacroMobile
from jcenas.nets.mobilenet.network import MobileNetwork
from jcenas.nets.mobilenet.supernet import MobileSupernet, extract
from jcenas.problems.network import NetworkProblem
from jcenas.spaces.mobilenet import MobileNet


class MobileNetProblem(NetworkProblem):
    """Three stages; each chooses expansion, kernel, number of layers, at most `cells`, and squeeze-excite."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        return "mobilenet"

    @property
    def space(self) -> MobileNet:
        """Networks for the skeleton's images."""
        c, most = self.skeleton.channels, self.skeleton.cells
        layers, stages = tuple(range(1, most + 1)), (c, 2 * c, 3 * c)
        return MobileNet.small(self.skeleton.image_size, stem_channels=c, stage_channels=stages, layers=layers)

    @property
    def macro(self) -> MacroMobile:
        """What the images decide, as the formulas take it."""
        return MacroMobile(image_channels=self.skeleton.image_channels, classes=self.skeleton.classes)

    def network(self, *, on_cpu: bool) -> MobileSupernet:
        """The network with the genome as data: branches on a CPU, blends on an accelerator."""
        return MobileSupernet(self.space, self.skeleton.classes, choose="branch" if on_cpu else "blend")

    def fixed(self, genome: tuple[int, ...]) -> MobileNetwork:
        """The network of one genome."""
        return MobileNetwork(self.space, tuple(genome), self.skeleton.classes)

    def extract(self, variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
        """The variables of `fixed(genome)` out of those of `network`."""
        return extract(self.network(on_cpu=True), variables, np.array(genome))

    def parameters(self, genomes: np.ndarray) -> jax.Array:
        """Trainable parameters (n,)."""
        return formulas.parameters(genomes, self.space, self.macro)

    def multiply_adds(self, genomes: np.ndarray) -> jax.Array:
        """Multiply-adds of one image (n,)."""
        return formulas.multiply_adds(genomes, self.space, self.macro)

    def bytes_moved(self, genomes: np.ndarray) -> jax.Array:
        """Bytes of weights read, and of activations written and read, for one image (n,)."""
        counts = formulas.counts(genomes, self.space, self.macro)
        return units.BYTES_PER_FLOAT32 * (2 * counts.normalised + counts.pooled + counts.parameters)

    def most_activations(self, genomes: np.ndarray) -> np.ndarray:
        """The most numbers of maps at once for one image, float64 (n,)."""
        return formulas.most_activations(genomes, self.space, self.macro)

    @property
    def dearest(self) -> tuple[tuple[int, ...], ...]:
        """The largest choice of every variable."""
        return (tuple(formulas.largest(self.space).tolist()),)
