"""Reader of carbon traces from files: CSV in its common forms, and the JSON answers of the carbon services.

The one reader behind every command that takes a trace.
"""

import dataclasses
import os

from jcenas.carbon import csv_file, json_file
from jcenas.carbon.csv_table import CsvTable
from jcenas.carbon.plausibility import warnings
from jcenas.carbon.text_file import quoted, read_text, shown_path
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError


def read_trace(
    path: str | os.PathLike, *, column: str | None = None, zone: str | None = None, name_zone: bool = False
) -> CarbonTrace:
    """Read a carbon trace from a CSV file or from a saved answer of a carbon service in JSON.

    CSV: a header line; `,`, `;`, tabulator or `|` between cells, decimal commas with the latter three; a time column
    in ISO 8601, in seconds since 1970 or as dates such as 31.01.2024 or 1/31/24, or date and time in two columns; an
    intensity column in gCO2eq/kWh, or in kg or lb per kWh or MWh where its name says so; or a column or rows for each
    zone. JSON: Electricity Maps, WattTime, and the carbon intensity API of Great Britain. Both may be gzip.

    Args:
      path: the file; the content decides between CSV and JSON.
      column: name of the intensity column, where a CSV file has several that fit.
      zone: which zone to take from a file that names several; a file of one zone must name this one.
      name_zone: take `zone` as the name of the trace where the file names no zone, instead of refusing it.

    Returns:
      The trace in the steps of the file, gCO2eq/kWh, float64. `notes` say what was assumed (a time zone), converted (a
      unit), estimated, or looks wrong (stuck readings, jumps, zeros, an unlikely level): show them to the user.

    Raises:
      InputError: if the file cannot be read, or what it holds is wrong or has several meanings; one line with the
        place and the remedy.
    """
    text = read_text(path)
    if text.lstrip()[:1] in {"{", "["}:
        if column is not None:
            raise InputError(f"{shown_path(path)}: is JSON, which has no column {quoted(column)}; leave out --column")
        trace, named = json_file.read_document(text, path, zone=zone or "")
    else:
        trace, named = csv_file.read_table(CsvTable(path, text), zone=zone or "", column=column)
    if zone and not named and not name_zone:
        raise InputError(f"{shown_path(path)}: names no zone, so {quoted(zone)} cannot be chosen; leave out --zone")
    return dataclasses.replace(trace, notes=(*trace.notes, *warnings(trace)))
