"""The contract of a meter: counters of energy that only rise, each over one device of a run or over several.

A meter reads; what a reading means for a device is `jcenas.carbon.meters.metering`'s matter: the difference of two
readings, a counter that begins again from zero, one that sleeps, and who shares it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

WORKER = "worker"  # platform of a process that calls a user's function: which hardware it uses is not known


class MeteredDevice(NamedTuple):
    """What a meter is told of a device of the run."""

    platform: str  # "cpu", "gpu", ... as JAX says, or `WORKER`
    index: int  # of the hardware, as this process sees it: of the GPUs that CUDA_VISIBLE_DEVICES shows
    kind: str  # such as "NVIDIA H200"


class Counter(NamedTuple):
    """One counter.

    Attributes:
        name: of the hardware that it counts.
        devices: those of the run whose energy it counts, by their place in what `open` was given.
        wraps_j: reading, J, at which it begins again from zero; infinity where it never does.
        updates_s: longest time, s, between two changes of its value while the hardware draws power.
    """

    name: str
    devices: tuple[int, ...]
    wraps_j: float = math.inf
    updates_s: float = 0.1


class Meter(Protocol):
    """Counters of energy."""

    @property
    def name(self) -> str:
        """As in the registry, or of the file."""
        ...

    @property
    def measures(self) -> str:
        """What it counts, in words, for the summary and the report."""
        ...

    def open(self, devices: Sequence[MeteredDevice]) -> Sequence[Counter]:
        """Look for the counters of a run's devices; each device has one at least.

        Raises:
            InputError: there is none here, or it cannot be read; says why and what would help.
        """
        ...

    def read(self, places: Sequence[int]) -> Sequence[float]:
        """Readings of some counters, J since any moment before; NaN where one cannot be read now.

        Args:
            places: of the counters in what `open` returned.
        """
        ...

    def close(self) -> None:
        """Nothing is read any more; a second call does nothing."""
        ...
