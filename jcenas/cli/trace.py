"""`jcenas trace`."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import tyro

from jcenas.cli.printing import print_table, warn
from jcenas.errors import InputError, check_column, check_integer
from jcenas.runtime.paths import check_file

_MOST_DAYS = 3660
_DAYS = 30


@dataclasses.dataclass(frozen=True)
class Trace:
    """Check a carbon-intensity trace and show what is in it; without a file, the typical year of a zone.

    With `--provider` the trace is that of past hours as a service has them, and `--out` writes it into a file.

    Attributes:
        file: CSV with UTC times and intensities in gCO2eq/kWh, or a service's answer in JSON.
        zone: zone of the typical year, where no file is given (US-CAL-CISO if empty); of a file with several zones, the
            one to take; of a provider, the one to ask for.
        column: column of the intensities, in a file with several.
        zones: list all zones of the typical-year model.
        provider: who is asked instead of a file: names of `jcenas list provider` with commas between them, the later
            ones where the earlier ones fail.
        days: of the period that a provider is asked for.
        start: its begin, such as 2024-06-01T00:00Z; if empty, it ends with the last hour that is over.
        out: CSV file to write what the provider gave into.
    """

    computes: ClassVar[bool] = False
    file: tyro.conf.Positional[Path | None] = None
    zone: str = ""
    column: str = ""
    zones: bool = False
    provider: str = ""
    days: int = _DAYS
    start: str = ""
    out: Path | None = None

    def __post_init__(self):
        if self.zones and self.file is not None:
            raise InputError(f"jcenas trace --zones reads no file; leave {self.file} out")
        check_integer("--days", self.days, 1, _MOST_DAYS)
        if self.provider and (self.file is not None or self.column or self.zones):
            other = self.file or ("--column" if self.column else "--zones")
            raise InputError(f"jcenas trace --provider reads no file and lists no zones; leave {other} out")
        if self.provider and self.out is not None:
            check_file("--out", self.out, ".csv")
        needing = {"--out": self.out is not None, "--start": bool(self.start), "--days": self.days != _DAYS}
        if not self.provider and (flag := next((flag for flag, given in needing.items() if given), None)):
            raise InputError(f"{flag} needs --provider; name who is asked, such as --provider gb --zone GB")

        check_column(self.column, self.file)

    def run(self) -> int:
        """Print the zones, or the facts of one trace."""
        from jcenas.carbon import describe, read_trace
        from jcenas.carbon.typical_year import typical_year
        from jcenas.engine.grid import DEFAULT_ZONE

        if self.zones:
            print_table(("zone", "mean g/kWh", "range of the day", "years"), describe.zone_rows())
            return 0
        if self.provider:
            trace = self._recorded()
        elif self.file:
            trace = read_trace(self.file, column=self.column or None, zone=self.zone or None)
        else:
            trace = typical_year(self.zone or DEFAULT_ZONE)
        print_table(("", ""), describe.rows(trace))
        return 0

    def _recorded(self):
        """What a provider gives, written into a file where one is named."""
        from jcenas.carbon.providers.record import record, write_csv
        from jcenas.engine.grid import parse_start

        begin = parse_start(self.start) if self.start else None
        trace = record(self.provider, self.zone, days=self.days, start=begin, warn=warn).trace
        if self.out is not None:
            write_csv(trace, self.out)
            print(self.out)
        return trace
