"""Make records of the JSON of a run, wherever it was measured: `experiments/results/accelerator_PART.json`."""

import json
import pathlib
import re
import sys
from typing import Any

from experiments.accelerator.parts import PARTS
from experiments.accelerator.table import LABEL, read
from experiments.lib import recording
from experiments.lib.write_benchmarks import EXPECTED

PREFIX = "accelerator_"


def import_folder(folder: pathlib.Path, *, target: pathlib.Path | None = None) -> list[pathlib.Path]:
    """Record every part of a run that has rows, with the environment of the machine that measured them.

    Args:
      folder: what `--out` named.
      target: where the records go; default: experiments/results, and BENCHMARKS.md is rendered anew.

    Raises:
      ValueError: there is no run in the folder, or it was a smoke run.
    """
    summary = read(folder / "summary.json")
    if summary is None:
        raise ValueError(f"{folder.name} has no summary.json: name the folder of a run")
    if summary["smoke"]:
        raise ValueError(f"{folder.name} is of a smoke run, whose sizes mean nothing")
    written = []
    for name, entry in summary["parts"].items():
        content = read(folder / f"{name}.json")
        if name in PARTS and content and content["rows"]:
            written.append(_record(name, content, entry, target))
            sys.stdout.write(f"{name}: {len(content['rows'])} rows\n")
        else:
            sys.stdout.write(f"{name}: nothing to record; {entry['state']} {entry['reason']}\n")
    return written


def _record(name: str, content: dict[str, Any], entry: dict[str, Any], target: pathlib.Path | None) -> pathlib.Path:
    columns = content["columns"]
    rows = [[row.get(column) for column in columns] for row in content["rows"]]
    rows += [[missing[LABEL], *[None] * (len(columns) - 1)] for missing in content["missing"]]
    notes = [*content["notes"], *(f"Not measured: {m[LABEL]}: {m['reason']}." for m in content["missing"])]
    if entry["state"] == "cut":
        notes.append(f"The part was cut after {entry['seconds']:.0f} s; rows that it had not begun are not here.")
    plain = json.loads(without_folders(json.dumps({"rows": rows, "notes": notes}, ensure_ascii=False)))
    return recording.record(
        f"{PREFIX}{name}",
        title=EXPECTED[f"{PREFIX}{name}"],
        command=f"python -m experiments.accelerator --parts {name}",
        columns=columns,
        expected=content["expected"],
        measured_in=content["environment"] or recording.environment(["not recorded"]),
        folder=target,
        **plain,
    )


def without_folders(text: str) -> str:
    """The text with every absolute path cut to its last part: folders of another machine tell a reader nothing."""
    return re.sub(r"(?<![\w/.:])(?:/[\w.+@-]+)+/([\w.+@-]+)", r"\1", text)
