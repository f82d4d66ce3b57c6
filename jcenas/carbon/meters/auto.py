"""Whatever counters there are for the devices of a run: NVIDIA's for GPUs, RAPL for the CPU, both for workers."""

from collections.abc import Sequence

from jcenas.carbon.meters.meter import Counter, Meter, MeteredDevice
from jcenas.carbon.meters.nvml import NvmlMeter
from jcenas.carbon.meters.rapl import RaplMeter
from jcenas.errors import InputError


class AutoMeter:
    """Every built-in meter that can be opened."""

    def __init__(self, meters: Sequence[Meter] | None = None):
        """`meters`: to try; all built-in ones if None."""
        self._tried: Sequence[Meter] = (NvmlMeter(), RaplMeter()) if meters is None else meters
        self._opened: list[Meter] = []
        self._of: list[tuple[Meter, int]] = []  # of each counter: its meter, and its place there

    @property
    def name(self) -> str:
        """Of those that were opened."""
        return " + ".join(meter.name for meter in self._opened) or "auto"

    @property
    def measures(self) -> str:
        """What those count."""
        return " and ".join(meter.measures for meter in self._opened)

    def open(self, devices: Sequence[MeteredDevice]) -> Sequence[Counter]:
        """Open what can be opened.

        Raises:
            InputError: nothing can; holds every meter's reason.
        """
        counters, reasons = [], []
        for meter in self._tried:
            try:
                found = meter.open(devices)
            except InputError as error:
                reasons.append(str(error))
                continue
            counters += found
            self._opened.append(meter)
            self._of += [(meter, place) for place in range(len(found))]
        if not counters:
            raise InputError("; ".join(reasons))
        return counters

    def read(self, places: Sequence[int]) -> Sequence[float]:
        """Joules of each."""
        asked = (self._of[place] for place in places)
        return [joules for meter, place in asked for joules in meter.read([place])]

    def close(self) -> None:
        """Close them."""
        for meter in self._opened:
            meter.close()
