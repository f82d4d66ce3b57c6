"""The second objective of a search: what a candidate costs, exactly after training, estimated before."""

import math

import numpy as np

from jcenas.live.config import COST_UNITS, SearchConfig
from jcenas.live.programs import DevicePrograms
from jcenas.nets import Macro
from jcenas.nets.nasbench201 import cost

_FORMULAS = {"params": cost.parameters, "flops": cost.multiply_adds, "energy": cost.inference_energy_j}
REFERENCE_ERRORS = {"digits": 0.1, "mnist": 0.1, "fashion-mnist": 0.3, "cifar10": 0.7, "flowers": 0.9}
REFERENCE_MARGIN = 1.1  # the reference point lies beyond the dearest cell
LATENCY = "latency"
LATENCY_BATCHES = (1, 64)


class CostObjective:
    """One of `params | flops | latency | energy`; everything but latency is a formula of the cell."""

    def __init__(self, config: SearchConfig, macro: Macro):
        """Nothing is measured yet."""
        self.name, self.unit = config.cost, COST_UNITS[config.cost]
        self._macro, self._batch = macro, config.latency_batch
        self._useless = config.reference_error or REFERENCE_ERRORS[config.dataset]

    @property
    def measured(self) -> bool:
        """True where the cost comes from a clock and not from a formula."""
        return self.name == LATENCY

    def estimate(self, genomes: np.ndarray) -> np.ndarray:
        """Cost (n,) of genomes (n, 6) for ordering the queue.

        Latency is not known before it is measured; multiply-adds stand in for it, since only the order counts there.
        """
        formula = _FORMULAS.get(self.name, cost.multiply_adds)
        return np.asarray(formula(self._macro, genomes))

    def exact(self, genome: tuple[int, ...], programs: DevicePrograms) -> tuple[float, dict[int, float]]:
        """Cost of one candidate; with latency, the measured seconds by batch size as well."""
        if not self.measured:
            return float(_FORMULAS[self.name](self._macro, np.array(genome))), {}
        seconds = {batch: programs.latency_s(genome, batch) for batch in LATENCY_BATCHES}
        return seconds[self._batch], seconds

    def reference(self, programs: DevicePrograms) -> tuple[float, float]:
        """The point (error, cost) that bounds the hypervolume: of no use, and dearer than the dearest cell."""
        if self.measured:
            dearest = max(programs.latency_s((op,) * 6, self._batch) for op in (3, 4))
        else:
            dearest = cost.largest(_FORMULAS[self.name], self._macro)
        assert math.isfinite(dearest), dearest
        return self._useless, REFERENCE_MARGIN * dearest
