"""What the problems of normal and reduction cells (DARTS, NASNet) share: one network, one set of formulas."""

import dataclasses
from typing import Any

import jax
import numpy as np

from jcenas.nets.genotype import cost as formulas
from jcenas.nets.genotype.cost import MacroGenotype
from jcenas.nets.genotype.network import GenotypeNetwork
from jcenas.nets.genotype.supernet import GenotypeSupernet, extract
from jcenas.problems.network import NetworkProblem
from jcenas.spaces.genotype import from_cells


class GenotypeProblem(NetworkProblem):
    """A stack of `cells` cells, of which two halve the image; a subclass names the space."""

    @property
    def macro(self) -> MacroGenotype:
        """The skeleton as the formulas take it."""
        return MacroGenotype(**dataclasses.asdict(self.skeleton))

    def network(self, *, on_cpu: bool) -> GenotypeSupernet:
        """The network with the genotype as data; the same on every kind of device."""
        del on_cpu
        skeleton = self.skeleton
        return GenotypeSupernet(self.space, skeleton.classes, skeleton.channels, skeleton.cells)

    def fixed(self, genome: tuple[int, ...]) -> GenotypeNetwork:
        """The network of one genotype."""
        skeleton, genotype = self.skeleton, from_cells(self.space.cells(np.array(genome)))
        return GenotypeNetwork(genotype, skeleton.classes, channels=skeleton.channels, cells=skeleton.cells)

    def extract(self, variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
        """The variables of `fixed(genome)` out of those of `network`."""
        return extract(self.network(on_cpu=True), variables, np.array(genome))

    def parameters(self, genomes: np.ndarray) -> jax.Array:
        """Trainable parameters (n,)."""
        return formulas.parameters(self.space.cells(genomes), self.macro)

    def multiply_adds(self, genomes: np.ndarray) -> jax.Array:
        """Multiply-adds of one image (n,)."""
        return formulas.multiply_adds(self.space.cells(genomes), self.macro)

    def bytes_moved(self, genomes: np.ndarray) -> jax.Array:
        """Bytes of weights read and of activations read and written for one image (n,)."""
        return formulas.bytes_moved(self.space.cells(genomes), self.macro)

    def most_activations(self, genomes: np.ndarray) -> np.ndarray:
        """The most numbers of maps at once for one image, float64 (n,)."""
        return formulas.most_activations(self.space.cells(genomes), self.macro)
