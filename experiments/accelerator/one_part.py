"""The process of one part: `python -m experiments.accelerator.one_part MODULE FILE --end SECONDS [--smoke]`.

Started by the runner; FILE gets the rows, SECONDS is when the runner will end it, on the clock of `time.monotonic`.
"""

import argparse
import importlib
import pathlib

from experiments.accelerator.table import Table

SMOKE_PATIENCE = 10.0  # a smoke run asks whether everything runs, on a machine that may be busy


def main() -> None:
    """Measure the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--end", type=float, default=float("inf"))
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    part = importlib.import_module(options.module)
    table = Table(options.file, end=options.end, patience=SMOKE_PATIENCE if options.smoke else 1.0)
    table.describe(part.COLUMNS, expected=part.EXPECTED, notes=part.NOTES)
    part.measure(table, smoke=options.smoke)


if __name__ == "__main__":
    main()
