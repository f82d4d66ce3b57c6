"""Carbon traces from CSV files: two plain columns, the public services' exports, one zone of many.

The steps must be equal and divide an hour; what is wrong is reported with its line, and nothing is repaired. What had
to be assumed or converted stands in the trace's notes.
"""

import os
import re
from typing import NamedTuple

import numpy as np

from jcenas.carbon import csv_columns
from jcenas.carbon.checks import Problems
from jcenas.carbon.csv_table import CsvTable, listed
from jcenas.carbon.text_file import quoted, shown
from jcenas.carbon.times import parse_times
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


class Layout(NamedTuple):
    """Columns of a table that a trace is made of, and the unit of its intensities."""

    times: csv_columns.Times
    value: int  # column of the intensities
    flag: int | None  # column that flags estimated values
    zone: int | None  # column with the zone of each row
    wide: bool  # whether the value's column is named after its zone
    scale: float  # from the column's unit to gCO2eq/kWh


class Cells(NamedTuple):
    """The needed cells of all rows of one zone."""

    lines: list[int]
    times: list[str]
    values: list[float]  # gCO2eq/kWh
    flags: list[bool]


def read_csv(
    path: str | os.PathLike,
    *,
    zone: str = "",
    factors: str = "life-cycle",
    kind: str = "average",
    column: str | None = None,
) -> CarbonTrace:
    """Read a trace from a CSV file with a header line.

    Args:
      path: the file; gzip is decompressed.
      zone: the zone to take from a file of several; else a name for the trace. Default: the file's zone column, else
        the file's name.
      factors: which emission factors the column has; picks between Electricity Maps' two intensity columns.
      kind: 'average' or 'marginal', recorded with the trace; a column named marginal is.
      column: name of the intensity column, where the file has several that fit.

    Returns:
      The trace, in the steps of the file; `notes` say what was assumed or converted.

    Raises:
      InputError: if the file cannot be read or anything in it is wrong; names the first line, the number of
        problems and the remedy.
    """
    return read_table(CsvTable(path), zone=zone, factors=factors, kind=kind, column=column)[0]


def read_table(
    table: CsvTable, *, zone: str, factors: str = "life-cycle", kind: str = "average", column: str | None = None
) -> tuple[CarbonTrace, bool]:
    """The trace of a table, and whether the table itself names its zones; arguments and errors as of `read_csv`."""
    layout, notes = _layout(table, factors, column, zone or None)
    problems = Problems(table.name)
    cells, zones = _read_cells(table, layout, problems, zone)
    times, more = parse_times(problems, cells.lines, cells.times, utc=layout.times.utc)
    known = [(when, line) for when, line in zip(times, cells.lines, strict=True) if when is not None]
    step = problems.step([when for when, _ in known], [line for _, line in known])
    problems.raise_if_any()
    name = table.header[layout.value]
    written = [name] if layout.wide else zones
    trace = CarbonTrace(
        start=known[0][0],
        intensity_g_per_kwh=np.array(cells.values),
        step_seconds=step,
        zone=_label(table, zone, written),
        source=f"file {table.file}",
        kind="marginal" if re.search("marginal|moer", name.lower()) else kind,
        factors=csv_columns.factors_of(name, factors),
        estimated=np.array(cells.flags) if layout.flag is not None else None,
        notes=(*notes, *more),
    )
    return trace, bool(written)


def _layout(table: CsvTable, factors: str, column: str | None, zone: str | None) -> tuple[Layout, list[str]]:
    """Where the table keeps what is needed, and notes on it."""
    times = csv_columns.find_times(table)
    value = csv_columns.find_intensity(table, times, factors, column)
    wide = value is None
    if value is None:
        value = csv_columns.find_zone_column(table, times, zone)
    scale, note = csv_columns.scale_of(table, value)
    flag, place = csv_columns.find_flag(table), csv_columns.find_zone(table)
    return Layout(times, value, flag, None if wide else place, wide, scale), [note] if note else []


def _read_cells(table: CsvTable, layout: Layout, problems: Problems, zone: str) -> tuple[Cells, list[str]]:
    """The cells of the rows of `zone` (of all rows where the table names no zone), and the zones that it names."""
    cells, zones = Cells([], [], [], []), {}
    for line, row in table.rows():
        if len(row) != len(table.header):
            what = f"{len(row)} fields where the header has {len(table.header)}"
            problems.add(line, what, "repair the line")
            continue
        if layout.zone is not None:
            here = row[layout.zone].strip()
            zones.setdefault(here)
            if zone and here.lower() != zone.lower():
                continue
        text = row[layout.value]
        if table.separator != "," and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        cells.lines.append(line)
        cells.times.append(layout.times.text(row))
        cells.values.append(problems.intensity(line, text, layout.scale))
        cells.flags.append(layout.flag is not None and row[layout.flag].strip().lower() in {"1", "true", "yes"})
    if len(zones) > 1 and not zone:
        raise InputError(f"{table.name}: rows of several zones ({listed(list(zones))}); choose one with --zone")
    if zones and not cells.lines:
        raise InputError(f"{table.name}: no row of the zone {quoted(zone)}; the file has {listed(list(zones))}")
    return cells, list(zones)


def _label(table: CsvTable, zone: str, written: list[str]) -> str:
    """Name of the trace's zone: as the file writes it, else as it was asked for, else the file's name."""
    found = next((one for one in written if one and (not zone or one.lower() == zone.lower())), "")
    return shown(found or zone or table.file.split(".")[0])
