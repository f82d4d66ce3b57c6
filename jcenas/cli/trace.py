"""`jcenas trace`."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import tyro

from jcenas.cli.printing import print_table
from jcenas.errors import InputError


@dataclasses.dataclass(frozen=True)
class Trace:
    """Check a carbon-intensity trace and show what is in it; without a file, the typical year of a zone.

    Attributes:
        file: CSV with UTC times and intensities in gCO2eq/kWh, or a service's answer in JSON.
        zone: zone of the typical year, where no file is given (US-CAL-CISO if empty); of a file with several zones, the
            one to take.
        column: column of the intensities, in a file with several.
        zones: list all zones of the typical-year model.
    """

    computes: ClassVar[bool] = False
    file: tyro.conf.Positional[Path | None] = None
    zone: str = ""
    column: str = ""
    zones: bool = False

    def __post_init__(self):
        if self.zones and self.file is not None:
            raise InputError(f"jcenas trace --zones reads no file; leave {self.file} out")

    def run(self) -> int:
        """Print the zones, or the facts of one trace."""
        from jcenas.carbon import describe, read_trace
        from jcenas.carbon.typical_year import typical_year
        from jcenas.engine.grid import DEFAULT_ZONE

        if self.zones:
            print_table(("zone", "mean g/kWh", "range of the day", "years"), describe.zone_rows())
        else:
            if self.file:
                trace = read_trace(self.file, column=self.column or None, zone=self.zone or None)
            else:
                trace = typical_year(self.zone or DEFAULT_ZONE)
            print_table(("", ""), describe.rows(trace))
        return 0
