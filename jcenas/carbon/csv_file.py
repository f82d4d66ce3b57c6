"""Read a carbon trace from a CSV file: two plain columns, or Electricity Maps' export. Strict, with line numbers.

Time stamps must be UTC: a `Z` or an offset on each, or a column named for it (`datetime_utc`, `Datetime (UTC)`). The
steps must be equal and divide an hour. A file may be compressed (`.gz`). Nothing is repaired in silence.
"""

import csv
import gzip
import os
import pathlib
import re

import numpy as np

from jcenas.carbon.checks import Problems
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

_TIME = re.compile(r"^(date|time|datetime|date_?time|timestamp|time_?stamp|from|start|point_time)?[ _]*\(?(utc)?\)?$")
_INTENSITY = re.compile(r"intensity|^ci($|_)|gco2|co2eq")
_ESTIMATED = ("estimated", "data estimated")
_ZONE = ("zone id", "zone_id", "zone")


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
      path: the file; `.gz` is decompressed.
      zone: name of the zone; by default the file's zone column, else the file's name.
      factors: which emission factors the column has; picks between Electricity Maps' two intensity columns.
      kind: 'average' or 'marginal', recorded with the trace; a column named marginal is.
      column: name of the intensity column, where the file has several that fit.

    Returns:
      The trace, in the steps of the file.

    Raises:
      InputError: if the file cannot be read or anything in it is wrong; names the first line, the number of
        problems and the remedy.
    """
    path = pathlib.Path(path)
    rows = csv_rows(path)
    header = [name.strip() for name in rows[0][1]]
    time, value, utc = _columns(path, header, factors, column)
    lower = [name.lower() for name in header]
    flag = next((lower.index(name) for name in _ESTIMATED if name in lower), None)
    place = next((lower.index(name) for name in _ZONE if name in lower), None)

    problems = Problems(path)
    stamps, values, flags, lines = [], [], [], []
    for line, row in rows[1:]:
        if len(row) != len(header):
            problems.add(line, f"{len(row)} fields where the header has {len(header)}", "repair the line")
            continue
        when = problems.stamp(line, row[time], utc=utc)
        number = problems.intensity(line, row[value])
        if when is not None:
            stamps.append(when)
            values.append(number)
            lines.append(line)
            flags.append(flag is not None and row[flag].strip().lower() in {"1", "true", "yes"})
    if len(rows) == 1:
        raise InputError(f"{path}: no rows after the header; a trace needs at least two")
    step = problems.step(stamps, lines)
    problems.raise_if_any()
    if not zone:
        zone = rows[1][1][place].strip() if place is not None else path.name.split(".")[0]
    return CarbonTrace(
        start=stamps[0],
        intensity_g_per_kwh=np.array(values),
        step_seconds=step,
        zone=zone,
        source=f"file {path.name}",
        kind="marginal" if re.search("marginal|moer", lower[value]) else kind,
        factors=_factors_of(header[value], factors),
        estimated=np.array(flags) if flag is not None else None,
    )


def csv_rows(path: pathlib.Path) -> list[tuple[int, list[str]]]:
    """All lines with something in them, split, with their line numbers."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and the file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV text ({error}); export it as CSV in UTF-8") from error
    if not rows:
        raise InputError(f"{path}: is empty; a trace is a CSV with the columns datetime_utc and intensity_g_per_kwh")
    return rows


def time_column(path: pathlib.Path, header: list[str]) -> tuple[int, bool]:
    """Index of the column with the time stamps, and whether its name says that they are UTC."""
    lower = [name.lower() for name in header]
    times = [i for i, name in enumerate(lower) if name and _TIME.match(name)]
    if not times:
        raise InputError(f"{path}, line 1: no time column among {listed(header)}; name it, for example, datetime_utc")
    time = next((i for i in times if "utc" in lower[i]), times[0])
    return time, "utc" in lower[time]


def _columns(path: pathlib.Path, header: list[str], factors: str, column: str | None) -> tuple[int, int, bool]:
    """Index of the time column and of the intensity column, and whether the former is said to be UTC."""
    lower = [name.lower() for name in header]
    remedy = "name them, for example, datetime_utc,intensity_g_per_kwh"
    time, utc = time_column(path, header)
    if column is not None:
        if column not in header:
            raise InputError(f"{path}, line 1: no column {column!r}; the file has {listed(header)}")
        return time, header.index(column), utc
    found = [i for i, name in enumerate(lower) if i != time and _INTENSITY.search(name)]
    if not found and len(header) == 2:
        found = [1 - time]
    fitting = [i for i in found if _factors_of(header[i], "") == factors] or [
        i for i in found if not _factors_of(header[i], "")
    ]
    found = fitting or found
    if not found:
        raise InputError(f"{path}, line 1: no carbon-intensity column among {listed(header)}; {remedy}")
    if len(found) > 1:
        names = listed([header[i] for i in found])
        raise InputError(f"{path}, line 1: several intensity columns ({names}); leave one in the file or name it")
    return time, found[0], utc


def listed(names: list[str], most: int = 12) -> str:
    """The first `most` names on one line, with commas between them."""
    names = [" ".join(name.split()) for name in names]
    more = f", ... ({len(names)} columns)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _factors_of(name: str, default: str) -> str:
    """The emission factors that a column's name tells."""
    lower = name.lower()
    if any(word in lower for word in ("lca", "life cycle", "life-cycle", "lifecycle")):
        return "life-cycle"
    return "direct" if "direct" in lower else default
