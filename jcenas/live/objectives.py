"""The second objective of a search: what a candidate costs, exactly after training, estimated before."""

import math

import numpy as np

from jcenas import registry
from jcenas.live.config import SearchConfig
from jcenas.live.programs import DevicePrograms
from jcenas.nets import Macro
from jcenas.nets.nasbench201 import cost

REFERENCE_ERROR = 0.9  # of a data set whose entry does not say its `reference_error`
REFERENCE_MARGIN = 1.1  # the reference point lies beyond the dearest cell
LATENCY = "latency"
LATENCY_BATCHES = (1, 64)


class CostObjective:
    """A cost of the registry; everything but latency is a formula of the cell."""

    def __init__(self, config: SearchConfig, macro: Macro):
        """Nothing is measured yet."""
        entry = registry.check("cost", config.cost).entry
        self.name, self.unit = config.cost, entry.options.get("unit", "")
        # Multiply-adds stand in for a latency that is not measured yet.
        self._formula = cost.multiply_adds if self.measured else registry.load_entry(entry)
        self._macro, self._batch = macro, config.latency_batch
        images = registry.check("images", config.dataset).entry.options
        self._useless = config.reference_error or images.get("reference_error", REFERENCE_ERROR)

    @property
    def measured(self) -> bool:
        """True where the cost comes from a clock and not from a formula."""
        return self.name == LATENCY

    def estimate(self, genomes: np.ndarray) -> np.ndarray:
        """Cost (n,) of genomes (n, 6) for ordering the queue.

        Latency is not known before it is measured; multiply-adds stand in for it, since only the order counts there.
        """
        return np.asarray(self._formula(self._macro, genomes))

    def exact(self, genome: tuple[int, ...], programs: DevicePrograms) -> tuple[float, dict[int, float]]:
        """Cost of one candidate; with latency, the measured seconds by batch size as well."""
        if not self.measured:
            return float(self._formula(self._macro, np.array(genome))), {}
        seconds = {batch: programs.latency_s(genome, batch) for batch in LATENCY_BATCHES}
        return seconds[self._batch], seconds

    def reference(self, programs: DevicePrograms) -> tuple[float, float]:
        """The point (error, cost) that bounds the hypervolume: of no use, and dearer than the dearest cell."""
        if self.measured:
            dearest = max(programs.latency_s((op,) * 6, self._batch) for op in (3, 4))
        else:
            dearest = cost.largest(self._formula, self._macro)
        assert math.isfinite(dearest), dearest
        return self._useless, REFERENCE_MARGIN * dearest
