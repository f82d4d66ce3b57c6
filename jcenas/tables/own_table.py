"""A user's own tabular benchmark: a CSV or Parquet file with one row for each architecture that was evaluated.

Columns that are needed: those of the genome (integers, numbers or strings: the values of a column are its choices, in
sorted order; or one column that writes the whole genome, such as `0312`, `0 3 1 2` or `conv|pool|skip`), the error,
and the costs. One may be of the seconds that a training takes; without it, and without a column `train_seconds`, every
training takes `SECONDS`. Columns that stages use where they are: `oneshot_error`, `fewshot_error`, a training-free
score under its name (`synflow`, or `log_synflow`), `params` and `flops`, and `noise`, the standard deviation of the
error over seeds.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jcenas.errors import InputError
from jcenas.tables.table import Table
from jcenas.tables.table_file import check_columns, numbers, read_frame

SECONDS = 3600.0  # of a training where no column says it
ERROR, TRAIN_SECONDS, NOISE = "error", "train_seconds", "noise"  # columns that the program knows by name
_APART = re.compile(r"[\s,;|+\[\](){}'\"]+")
_MORE_IS_BETTER = re.compile(r"(^|[^a-z])(acc|accuracy|auc|f1|score|r2|map|top[_-]?[15]|bleu)([^a-z]|$)")
_SHOWN = 5


def from_csv(
    path: str | Path,
    *,
    genome: Sequence[str],
    error: str,
    costs: Sequence[str],
    seconds: str = "",
    maximise: Sequence[str] = (),
) -> Table:
    """Read a table of one's own from a CSV or Parquet file.

    The column of the error becomes `error`; a cost that is maximised becomes its negative, `-NAME`. Rows that lack a
    number that is needed are left out, and of rows of one architecture the mean counts; `notes` of the table says so.

    Args:
      path: the file.
      genome: columns of the variables; or one column that writes the whole genome.
      error: column of the first objective.
      costs: columns of the other objectives.
      seconds: column of the seconds of a training; `train_seconds` if there is one, else a constant.
      maximise: those of `error` and `costs` of which more is better.

    Raises:
      InputError: what cannot be used, in one line.
    """
    path = Path(path)
    return table_of(
        read_frame(path), genome=genome, error=error, costs=costs, seconds=seconds, maximise=maximise, name=path.name
    )


def table_of(
    frame: pd.DataFrame,
    *,
    genome: Sequence[str],
    error: str,
    costs: Sequence[str],
    seconds: str = "",
    maximise: Sequence[str] = (),
    name: str = "table",
) -> Table:
    """The table of a data frame; see `from_csv`."""
    genome, costs = ([names] if isinstance(names, str) else list(names) for names in (genome, costs))
    if not seconds and TRAIN_SECONDS in frame.columns and TRAIN_SECONDS not in genome:
        seconds = TRAIN_SECONDS
    wanted = [*genome, error, *costs, *([seconds] if seconds else [])]
    check_columns(name, [*wanted, *maximise], [str(column) for column in frame.columns])
    if twice := next((column for column in wanted if wanted.count(column) > 1), None):
        raise InputError(f"{name}: column {twice!r} is named for two purposes; give each its own")
    if odd := sorted(set(maximise) - {error, *costs}):
        raise InputError(f"{name}: {odd[0]!r} is neither the error nor a cost, so that it cannot be maximised")
    notes: dict[str, str] = {}
    values = {column: _required(frame[column], name) for column in wanted[len(genome) :]}
    frame = _whole_rows(frame, genome, values, name, notes)
    values = {column: numbers(frame[column]) for column in values}
    columns = {ERROR: _error(values[error], error, error in maximise, name, notes)}
    for cost in costs:
        columns["-" + cost if cost in maximise else cost] = -values[cost] if cost in maximise else values[cost]
    _note_rounding(columns, list(columns), notes)
    columns[TRAIN_SECONDS] = values[seconds] if seconds else np.full(len(frame), SECONDS)
    if not seconds:
        notes[TRAIN_SECONDS] = f"no column of seconds is named, so that every training takes {SECONDS:g} s"
    rest = [str(column) for column in frame.columns if column not in (*wanted, *columns)]
    columns |= _others(frame, rest, notes)
    codes = _codes(frame, genome, name, notes)
    return _table(codes, columns, name, notes)


def _table(codes: np.ndarray, columns: dict[str, np.ndarray], name: str, notes: dict[str, str]) -> Table:
    """The table of genomes (n, d) and columns, with the mean of those of one genome."""
    variables = [f"variable {i}" for i in range(codes.shape[1])]
    means: Any = (
        pd.DataFrame(codes, columns=variables).join(pd.DataFrame(columns)).groupby(variables, as_index=False).mean()
    )
    if len(means) < len(codes):
        notes["copies"] = f"{len(codes)} rows are of {len(means)} architectures; the mean of those of one counts"
    if len(means) < 2:
        raise InputError(f"{name} has one architecture only; a search needs two or more to choose from")
    table = Table.from_frame(means, genome=variables, name=name, notes=notes)
    if NOISE in table.incomplete:
        kept = {column: values for column, values in table.columns.items() if column != NOISE}
        lacking = tuple(column for column in table.incomplete if column != NOISE)
        said = (*table.notes, (NOISE, "lacks values and is not used"))
        table = table.replace(columns=kept, incomplete=lacking, notes=said)
    return table


def _required(column: Any, name: str) -> np.ndarray:
    found = numbers(column)
    if np.isnan(found).all():
        said = next((str(value) for value in column.dropna()), "nothing")
        raise InputError(f"{name}: column {column.name!r} holds no numbers (such as {said!r}); name another")
    if _beyond(found):
        largest = float(np.nanmax(np.abs(found)))
        raise InputError(
            f"{name}: column {column.name!r} holds {largest:.3g}, which is beyond 32 bits; give it in a larger unit"
        )
    return found


def _beyond(values: np.ndarray) -> bool:
    """Whether one of some numbers becomes infinite in a table."""
    return bool(np.any(np.abs(values) > np.finfo(np.float32).max))


def _whole_rows(
    frame: pd.DataFrame, genome: list[str], values: dict[str, np.ndarray], name: str, notes: dict[str, str]
) -> pd.DataFrame:
    """The rows that have a genome and all numbers that are needed."""
    lacks = {column: np.isnan(found) for column, found in values.items()}
    lacks |= {column: frame[column].isna().to_numpy() for column in genome}
    bad = np.any(list(lacks.values()), axis=0)
    if bad.all():
        raise InputError(f"{name}: every row lacks one of {', '.join(lacks)}; there is no architecture to search")
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        column = next(column for column, missing in lacks.items() if missing[row])
        cells = f"missing or unreadable cells (the first: {column!r} in row {row + 1})"
        notes["rows"] = f"{int(bad.sum())} of {len(bad)} rows are left out, for {cells}"
    whole: Any = frame[~bad]
    return whole.reset_index(drop=True)


def _error(values: np.ndarray, column: str, maximise: bool, name: str, notes: dict[str, str]) -> np.ndarray:
    """What is minimised: the column, or how far it is below the best that can be; never negative."""
    low, high = float(values.min()), float(values.max())
    if maximise:
        beyond = high + 0.05 * (high - low or 1.0)
        top = beyond if low < 0 or high > 100 else 1.0 if high <= 1 else 100.0
        notes[ERROR] = f"{top:g} - {column}, since {column} is maximised"
        return top - values
    if low < 0:
        raise InputError(
            f"{name}: column {column!r} falls to {low:g}, and an error is not negative; if more is better, say "
            f"--maximise {column}"
        )
    notes[ERROR] = f"column {column}"
    if _MORE_IS_BETTER.search(column.lower()):
        notes[ERROR] += f", of which less is taken to be better; if more is, say --maximise {column}"
    return values


def _note_rounding(columns: dict[str, np.ndarray], names: Sequence[str], notes: dict[str, str]) -> None:
    """Say which columns hold values of which a table, in 32 bits, cannot tell half apart."""
    for name in names:
        given, kept = (np.unique(values).size for values in (columns[name], columns[name].astype(np.float32)))
        if 2 * kept < given:
            notes[name] = f"its {given} values become {kept} in 32 bits; subtract a constant to keep them apart"


def _others(frame: pd.DataFrame, names: Sequence[str], notes: dict[str, str]) -> dict[str, np.ndarray]:
    """Columns of numbers beside those that are needed; stages use some of them."""
    found = {name: numbers(frame[name]) for name in names}
    texts = [name for name, values in found.items() if np.isnan(values[frame[name].notna().to_numpy()]).any()]
    texts += [
        name for name, values in found.items() if (np.isnan(values).all() or _beyond(values)) and name not in texts
    ]
    if texts:
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        notes["columns"] = f"not of numbers of 32 bits, and left out: {', '.join(texts[:_SHOWN])}{more}"
    return {name: values for name, values in found.items() if name not in texts}


def _codes(frame: pd.DataFrame, genome: list[str], name: str, notes: dict[str, str]) -> np.ndarray:
    """Choices as numbers from 0, int32 (n, d), in the order of the values of each variable."""
    columns = [frame[column] for column in genome]
    if len(columns) == 1 and (spread := _spread(columns[0])) is not None:
        notes["genome"] = f"column {genome[0]} writes {len(spread)} variables"
        columns = spread
    codes = np.stack([_choices(column) for column in columns], axis=1)
    if codes.shape[1] == 1 and codes.max() == len(codes) - 1 and np.isnan(numbers(columns[0])).any():
        raise InputError(
            f"{name}: column {genome[0]!r} names the architectures and says nothing about them; give --genome a column "
            "for each choice, or one that writes them apart, such as '0 3 1 2'"
        )
    return codes


def _spread(column: Any) -> list[pd.Series] | None:
    """The variables of a column that writes whole genomes, as digits or apart; None where it does not."""
    texts = column.astype(str).str.strip()
    if texts.str.fullmatch(r"\d{2,}").all() and texts.str.len().nunique() == 1 and column.dtype.kind not in "iuf":
        words = [list(text) for text in texts]
    else:
        words = [[word for word in _APART.split(text) if word] for text in texts]
    lengths = {len(word) for word in words}
    if len(lengths) != 1 or lengths.pop() < 2:
        return None
    return [pd.Series(variable) for variable in zip(*words, strict=True)]


def _choices(column: Any) -> np.ndarray:
    """Each value's place among the values of the column: by size where all are numbers, else by the alphabet."""
    values = numbers(column)
    if np.isnan(values).any():
        values = column.astype(str).str.strip().to_numpy(str)
    return np.unique(values, return_inverse=True)[1].astype(np.int32)
