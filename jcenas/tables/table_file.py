"""A CSV or Parquet file as a frame: every cell of a CSV file as text, so that `0312` stays what it is."""

import difflib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jcenas.errors import InputError, without_breaks
from jcenas.tables.names import PARQUET

_SEPARATORS = ",;\t"
_MISSING = ["", "?", "-", "--", "...", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "none"]


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table; columns keep their names, without the blanks around them.

    Raises:
      InputError: the file is missing, empty, damaged, or of another kind.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        frame = _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    except InputError:
        raise
    except Exception as error:  # whatever the readers raise on a damaged file
        said = without_breaks(error) or type(error).__name__
        raise InputError(f"{path} cannot be read as a table ({said}); save it again") from error
    frame.columns = [" ".join(str(name).split()) for name in frame.columns]
    if frame.empty:
        raise InputError(f"{path} has no rows below its header")
    if (twice := frame.columns[frame.columns.duplicated()]).size:
        raise InputError(f"{path} has two columns {twice[0]!r}; rename one")
    return frame


def numbers(column: Any) -> np.ndarray:
    """A column of a frame as float64 (n,); NaN where a cell is missing, infinite or no number."""
    if column.dtype.kind not in "iufb":
        column = column.astype(str).str.strip()
    values = np.array(pd.to_numeric(column, errors="coerce"), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def check_columns(path: str | Path, wanted: Iterable[str], there: Iterable[str]) -> None:
    """Refuse names that a table does not have.

    Raises:
      InputError: names the column, the nearest one, and those that there are.
    """
    known = list(there)
    for name in wanted:
        if name not in known:
            lower = {other.lower(): other for other in known}
            near = difflib.get_close_matches(name.lower(), lower, n=1)
            hint = f"did you mean {lower[near[0]]!r}? " if near else ""
            raise InputError(f"{path} has no column {name!r}; {hint}its columns are {', '.join(known)}")


def _csv(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", errors="strict") as file:
        header = file.readline()
    if "\0" in header:
        raise InputError(f"{path} is no CSV file; give a text file with a header, or a .parquet file")
    separator = max(_SEPARATORS, key=header.count)
    if not header.strip():
        raise InputError(f"{path} is empty, or begins with an empty line; its first line must name the columns")
    options = {"dtype": str, "keep_default_na": False, "na_values": _MISSING, "skipinitialspace": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig", index_col=False, **options)
    if separator == ";":  # where the comma is the decimal sign
        decimal = r"^\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*$"
        for name in frame.columns:
            found = frame[name].str.match(decimal).fillna(False).astype(bool)
            frame.loc[found, name] = frame.loc[found, name].str.replace(",", ".")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise InputError(f"{path}: reading Parquet files needs `pip install 'jcenas[parquet]'`") from error
