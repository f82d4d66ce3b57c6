"""Read a generation mix from a CSV file, strictly, and turn it into a carbon trace by emission factors.

Columns: a time column as in `jcenas.carbon.csv_file`, and one for each source, in MW or MWh: `coal`, `gas_MW`,
`solar_MWh` and so on. An empty cell is a source that was not reported. Other columns are refused rather than left out.
"""

import os
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from jcenas.carbon.checks import Problems
from jcenas.carbon.csv_file import csv_rows, time_column
from jcenas.carbon.mix import intensity_of_mix
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError


def read_mix_csv(
    path: str | os.PathLike,
    *,
    factors: str = "life-cycle",
    zone: str = "",
    overrides: Mapping[str, float] | None = None,
) -> CarbonTrace:
    """Read a mix and compute its average intensity.

    Args:
      path: the file; `.gz` is decompressed.
      factors: 'direct' or 'life-cycle' emission factors.
      zone: name of the zone; default: the file's name.
      overrides: emission factors of some sources instead, gCO2eq/kWh.

    Returns:
      The trace with `generation_mw`, in the steps of the file.

    Raises:
      InputError: if the file cannot be read or anything in it is wrong; names the first line and the remedy.
    """
    path = pathlib.Path(path)
    rows = csv_rows(path)
    header = [name.strip() for name in rows[0][1]]
    time, utc = time_column(path, header)
    sources = {i: re.sub(r"[ _]*\(?(mwh?)\)?$", "", name.lower()) for i, name in enumerate(header) if i != time}
    energy = any(re.search(r"mwh\)?$", name.lower()) for name in header)
    if energy and any(re.search(r"mw\)?$", name.lower()) for name in header):
        raise InputError(f"{path}, line 1: some sources are in MW and some in MWh; use one unit")
    if len(set(sources.values())) < len(sources) or not sources:
        raise InputError(
            f"{path}, line 1: the sources {', '.join(sources.values()) or '(none)'} are not one column each"
        )

    problems = Problems(path)
    stamps, table, lines = [], [], []
    for line, row in rows[1:]:
        if len(row) != len(header):
            problems.add(line, f"{len(row)} fields where the header has {len(header)}", "repair the line")
            continue
        when = problems.stamp(line, row[time], utc=utc)
        cells = [_power(problems, line, sources[i], row[i]) for i in sources]
        if not np.nansum(cells):
            problems.add(
                line, "there is no generation at all", "leave out the start or the end of the file, or fill it in"
            )
        if when is not None:
            stamps.append(when)
            table.append(cells)
            lines.append(line)
    if len(rows) == 1:
        raise InputError(f"{path}: no rows after the header; a trace needs at least two")
    step = problems.step(stamps, lines)
    problems.raise_if_any()
    power = dict(zip(sources.values(), np.array(table).T * (3600 / step if energy else 1.0), strict=True))
    return CarbonTrace(
        start=stamps[0],
        intensity_g_per_kwh=intensity_of_mix(power, factors, overrides=overrides),
        step_seconds=step,
        zone=zone or path.name.split(".")[0],
        source=f"generation mix of file {path.name}",
        factors=factors,
        generation_mw=power,
    )


def _power(problems: Problems, line: int, source: str, text: str) -> float:
    """Power or energy of one source; NaN for an empty cell, 0 and a noted problem for a wrong one."""
    if not text.strip():
        return float("nan")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        problems.add(line, f"the generation of {source} is {text.strip()!r}", "write a number >= 0, and storage apart")
        return 0.0
    return number
