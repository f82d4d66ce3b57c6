"""All accelerator records from one command, on a bare machine with one GPU.

Command:  python -m experiments.accelerator [--parts PART ...] [--minutes 9] [--out FOLDER] [--smoke]
          python -m experiments.accelerator --import FOLDER
Expected: every part says its own; a part that failed, was cut or had no time is named in FOLDER/summary.json.
Cost:     at most the minutes given, and nothing that is not there: data, PyTorch and moocore are used where they are.
          `--smoke` under two minutes on 2 CPU cores.

FOLDER/PART.json is written anew after every row, so what was measured outlives whatever ends the run. With few parts,
each has the time that the others would have had. `--import` makes records of a run, on this or on another machine.
"""

import argparse
import pathlib
import signal
import sys
from collections.abc import Sequence
from typing import Any

from experiments.accelerator.parts import PARTS
from experiments.accelerator.runner import run
from experiments.accelerator.table import MACHINE


def main(arguments: Sequence[str] | None = None) -> dict[str, Any] | None:
    """Run the parts and return the summary, or import a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole run")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("accelerator"), help="folder of the JSON")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, for a CPU")
    parser.add_argument("--import", dest="folder", type=pathlib.Path, help="make records of a run's folder")
    options = parser.parse_args(arguments)
    if options.folder:
        from experiments.accelerator.importing import import_folder

        import_folder(options.folder)
        return None
    chosen = {name: part for name, part in PARTS.items() if name in options.parts or name == MACHINE}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = f" --parts {' '.join(options.parts)}" if options.parts != list(PARTS) else ""
    command = f"python -m experiments.accelerator{given} --minutes {options.minutes:g}"
    return run(chosen, options.out, minutes=options.minutes, smoke=options.smoke, command=command)


if __name__ == "__main__":
    main()
