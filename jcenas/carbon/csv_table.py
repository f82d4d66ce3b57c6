"""A CSV file as header and rows: the separator is found, lines are counted, and nothing is kept but what is needed."""

import csv
import io
import itertools
import os
import pathlib
from collections.abc import Iterator

from jcenas.carbon.text_file import read_text, shown, shown_path
from jcenas.errors import InputError

MAX_ROWS = 1_000_000
SEPARATORS = (",", ";", "\t", "|")


class CsvTable:
    """A table with a header line.

    Attributes:
      name: the path as messages show it.
      file: the last part of the path.
      header: names of the columns, stripped.
      line: line of the header.
      first: cells of the first row; empty where there is none.
      separator: what stands between two cells.
    """

    def __init__(self, path: str | os.PathLike, text: str | None = None):
        """Take the table in `text`, or in the file at `path`; see `read_text` for what is refused.

        Raises:
          InputError: if it cannot be read or is no CSV.
        """
        self.name = shown_path(path)
        self.file = shown(pathlib.Path(path).name, 120)
        self._text = read_text(path) if text is None else text
        self.separator = self._find_separator()
        lines = self._lines()
        self.line, header = next(lines, (1, []))
        self.header = [name.strip() for name in header]
        self.first = next(lines, (0, []))[1]

    def _lines(self, separator: str | None = None, text: str | None = None) -> Iterator[tuple[int, list[str]]]:
        """Lines with something in them, split, with their numbers; lines that begin with # are comments."""
        source = io.StringIO(self._text if text is None else text, newline="")
        reader = csv.reader(source, delimiter=separator or self.separator)
        try:
            for row in reader:
                if any(cell.strip() for cell in row) and not row[0].startswith("#"):
                    yield reader.line_num, row
        except csv.Error as error:
            raise InputError(f"{self.name}, line {reader.line_num}: is no CSV text ({shown(error)})") from None

    def _find_separator(self) -> str:
        """The separator that splits header and first row into equally many cells, more than one; the first of most."""
        head = "".join(itertools.islice(io.StringIO(self._text, newline=""), 50))[: 1 << 20]

        def score(separator: str) -> tuple[bool, int]:
            widths = [len(row) for _, row in itertools.islice(self._lines(separator, head), 2)]
            return len(widths) == 2 and widths[0] == widths[1] > 1, widths[0] if widths else 0

        return max(SEPARATORS, key=score)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows after the header, with their lines.

        Raises:
          InputError: if there are more than a million.
        """
        for count, (line, row) in enumerate(itertools.islice(self._lines(), 1, None)):
            if count >= MAX_ROWS:
                remedy = "cut out the period that is needed"
                raise InputError(f"{self.name}, line {line}: more than {MAX_ROWS} rows; {remedy}")
            yield line, row
        if not self.first:
            raise InputError(f"{self.name}: no rows after the header; a trace needs at least two")


def listed(names: list[str], most: int = 12) -> str:
    """The first `most` names on one line, with commas between them."""
    names = [shown(" ".join(name.split())) for name in names]
    more = f", ... ({len(names)} columns)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
