"""Energy of the CPU's packages by RAPL (running average power limit), from Linux' powercap files.

A read is one small file a package, and needs no library. Of Intel since Sandy Bridge and AMD since Zen. The package
domains are summed: cores, caches, memory controller and a graphics unit on the chip. `psys` and the subdomains would
count the same joules again, and memory modules have a domain of their own on some servers only, so it is left out. What
else runs on the CPU is counted too.

The counter's unit is about 61 µJ; it changes about every millisecond and begins again after `max_energy_range_uj`,
65 or 262 kJ: minutes of a busy server. Since Linux 5.10 only root may read it (CVE-2020-8694).
"""

import math
from collections.abc import Sequence
from pathlib import Path

from jcenas.carbon.meters.meter import WORKER, Counter, MeteredDevice
from jcenas.errors import InputError

POWERCAP = Path("/sys/class/powercap")
UPDATES_S = 0.05  # milliseconds, and longer where some firmware lets a package sleep
_J_PER_UJ = 1e-6


class RaplMeter:
    """A counter for each CPU package; all devices of the run that are cores of the CPU share them."""

    name = "rapl"
    measures = "CPU packages with their caches and memory controllers (RAPL)"

    def __init__(self, root: Path = POWERCAP):
        """`root`: folder of the powercap zones."""
        self._root = root
        self._files: list[Path] = []

    def open(self, devices: Sequence[MeteredDevice]) -> Sequence[Counter]:
        """Find the package domains.

        Raises:
            InputError: the devices are not of the CPU, or there is no domain, or none that this user may read.
        """
        if other := next((device for device in devices if device.platform not in ("cpu", WORKER)), None):
            raise InputError(f"meter rapl counts the CPU, and the run's devices are {other.platform} ({other.kind})")
        everyone, counters, files = tuple(range(len(devices))), [], []
        for zone in sorted(self._root.glob("intel-rapl:*")):
            try:
                name = (zone / "name").read_text().strip()
                if zone.name.count(":") != 1 or not name.startswith("package"):
                    continue
                wraps_j = int((zone / "max_energy_range_uj").read_text()) * _J_PER_UJ
                _joules(zone / "energy_uj")
            except PermissionError as error:
                remedy = f"as root: chmod a+r {self._root}/intel-rapl:*/energy_uj"
                raise InputError(f"meter rapl: {error.filename} may not be read by this user; {remedy}") from error
            except (OSError, ValueError) as error:
                raise InputError(f"meter rapl: {zone} is unreadable ({error})") from error
            files.append(zone / "energy_uj")
            counters.append(Counter(name, everyone, wraps_j, UPDATES_S))
        if not counters:
            raise InputError(f"meter rapl: no package domain below {self._root} (not Linux, or a virtual machine)")
        self._files = files
        return counters

    def read(self, places: Sequence[int]) -> Sequence[float]:
        """Joules of each package."""
        return [_or_nan(self._files[place]) for place in places]

    def close(self) -> None:
        """Nothing is open between two reads."""


def _joules(file: Path) -> float:
    return int(file.read_text()) * _J_PER_UJ


def _or_nan(file: Path) -> float:
    try:
        return _joules(file)
    except (OSError, ValueError):
        return math.nan
