"""What a part has measured so far: one JSON file, written anew before and after every row.

The file is all that the runner and the part share. It says which row is being measured, since when and for how long
at most, so that the runner can end a compilation that nothing inside the process could interrupt; and a part that was
ended so goes on, started again, behind the rows that the file has.
"""

import json
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from experiments.lib import recording

LABEL = "what"  # the column that names a row
MACHINE = "machine"  # the part whose file describes the machine to all others
REASON_LENGTH = 300


class Table:
    """The rows of one part, and the file that holds them."""

    def __init__(self, path: pathlib.Path, *, end: float = float("inf"), patience: float = 1.0):
        """Go on with a file that exists, or begin one.

        Args:
          path: the file; its name without suffix is that of the part.
          end: when the part will be ended, on the clock of `time.monotonic`, which processes share.
          patience: times the rows' limits.
        """
        self.path, self.end, self.patience = path, end, patience
        begun: dict[str, Any] = {"part": path.stem, "environment": None, "columns": [], "expected": "", "notes": []}
        begun |= {"rows": [], "missing": [], "running": None}
        self.content = read(path) or begun

    def describe(self, columns: Sequence[str], *, expected: str = "", notes: Sequence[str] = ()) -> None:
        """State what the columns are, and what the result should be before anything is measured."""
        machine = read(self.path.with_name(f"{MACHINE}.json"))
        described = {"columns": [LABEL, *columns], "expected": expected, "notes": list(notes)}
        self.content |= described | {"environment": machine["environment"] if machine else None}
        self.write()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The measured ones, by column."""
        return self.content["rows"]

    def seconds_left(self) -> float:
        """Until the part will be ended."""
        return self.end - time.monotonic()

    def find(self, what: str) -> dict[str, Any] | None:
        """The row of this name, None if it was not measured."""
        return next((row for row in self.rows if row[LABEL] == what), None)

    def seen(self, what: str) -> bool:
        """Whether the row was measured or given up."""
        return self.find(what) is not None or any(entry[LABEL] == what for entry in self.content["missing"])

    def row(self, what: str, measure: Callable[[], dict[str, Any]], *, limit_s: float) -> dict[str, Any] | None:
        """Measure a row unless the file has it; a failure is noted and stops no other row.

        Args:
          what: its name.
          measure: gives the cells by column.
          limit_s: seconds after which the runner ends the process and starts it again behind this row.

        Returns:
          The row, None if it is missing.
        """
        if self.seen(what):
            return self.find(what)
        self.begin(what, limit_s)
        try:
            self.add(what, measure())
        except Exception as error:
            traceback.print_exc()
            self.miss(what, reason_of(error))
        return self.find(what)

    def begin(self, what: str, limit_s: float) -> None:
        """Tell the runner what is measured now."""
        self.content["running"] = {LABEL: what, "since": time.monotonic(), "limit_s": self.patience * limit_s}
        self.write()

    def add(self, what: str, cells: dict[str, Any]) -> None:
        """Keep a measured row.

        Raises:
          ValueError: a cell of no column, or one that is no number or text.
        """
        if unknown := set(cells) - set(self.content["columns"]):
            raise ValueError(f"{what}: no columns {sorted(unknown)}")
        row = {LABEL: what} | {name: recording.plain(cell) for name, cell in cells.items()}
        self.content["rows"].append(row)
        self.content["running"] = None
        self.write()
        sys.stdout.write("  ".join([what, *(f"{name} {_short(cell)}" for name, cell in cells.items())]) + "\n")
        sys.stdout.flush()

    def miss(self, what: str, reason: str) -> None:
        """Keep the name of a row that was not measured, and why."""
        self.content["missing"].append({LABEL: what, "reason": reason[:REASON_LENGTH]})
        self.content["running"] = None
        self.write()

    def write(self) -> None:
        """Write the file; a reader sees the old or the new one."""
        text = json.dumps(self.content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        recording.write_atomically(self.path, text)


def read(path: pathlib.Path) -> dict[str, Any] | None:
    """What a part's file holds, None while there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def reason_of(error: Exception) -> str:
    """What went wrong, in a line; of another process its last line."""
    said = getattr(error, "stderr", None)
    lines = said.strip().splitlines() if isinstance(said, str) else []
    if lines:
        sys.stderr.write(said or "")
        return f"{type(error).__name__}: {lines[-1]}"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _short(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
