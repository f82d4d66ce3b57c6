"""NAS-Bench-101's graphs trained for real: the cells of EC-NAS (Ying et al., ICML 2019; Bakhtiarifard et al., 2024)."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.nets.nasbench101 import cost as formulas
from jcenas.nets.nasbench101.cost import Macro101
from jcenas.nets.nasbench101.network import Network101
from jcenas.nets.nasbench101.supernet import Supernet101, extract
from jcenas.problems.network import NetworkProblem, in_few_sizes
from jcenas.problems.problem import DIFFERENT
from jcenas.spaces.nasbench101 import NasBench101, decode, edges, module_hash


class NasBench101Problem(NetworkProblem):
    """Graphs of up to seven vertices and nine edges; three stacks of `cells` equal cells."""

    split: ClassVar[int] = len(edges(7))  # the operation of the first inner vertex

    @property
    def name(self) -> str:
        """For messages and reports."""
        return "nasbench101"

    @property
    def space(self) -> NasBench101:
        """All cells of the benchmark; different genomes may be isomorphic."""
        return NasBench101()

    @property
    def macro(self) -> Macro101:
        """The skeleton as the formulas take it."""
        return Macro101(**dataclasses.asdict(self.skeleton))

    def network(self, *, on_cpu: bool) -> Supernet101:
        """The network with the cell as data: branches on a CPU, blends on an accelerator."""
        skeleton, choose = self.skeleton, "branch" if on_cpu else "blend"
        return Supernet101(skeleton.classes, channels=skeleton.channels, cells=skeleton.cells, choose=choose)

    def fixed(self, genome: tuple[int, ...]) -> Network101:
        """The network of one cell."""
        skeleton = self.skeleton
        return Network101(tuple(genome), skeleton.classes, channels=skeleton.channels, cells=skeleton.cells)

    def extract(self, variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
        """The variables of `fixed(genome)` out of those of `network`."""
        return extract(self.network(on_cpu=True), variables, np.array(genome))

    def parameters(self, genomes: np.ndarray) -> jax.Array:
        """Trainable parameters (n,)."""
        return formulas.parameters(genomes, macro=self.macro)

    def multiply_adds(self, genomes: np.ndarray) -> jax.Array:
        """Multiply-adds of one image (n,)."""
        return formulas.multiply_adds(genomes, macro=self.macro)

    def bytes_moved(self, genomes: np.ndarray) -> jax.Array:
        """Bytes of weights read, and of activations written and read once, for one image (n,)."""
        return units.BYTES_PER_FLOAT32 * (
            2 * formulas.activations(genomes, macro=self.macro) + self.parameters(genomes)
        )

    def identity(self, genome: tuple[int, ...]) -> str:
        """The benchmark's hash, equal for isomorphic cells."""
        return module_hash(decode(np.array(genome)))

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Edges and operations of the pruned graph, float32 (n, w): what is cut away computes nothing."""
        return DIFFERENT * in_few_sizes(lambda padded: self.space.features(jnp.asarray(padded)), genomes)
