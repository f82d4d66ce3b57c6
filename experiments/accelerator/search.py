"""The default `jcenas search` for about a minute, as a user starts it, with nothing compiled before.

It is a process of its own that gets Ctrl-C when the time is up, and its run folder is read: how many networks it has
trained, how fast, and what its device time went into.
"""

import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any

from experiments.accelerator.table import Table
from experiments.search.default import SMOKE, launch
from jcenas.report.run import read_run
from jcenas.report.summary import headline

COLUMNS = (
    "seconds",
    "first training chunk done after, s",
    "networks trained",
    "failed",
    "networks a second",
    "best validation accuracy, %",
    "device-seconds compiling",
    "device-seconds training",
    "device-seconds scoring",
    "other device-seconds",
)
EXPECTED = "first training chunk within 10 s; more networks than two CPU cores train (24 in a whole run of 80 s)"
NOTES = (
    "Default search on digits, an empty compilation cache. It gets Ctrl-C when its time is up and finishes its step.",
    "Networks a second: from the first chunk of training steps to the end. Device-seconds as the run charges them.",
)
ROW_S = 200.0
PATIENCE_S = 15.0  # after Ctrl-C; what the run folder holds by then counts
LAST_S = PATIENCE_S + 8  # kept for stopping and reading


def measure(table: Table, *, smoke: bool) -> None:
    """The one row."""
    seconds = 240.0 if smoke else max(min(60.0, table.seconds_left() - LAST_S), 15.0)
    flags = SMOKE if smoke else []
    table.row("default search" if not smoke else "smallest search", lambda: searched(flags, seconds), limit_s=ROW_S)


def searched(flags: list[str], seconds: float) -> dict[str, Any]:
    """Search for so long, and read the run.

    Raises:
      RuntimeError: the search failed.
    """
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as name:
        folder, began = pathlib.Path(name), time.perf_counter()
        with launch(["--no-report", *flags], folder, pathlib.Path(cache)) as process:
            ends = {seconds: signal.SIGINT, seconds + PATIENCE_S: signal.SIGKILL}
            timers = [threading.Timer(after, process.send_signal, [number]) for after, number in ends.items()]
            for timer in timers:
                timer.start()
            first = _first_training(process, began)
            for timer in timers:
                timer.cancel()
            code, wall = process.wait(), time.perf_counter() - began
        runs = [*(folder / "runs").iterdir()] if (folder / "runs").exists() else []
        if code not in (0, 130, -signal.SIGKILL) or first is None or not runs:
            raise RuntimeError(f"the search ended with code {code}, first training: {first}")
        facts = headline(read_run(runs[0]))
    spent = {charge.kind: charge.seconds for charge in facts.charges}
    parts = [spent.get(kind, 0.0) for kind in ("compiling", "candidate", "scoring")]
    best = facts.best_validation_accuracy
    return {
        "seconds": wall,
        "first training chunk done after, s": first,
        "networks trained": facts.done,
        "failed": facts.failed,
        "networks a second": facts.done / max(wall - first, 1e-9),
        "best validation accuracy, %": None if best is None else 100 * best,
        **dict(zip(COLUMNS[6:9], parts, strict=True)),
        COLUMNS[9]: sum(spent.values()) - sum(parts),
    }


def _first_training(process: subprocess.Popen, began: float) -> float | None:
    """Seconds until the first chunk of training steps; waits for the end of the output."""
    assert process.stdout is not None
    first = None
    for line in process.stdout:
        if first is None and json.loads(line)["event"] == "progress":
            first = time.perf_counter() - began
    return first
