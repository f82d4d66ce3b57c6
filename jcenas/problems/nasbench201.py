"""NAS-Bench-201 cells trained for real: space, counted costs and features, and the skeleton round the cell.

The cost may be any of the registry's that is a formula of macro skeleton and genome; a measured one (latency) is known
after training only, and multiply-adds stand in for it in the order of the queue.
"""

import dataclasses
import functools

import jax
import numpy as np

from jcenas import registry
from jcenas.nets.nasbench201 import cost as formulas
from jcenas.nets.nasbench201.cost import Macro
from jcenas.spaces.nasbench201_paths import path_counts
from jcenas.spaces.nasbench201 import NasBench201, to_string

SAMPLE = 2048  # cells that stand for the space
REFERENCE_MARGIN = 1.1  # the reference point lies beyond the dearest cell


@dataclasses.dataclass(frozen=True, kw_only=True)
class NasBench201Problem:
    """Cells of the space in one macro skeleton. Cells without a path from input to output are left out.

    Attributes:
      macro: everything about the networks but their cells.
      cost: name of the second objective, see `jcenas list cost`.
      reference: (error, cost) that bounds the hypervolume.
      seconds_at: device-seconds of a training without and with each multiply-add: (fixed, per multiply-add).
    """

    macro: Macro
    cost: str
    reference: tuple[float, float]
    seconds_at: tuple[float, float] = (1.0, 0.0)
    name: str = "nasbench201"

    @property
    def space(self) -> NasBench201:
        """Cells with a path from input to output."""
        return NasBench201(connected_only=True)

    @property
    def cost_names(self) -> tuple[str, ...]:
        """The one cost."""
        return (self.cost,)

    @property
    def largest(self) -> float:
        """The box between the origin and the reference point."""
        return float(np.prod(self.reference))

    @property
    def population(self) -> np.ndarray:
        """A fixed sample of the space, int32 (SAMPLE, 6)."""
        return _sample()

    def has(self, genome: tuple[int, ...]) -> bool:
        """Whether something passes from the input to the output."""
        return bool(path_counts(np.array([genome])).any())

    def can_score(self, score: str) -> bool:
        """Every training-free score of the registry can be computed."""
        return score in registry.entries("proxy")

    def known_scores(self, score: str) -> None:
        """None: they are computed for what is proposed."""
        del score

    def to_string(self, genome: tuple[int, ...]) -> str:
        """As the benchmark writes it."""
        return to_string(genome)

    @property
    def measured(self) -> bool:
        """Whether the cost comes from a clock and not from a formula."""
        return registry.check("cost", self.cost).entry.options.get("how") == "measured"

    def costs(self, genomes: np.ndarray) -> np.ndarray:
        """Counted or modelled cost, float32 (n, 1); multiply-adds where the cost is measured."""
        entry = registry.check("cost", self.cost).entry
        formula = formulas.multiply_adds if self.measured else registry.load_entry(entry)
        return np.asarray(formula(self.macro, genomes))[:, None]

    def seconds(self, genomes: np.ndarray) -> np.ndarray:
        """Device-seconds of a training by its multiply-adds, float32 (n,)."""
        fixed, each = self.seconds_at
        return np.asarray(fixed + each * np.asarray(formulas.multiply_adds(self.macro, genomes)), np.float32)

    def sizes(self, genomes: np.ndarray) -> np.ndarray:
        """Multiply-adds, float32 (n, 1)."""
        return np.asarray(formulas.multiply_adds(self.macro, genomes))[:, None]

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Logarithm of how often each sequence of operations lies on a path, float32 (n, 40)."""
        return np.log1p(path_counts(genomes))


@functools.cache
def _sample() -> np.ndarray:
    return np.asarray(NasBench201(connected_only=True).sample(jax.random.key(0), SAMPLE))


def reference_point(macro: Macro, cost: str, error: float, dearest: float | None = None) -> tuple[float, float]:
    """The point (error, cost) that bounds the hypervolume: of no use, and dearer than the dearest cell.

    Args:
      macro: of the networks.
      cost: of the registry.
      error: validation error beyond which a network is of no use.
      dearest: cost of the dearest cell, where it is measured.
    """
    if dearest is None:
        dearest = formulas.largest(registry.load("cost", cost), macro)
    return error, REFERENCE_MARGIN * float(dearest)
