"""Every network problem searched with nothing said but its name, cold.

Command:  python -m experiments.search.problems [--problems NAME ...] [--smoke]
Expected: on digits and two CPU cores, each within 300 s, with at least 16 networks trained and none failed.
Cost:     about fifteen minutes on 2 CPU cores, which must be quiet; `--smoke` a minute a problem, and records nothing.

Every search is a process of its own in an empty folder with an empty cache folder, so that everything is compiled, as
on the first day. A run that fails is an error, not a row. With `--problems` rows of the others stay as recorded.
"""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from experiments.lib import recording
from experiments.search import default
from jcenas import registry

NAME = "search_problems"
MOST_S, LEAST_TRAINED = 300.0, 16
COLUMNS = ["problem", *default.COLUMNS[1:]]


def cold(problem: str, flags: Sequence[str]) -> list[Any]:
    """One row: a search of a problem that finds nothing compiled."""
    with tempfile.TemporaryDirectory() as cache:
        return default.row(problem, default.search(["--problem", problem, *flags], pathlib.Path(cache)))


def verdict(rows: Sequence[Sequence[Any]]) -> str:
    """Met, or by how much it was missed."""
    late = [f"{row[0]} by {row[1] - MOST_S:.0f} s" for row in rows if row[1] > MOST_S]
    few = [f"{row[0]} trained {row[4]}" for row in rows if row[4] < LEAST_TRAINED]
    failed = [f"{row[0]} failed {row[5]}" for row in rows if row[5]]
    missed = [*late, *few, *failed]
    return f"each within {MOST_S:.0f} s with {LEAST_TRAINED} trained, none failed: " + (
        "missed: " + ", ".join(missed) if missed else "met"
    )


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Search, record unless `--smoke`, and return the rows."""
    names = registry.names("problem")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--smoke", action="store_true", help="one candidate each; records nothing")
    args = parser.parse_args(arguments)
    rows = []
    for problem in args.problems:
        rows.append(cold(problem, default.SMOKE if args.smoke else []))
        sys.stdout.write("  ".join(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in rows[-1]) + "\n")
        sys.stdout.flush()
    if not args.smoke:
        _record(rows)
    return rows


def _record(rows: list[list[Any]]) -> None:
    kept, older = [], []
    recorded = recording.load().get(NAME, {"rows": []})
    for number, row in enumerate(recorded["rows"]):
        if row[0] not in {new[0] for new in rows}:
            kept.append(row)
            older.append(recording.origin(recorded, number))
    recording.record(
        NAME,
        title="Every network problem, cold",
        command="python -m experiments.search.problems",
        columns=COLUMNS,
        rows=[*rows, *kept],
        notes=[
            "`jcenas search --problem NAME` on digits, nothing else said, with an empty compilation cache.",
            "Wall time from the start of the process to its end, report included; peak resident memory of the process.",
            verdict([*rows, *kept]),
        ],
        expected=f"each within {MOST_S:.0f} s, at least {LEAST_TRAINED} networks trained, none failed (2 CPU cores).",
        older=[*[None] * len(rows), *older],
    )


if __name__ == "__main__":
    main()
