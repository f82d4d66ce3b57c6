"""Carbon traces from generation mixes in CSV files, by emission factors.

Columns: a time column as in `jcenas.carbon.csv_file`, and one for each source, in MW or MWh: `coal`, `gas_MW`,
`solar_MWh` and so on. An empty cell is a source that was not reported. Other columns are refused rather than left out.
"""

import os
import re
from collections.abc import Mapping

import numpy as np

from jcenas.carbon.checks import Problems
from jcenas.carbon.csv_columns import find_times
from jcenas.carbon.csv_table import CsvTable, listed
from jcenas.carbon.mix import intensity_of_mix
from jcenas.carbon.text_file import quoted
from jcenas.carbon.times import parse_times
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
    table = CsvTable(path)
    times = find_times(table)
    sources, energy = _sources(table, times.columns)
    problems = Problems(table.name)
    texts, cells, lines = [], [], []
    for line, row in table.rows():
        if len(row) != len(table.header):
            what = f"{len(row)} fields where the header has {len(table.header)}"
            problems.add(line, what, "repair the line")
            continue
        powers = [_power(problems, line, source, row[i]) for i, source in sources.items()]
        if not np.nansum(powers):
            remedy = "leave out the start or the end of the file, or fill it in"
            problems.add(line, "there is no generation at all", remedy)
        texts.append(times.text(row))
        cells.append(powers)
        lines.append(line)
    stamps, notes = parse_times(problems, lines, texts, utc=times.utc)
    known = [(when, line) for when, line in zip(stamps, lines, strict=True) if when is not None]
    step = problems.step([when for when, _ in known], [line for _, line in known])
    problems.raise_if_any()
    power = dict(zip(sources.values(), np.array(cells).T * (3600 / step if energy else 1.0), strict=True))
    return CarbonTrace(
        start=known[0][0],
        intensity_g_per_kwh=intensity_of_mix(power, factors, overrides=overrides),
        step_seconds=step,
        zone=zone or table.file.split(".")[0],
        source=f"generation mix of file {table.file}",
        factors=factors,
        generation_mw=power,
        notes=tuple(notes),
    )


def _sources(table: CsvTable, times: tuple[int, ...]) -> tuple[dict[int, str], bool]:
    """Name of the source by column, and whether the columns are energies in MWh rather than powers in MW."""
    where = f"{table.name}, line {table.line}"
    lower = [name.lower() for name in table.header]
    sources = {i: re.sub(r"[ _]*\(?(mwh?)\)?$", "", name) for i, name in enumerate(lower) if i not in times}
    energy = any(re.search(r"mwh\)?$", name) for name in lower)
    if energy and any(re.search(r"mw\)?$", name) for name in lower):
        raise InputError(f"{where}: some sources are in MW and some in MWh; use one unit")
    if len(set(sources.values())) < len(sources) or not sources:
        raise InputError(f"{where}: the sources {listed(list(sources.values())) or '(none)'} are not one column each")
    return sources, energy


def _power(problems: Problems, line: int, source: str, text: str) -> float:
    """Power or energy of one source; NaN for an empty cell, 0 and a noted problem for a wrong one."""
    if not text.strip():
        return float("nan")
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        problems.add(
            line, f"the generation of {source} is {quoted(text.strip())}", "write a number >= 0, and storage apart"
        )
        return 0.0
    return number
