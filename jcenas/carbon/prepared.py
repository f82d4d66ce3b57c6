"""Read the prepared carbon tables: hourly intensity with generation by source and weather, one file a zone.

The tables are made ahead and checked by their SHA-256, so this reader is quick rather than strict: missing hours at
the ends are cut off; short gaps inside get the mean of the day before and the day after (else a straight line) and are
flagged as estimated. `jcenas.tables.store.locate` gives the path.
"""

import datetime
import os
import pathlib

import numpy as np
import pandas as pd

from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

MAX_GAP_H = 12
_FACTORS = {"direct": ("ci_direct",), "life-cycle": ("ci_lca", "ci_lifecycle", "carbon_intensity_lca")}


def read_prepared(
    path: str | os.PathLike,
    *,
    factors: str = "life-cycle",
    column: str | None = None,
    zone: str = "",
) -> CarbonTrace:
    """Read one series of a prepared table.

    Args:
      path: the table, `.csv` or `.csv.gz`, with a column `datetime_utc`.
      factors: which intensity column to take: 'direct' or 'life-cycle'.
      column: the intensity column by name instead (a zone of the wide table).
      zone: name of the zone; default: `column`, or the name of the file.

    Returns:
      An hourly trace with `generation_mw` (columns `*_MW` and `*_MWh`), `weather` (columns `wx_*`) and `estimated`.

    Raises:
      InputError: if the file cannot be read, lacks the column, is not hourly, or misses more than 12 hours in a row.
    """
    path, named = pathlib.Path(path), column
    frame = _hourly_table(path)
    column = _intensity_column(frame, path, factors, column)
    frame = _without_ends(frame, path, column)
    series = frame[column]
    series = series.fillna((series.shift(24) + series.shift(-24)) / 2)
    values = series.interpolate().to_numpy(float)
    flags = frame["estimated"].to_numpy(bool) if "estimated" in frame else np.zeros(len(frame), bool)
    return CarbonTrace(
        start=datetime.datetime.fromisoformat(str(frame.index[0])).replace(tzinfo=datetime.UTC),
        intensity_g_per_kwh=values,
        zone=zone or (named or path.name.split(".")[0]),
        source=f"file {path.name}",
        factors=factors,
        estimated=flags | frame[column].isna().to_numpy(),
        generation_mw={
            name.rsplit("_", 1)[0]: frame[name].to_numpy(float)
            for name in frame.columns
            if name.endswith(("_MW", "_MWh"))  # MWh in an hour are MW on average
        },
        weather={name[3:]: frame[name].to_numpy(float) for name in frame.columns if name.startswith("wx_")},
    )


def _hourly_table(path: pathlib.Path) -> pd.DataFrame:
    """All columns of the table, by time."""
    try:
        frame = pd.read_csv(path, index_col="datetime_utc", parse_dates=["datetime_utc"])
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a prepared table ({error})") from error
    if not (np.diff(frame.index.to_numpy()) == np.timedelta64(1, "h")).all():
        raise InputError(f"{path}: the rows are not hourly without gaps; get the file again")
    return frame


def _intensity_column(frame: pd.DataFrame, path: pathlib.Path, factors: str, column: str | None) -> str:
    """Name of the intensity column: the given one, else the first with these emission factors."""
    fitting = [name for name in frame.columns if name.startswith(_FACTORS.get(factors, ()))]
    if column is not None:
        fitting = [name for name in frame.columns if name == column]
    if not fitting:
        wanted = f"no column with {factors} intensities" if column is None else f"no column {column!r}"
        raise InputError(f"{path}: {wanted}; the columns are {', '.join(frame.columns)}")
    return fitting[0]


def _without_ends(frame: pd.DataFrame, path: pathlib.Path, column: str) -> pd.DataFrame:
    """The rows from the first to the last known intensity; gaps of more than 12 hours inside are refused."""
    known = np.flatnonzero(frame[column].notna())
    if known.size == 0:
        raise InputError(f"{path}: the column {column} is empty")
    longest = int(np.diff(known).max(initial=1)) - 1
    if longest > MAX_GAP_H:
        raise InputError(f"{path}: {longest} hours in a row are missing in {column}; choose another period")
    return frame.iloc[known[0] : known[-1] + 1]
