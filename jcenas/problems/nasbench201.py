"""NAS-Bench-201 cells trained for real: three stages of equal cells (Dong and Yang, ICLR 2020, arXiv 2001.00326)."""

import dataclasses
from typing import Any

import jax
import numpy as np

from jcenas.nets.nasbench201 import cost as formulas
from jcenas.nets.nasbench201.cost import Macro
from jcenas.nets.nasbench201.fixed import FixedNetwork, extract
from jcenas.nets.nasbench201.network import CellNetwork
from jcenas.problems.network import NetworkProblem
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, POOL, SKIP, NasBench201, isomorphism_class


class NasBench201Problem(NetworkProblem):
    """Cells of the space in one macro skeleton. Cells without a path from input to output are left out."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        return "nasbench201"

    @property
    def space(self) -> NasBench201:
        """Cells with a path from input to output."""
        return NasBench201(connected_only=True)

    @property
    def macro(self) -> Macro:
        """The skeleton as the formulas take it."""
        return Macro(**dataclasses.asdict(self.skeleton))

    def network(self, *, on_cpu: bool) -> CellNetwork:
        """The network with the cell as data: branches on a CPU, blends on an accelerator."""
        skeleton, choose = self.skeleton, "branch" if on_cpu else "blend"
        return CellNetwork(skeleton.classes, channels=skeleton.channels, cells=skeleton.cells, choose=choose)

    def fixed(self, genome: tuple[int, ...]) -> FixedNetwork:
        """The network of one cell."""
        skeleton = self.skeleton
        return FixedNetwork(tuple(genome), skeleton.classes, channels=skeleton.channels, cells=skeleton.cells)

    def extract(self, variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
        """The variables of `fixed(genome)` out of those of `network`."""
        return extract(variables, genome)

    def parameters(self, genomes: np.ndarray) -> jax.Array:
        """Trainable parameters (n,)."""
        return formulas.parameters(self.macro, genomes)

    def multiply_adds(self, genomes: np.ndarray) -> jax.Array:
        """Multiply-adds of one image (n,)."""
        return formulas.multiply_adds(self.macro, genomes)

    def bytes_moved(self, genomes: np.ndarray) -> jax.Array:
        """Bytes of weights read and of activations read and written for one image (n,)."""
        return formulas.bytes_moved(self.macro, genomes)

    def identity(self, genome: tuple[int, ...]) -> str:
        """The benchmark's name of what the cell computes, equal for isomorphic cells."""
        return isomorphism_class(genome)

    def most_activations(self, genomes: np.ndarray) -> np.ndarray:
        """The most numbers of maps at once for one image, float64 (n,)."""
        return formulas.most_activations(self.macro, genomes)

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Logarithm of how often each sequence of operations lies on a path, float32 (n, 40)."""
        return self.space.computes(genomes)

    @property
    def dearest(self) -> tuple[tuple[int, ...], ...]:
        """Cells that repeat one operation: every formula is linear in how often each occurs."""
        return tuple((operation,) * len(EDGES) for operation in (CONV_3X3, POOL, CONV_1X1, SKIP))

    @property
    def lightest(self) -> tuple[int, ...]:
        """Nothing but skips."""
        return (SKIP,) * len(EDGES)
