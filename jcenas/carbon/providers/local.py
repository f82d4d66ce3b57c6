"""Providers that need no network: a file, and the typical year that the package ships."""

import dataclasses
import datetime
import os

import numpy as np

from jcenas.carbon.providers.base import cover, full_hours, hours_from
from jcenas.carbon.text_file import shown_path
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.trace_file import read_trace
from jcenas.carbon.typical_year import typical_year


@dataclasses.dataclass(frozen=True)
class File:
    """A trace in a CSV or JSON file. Its forecast is the trace itself: perfect, so say so where it is used."""

    path: str | os.PathLike
    name: str = dataclasses.field(default="file", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """The part [start, end) of the file; a file that names zones must name this one."""
        start, end = full_hours(start, end)
        return cover(read_trace(self.path, zone=zone, name_zone=True), start, end, shown_path(self.path))

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """The part of the file that covers `hours` hours from `start` on."""
        return self.history(zone, *hours_from(start, hours))


@dataclasses.dataclass(frozen=True)
class TypicalYear:
    """Intensities of a zone's mean year; needs no network, and knows nothing of today."""

    name: str = dataclasses.field(default="typical-year", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Typical intensities of the hours [start, end), all marked as estimated."""
        start, end = full_hours(start, end)
        trace = typical_year(zone, start=start, hours=(end - start) // datetime.timedelta(hours=1))
        return dataclasses.replace(trace, estimated=np.ones(len(trace), bool))

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Typical intensities of the coming hours."""
        return self.history(zone, *hours_from(start, hours))
