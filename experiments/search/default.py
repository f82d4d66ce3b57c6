"""The default `jcenas search`, cold and warm, and how soon it starts.

Command:  python -m experiments.search.default [--smoke]
Expected: on 2 CPU cores, cold: at most 180 s and 3 GB, at least 24 networks trained, the best with at least 90 %
          validation accuracy; warm faster than cold; `jcenas --help` within 0.3 s; a second start trains within 5 s.
Cost:     about eight minutes on 2 CPU cores, which must be quiet; `--smoke` under a minute, and records nothing.

Every search is a process of its own in an empty folder. Cold means an empty cache folder, so that everything is
compiled; warm is the same command with the cache that the cold run left. A run that fails is an error, not a row.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.lib import recording
from jcenas.report.run import Run, read_run
from jcenas.report.summary import Headline, headline

JCENAS = [sys.executable, "-m", "jcenas.cli"]
SMOKE = ["--epochs", "1", "--supernet-epochs", "1", "--evaluations", "1", "--channels", "4"]
COLUMNS = [
    "start",
    "wall, s",
    "peak memory, GB",
    "first training chunk done after, s",
    "networks trained",
    "failed",
    "best validation accuracy, %",
    "its test accuracy, %",
    "gCO2eq",
]


class Finished(NamedTuple):
    """One search as seen from outside."""

    wall_s: float
    peak_gb: float  # resident
    first_training_s: float  # until the report of the first chunk of training steps
    run: Run
    facts: Headline


def launch(arguments: Sequence[str], folder: pathlib.Path, cache: pathlib.Path) -> subprocess.Popen:
    """Start `jcenas search --json` in `folder` with its caches in `cache`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "JCENAS_"))}
    paths = [str(pathlib.Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    if data := os.environ.get("JCENAS_DATA"):
        environment["JCENAS_DATA"] = os.path.abspath(data)  # the process runs in another folder
    command = [*JCENAS, "search", "--json", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def until_training(process: subprocess.Popen, began: float) -> float:
    """Seconds from `began` until the search reports its first chunk of training steps.

    Raises:
      RuntimeError: It ended before.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            return time.perf_counter() - began
    raise RuntimeError(f"the search ended with code {process.wait()} before it trained")


def search(arguments: Sequence[str], cache: pathlib.Path) -> Finished:
    """Run one search to its end in a folder of its own.

    Raises:
      RuntimeError: It failed, or left no finished run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        began = time.perf_counter()
        with launch(arguments, folder, cache) as process:
            first = until_training(process, began)
            assert process.stdout is not None
            for _ in process.stdout:
                pass
            # wait4 and not wait: it gives the peak memory of this child alone.
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"the search ended with code {process.returncode}")
        (path,) = (folder / "runs").iterdir()
        run = read_run(path)
    facts = headline(run)
    if facts.status != "finished":
        raise RuntimeError(f"the run is {facts.status}, not finished")
    return Finished(wall, usage.ru_maxrss * 1024 / 1e9, first, run, facts)


def start_only(arguments: Sequence[str], cache: pathlib.Path) -> float:
    """Seconds until a search trains; it is stopped then."""
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        with launch(arguments, pathlib.Path(name), cache) as process:
            try:
                return until_training(process, began)
            finally:
                process.send_signal(signal.SIGKILL)


def help_seconds(repeats: int) -> list[float]:
    """Wall time of `jcenas --help`, after one call that warms the disk cache."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        subprocess.run([*JCENAS, "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def quartiles(seconds: Sequence[float]) -> list[float]:
    """Median, first and third quartile."""
    return [float(np.quantile(seconds, q)) for q in (0.5, 0.25, 0.75)]


def row(start: str, run: Finished) -> list[Any]:
    """One row of the table of searches."""
    facts = run.facts
    accuracies = [None if a is None else 100 * a for a in (facts.best_validation_accuracy, facts.test_accuracy_of_best)]
    figures = [run.wall_s, run.peak_gb, run.first_training_s, facts.done, facts.failed]
    return [start, *figures, *accuracies, facts.emissions_g]


def main(arguments: Sequence[str] | None = None) -> tuple[list[list[Any]], list[list[Any]]]:
    """Measure, record unless `--smoke`, and return the rows of both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a search of one candidate; records nothing")
    smoke = parser.parse_args(arguments).smoke
    flags, repeats = (SMOKE, 1) if smoke else ([], 5)
    with tempfile.TemporaryDirectory() as name:
        cache = pathlib.Path(name)
        cold = search(flags, cache)
        warm = search(flags, cache)
        starts = [start_only(flags, cache) for _ in range(repeats)]
    helps = help_seconds(repeats)
    searches = [row("cold", cold), row("warm", warm)]
    start_up = [
        ["`jcenas --help`", *quartiles(helps), len(helps)],
        ["`jcenas search`, second start, first training chunk done", *quartiles(starts), len(starts)],
    ]
    if not smoke:
        _record(searches, start_up)
    for line in (*searches, *start_up):
        sys.stdout.write("  ".join(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in line) + "\n")
    return searches, start_up


def _record(searches: list[list[Any]], start_up: list[list[Any]]) -> None:
    command = "python -m experiments.search.default"
    recording.record(
        "search_default",
        title="Default `jcenas search`",
        command=command,
        columns=COLUMNS,
        rows=searches,
        notes=[
            "Cold: empty compilation cache. Warm: the same command with the cache that the cold run left.",
            "Wall time from the start of the process to its end, report included; peak resident memory of the process.",
            "gCO2eq is modelled: power by device state × time × PUE × intensity of the trace.",
        ],
        expected="cold at most 180 s and 3 GB, at least 24 networks, best at least 90 %; warm faster (2 CPU cores).",
    )
    recording.record(
        "start_up",
        title="Start-up time",
        command=command,
        columns=["what", "median, s", "q1, s", "q3, s", "repeats"],
        rows=start_up,
        notes=["From the start of the process; the second start includes the first chunk of training steps."],
        expected="`--help` within 0.3 s; a second start trains within 5 s.",
    )


if __name__ == "__main__":
    main()
