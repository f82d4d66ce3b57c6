"""Providers that need no network: a file, and the typical year that the package ships."""

import dataclasses
import datetime
import os
import pathlib

from jcenas.carbon.csv_file import read_csv
from jcenas.carbon.json_file import read_json
from jcenas.carbon.providers.base import cover, full_hours
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.typical_year import typical_year


@dataclasses.dataclass(frozen=True)
class File:
    """A trace in a CSV or JSON file. Its forecast is the trace itself: perfect, so say so where it is used."""

    path: str | os.PathLike
    name: str = dataclasses.field(default="file", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """The part [start, end) of the file; the zone is the file's."""
        start, end = full_hours(start, end)
        read = read_json if pathlib.Path(self.path).suffix == ".json" else read_csv
        return cover(read(self.path, zone=zone), start, end, str(self.path))

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """What the file says of the coming hours."""
        return self.history(zone, start, start + datetime.timedelta(hours=hours))


@dataclasses.dataclass(frozen=True)
class TypicalYear:
    """The mean year of a zone: always there, never wrong by much, and never right about today."""

    name: str = dataclasses.field(default="typical-year", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Typical intensities of the hours [start, end)."""
        start, end = full_hours(start, end)
        return typical_year(zone, start=start, hours=(end - start) // datetime.timedelta(hours=1))

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Typical intensities of the coming hours."""
        return self.history(zone, start, start + datetime.timedelta(hours=hours))
