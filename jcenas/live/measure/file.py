"""The file of a measured table: CSV that grows row by row, and beside it a JSON record of how it is made.

FILE.csv has a whole line a row, written at once; a kill cuts the last one at most, which is then cut off. FILE.json
holds the settings, what each column is, versions and devices; it is written once, and its lock, which the system lets
go however a process ends, keeps a second process away.
"""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from jcenas.errors import InputError, without_breaks
from jcenas.runtime.lock import lock_file
from jcenas.runtime.paths import is_writable, nearest_above, replacing

_MADE_BY = "jcenas measure"
_AGAIN = "restore it, or choose another --out"
Key = tuple[str, str]  # what a row is of: genome and seed


class MeasuredFile:
    """A table's file, open and locked; made by `opened`."""

    def __init__(self, path: Path, columns: Sequence[str], rows: list[dict[str, str]], file: IO[bytes]):
        """Bind; see `opened`."""
        self.path, self.columns, self.rows, self._file = path, tuple(columns), rows, file

    def append(self, rows: Sequence[dict[str, str]]) -> None:
        """Write rows behind the last, for good: neither a kill nor a fault of the power loses them."""
        self._file.write(_lines(self.columns, rows))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows.extend(rows)

    def sort(self, place: Callable[[dict[str, str]], Any]) -> None:
        """Put the rows in order, in a new file that takes the place of the old one whole; the last that is done."""
        ordered = sorted(self.rows, key=place)
        if ordered == self.rows:
            return
        self._file.close()
        with replacing(self.path) as part:
            part.write_bytes(_lines(self.columns, ordered, header=True))
        self.rows = ordered


def check_place(path: Path) -> None:
    """Refuse a path where the table cannot be written.

    Raises:
        InputError: names it.
    """
    for file in (path, record_path(path)):
        if file.exists() and not file.is_file():
            raise InputError(f"--out {path}: {file} is no file that can be written; choose another name")
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise InputError(f"--out {path}: {file} cannot be written; unlock it, or choose another name")
    above = nearest_above(path.absolute())
    if not is_writable(above):
        raise InputError(f"--out {path}: nothing can be written in {above}; choose another folder")


def record_path(path: Path) -> Path:
    """FILE.json of FILE.csv."""
    return path.with_suffix(".json")


def rows_there(path: Path, record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows that a table has already; none where it is not begun. Nothing is written.

    Raises:
        InputError: the file is another's, damaged, or was begun with other settings.
    """
    text = record_path(path).read_text(encoding="utf-8", errors="replace") if record_path(path).exists() else ""
    _check_record(path, text, record)
    return _read(path, list(record["columns"]))[0]


@contextlib.contextmanager
def opened(path: Path, record: Mapping[str, Any]) -> Iterator[MeasuredFile]:
    """Begin a table, or go on with one; the line that a kill cut is dropped.

    Args:
        path: of the table.
        record: of how it is made: `settings`, `columns`, and more that is not compared.

    Raises:
        InputError: the file is another's, damaged, begun with other settings, or another process writes it; or the disk
            refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with record_path(path).open("a+", encoding="utf-8") as lock:
            try:
                lock_file(lock)
            except BlockingIOError as error:
                raise InputError(f"{path}: another jcenas process writes it; wait for it or stop it first") from error
            lock.seek(0)
            text = lock.read()
            _check_record(path, text, record)
            if not text:
                lock.write(json.dumps({"made_by": _MADE_BY, **record}, indent=2) + "\n")
                lock.flush()
            columns = list(record["columns"])
            rows, size = _read(path, columns)
            with path.open("ab") as file:
                file.truncate(size)
                if not size:
                    file.write(_lines(columns, [], header=True))
                    file.flush()
                yield MeasuredFile(path, columns, rows, file)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: {error.strerror or error}; free the disk, then give the same command again"
        ) from error


def _check_record(path: Path, text: str, wanted: Mapping[str, Any]) -> None:
    """Compare the text of FILE.json with what a table is to be made with."""
    file = record_path(path)
    if not text:
        if path.exists():
            raise InputError(f"--out {path} exists, and no {file} says how it was made; choose another --out")
        return
    try:
        found = json.loads(text)
        maker, settings = found["made_by"], dict(found["settings"])
        columns, images = list(found["columns"]), dict(found["images"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = without_breaks(error) or type(error).__name__
        raise InputError(f"{file} is no record of {_MADE_BY}, or damaged ({reason}); {_AGAIN}") from error
    if maker != _MADE_BY:
        raise InputError(f"{file} is no record of {_MADE_BY}; choose another --out")
    for flag, value in wanted["settings"].items():
        if settings.get(flag) != value:
            raise InputError(
                f"{_shown(flag, value)}: {path} was begun with {_shown(flag, settings.get(flag))}; give that, or "
                "choose another --out"
            )
    if images.get("sha256") != wanted["images"].get("sha256"):
        raise InputError(f"--images: {path} was begun with other images; put those back, or choose another --out")
    if columns != list(wanted["columns"]):
        raise InputError(f"{path} was made by another version of {_MADE_BY}; go on with that, or choose another --out")


def _shown(flag: str, value: Any) -> str:
    """A flag as it is given, or that it is not."""
    if value is None or value == []:
        return f"no {flag}"
    return f"{flag} {' '.join(map(str, value)) if isinstance(value, list) else value}"


def _read(path: Path, columns: list[str]) -> tuple[list[dict[str, str]], int]:
    """The whole rows of a table, and the bytes that they take with the header; a cut line behind them is left out."""
    if not path.exists():
        return [], 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(whole.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({without_breaks(error)}); {_AGAIN}") from error
    if not lines:
        return [], 0
    if lines[0] != columns:
        raise InputError(f"{path} has other columns than {record_path(path)} says; {_AGAIN}")
    if odd := next((number for number, line in enumerate(lines, 1) if len(line) != len(columns)), None):
        raise InputError(f"{path}, line {odd}: no row of this table; take the line out, and its cell is trained again")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]], len(whole)


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, header: bool = False) -> bytes:
    """Rows as lines of CSV, UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
