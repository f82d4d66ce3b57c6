"""Run parts one after the other within a number of minutes, each in a process and within a limit of its own.

A part is a module with `COLUMNS`, `EXPECTED`, `NOTES` and `measure(table, smoke)`. Its process is ended, with all that
it started, when its time is up or a row takes longer than it may; in the second case it begins again behind that row.
What was measured until then is in the part's file. Nothing here imports JAX: the device belongs to the part.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from experiments.accelerator.table import LABEL, Table, read
from experiments.lib import recording

ROOT = pathlib.Path(__file__).parents[2]
RESERVE_S = 3.0  # of the whole time, to end the last part and to write the summary
START_S = 12.0  # no part begins, or begins again, with less
POLL_S = 0.1
TAIL_LINES, TAIL_CHARACTERS = 15, 2000
# Peers in processes of their own need some of the device's memory.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.6", "OPENBLAS_NUM_THREADS": "1"}
# A smoke run compiles much and computes little.
SMOKE = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}


class Part(NamedTuple):
    """One table, and how it is come by."""

    module: str
    seconds: float  # that it gets, where there is time for all parts; more where others leave some
    files: tuple[str, ...] = ()  # of the data folder


class Outcome(NamedTuple):
    """How a part ended: "done", "cut", "failed" or "left out", and what is to be said of it."""

    state: str
    reason: str = ""
    tail: str = ""


def run(
    parts: Mapping[str, Part], folder: pathlib.Path, *, minutes: float, smoke: bool = False, command: str = ""
) -> dict[str, Any]:
    """Run the parts in their order and return the summary, which is also `folder`/summary.json after every part."""
    began, folder = time.monotonic(), folder.resolve()
    end, names = began + 60 * minutes - RESERVE_S, list(parts)
    summary: dict[str, Any] = {"command": command, "minutes": minutes, "smoke": smoke, "parts": {}}
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.json").unlink(missing_ok=True)
        (folder / f"{name}.log").unlink(missing_ok=True)
    for number, name in enumerate(names):
        start, left = time.monotonic(), end - time.monotonic()
        later = sum(parts[other].seconds for other in names[number + 1 :])
        if absent := [file for file in parts[name].files if not _present(file)]:
            outcome = Outcome("left out", f"JCENAS_DATA has no {', '.join(absent)}")
        elif left < START_S:
            outcome = Outcome("left out", f"{max(left, 0):.0f} s were left of {minutes:g} minutes")
        else:
            limit = min(left, max(parts[name].seconds, left - later))
            outcome = _run_part(parts[name], folder / f"{name}.json", start + limit, smoke)
        content = read(folder / f"{name}.json") or {"rows": [], "missing": []}
        summary["parts"][name] = {**outcome._asdict(), "seconds": round(time.monotonic() - start, 1)}
        summary["parts"][name] |= {"rows": len(content["rows"]), "missing": content["missing"]}
        summary["seconds"] = round(time.monotonic() - began, 1)
        recording.write_atomically(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        sys.stdout.write("\n".join(lines_of(name, summary["parts"][name])) + "\n")
        sys.stdout.flush()
    return summary


def lines_of(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """What the summary says of a part, for people."""
    reason = f": {entry['reason']}" if entry["reason"] else ""
    yield f"{name}: {entry['state']}{reason}; {entry['rows']} rows, {entry['seconds']:.0f} s"
    for missing in entry["missing"]:
        yield f"  not measured: {missing[LABEL]}: {missing['reason']}"
    for line in entry["tail"].splitlines():
        yield f"  | {line}"


def _present(file: str) -> bool:
    folder = os.environ.get("JCENAS_DATA")
    return bool(folder) and (pathlib.Path(folder) / file).is_file()


def _run_part(part: Part, path: pathlib.Path, end: float, smoke: bool) -> Outcome:
    """Run a part, again behind every row that had to be given up, until it is through or `end`."""
    log, limit = path.with_suffix(".log"), end - time.monotonic()
    while True:
        with _process(part, path, log, end, smoke) as process:
            ended = _wait(process, path, end)
        table, code = Table(path), process.returncode
        running = table.content["running"]
        if ended == "part":
            if running:
                table.miss(running[LABEL], "the part's time was up")
            return Outcome("cut", f"longer than {limit:.0f} s", _tail(log))
        if ended == "row":
            table.miss(running[LABEL], f"longer than {running['limit_s']:.0f} s")
        elif code == 0:
            return Outcome("done")
        elif running is None:
            return Outcome("failed", f"code {code}", _tail(log))
        else:
            table.miss(running[LABEL], f"the process ended with code {code}")
        if end - time.monotonic() < START_S:
            return Outcome("cut", "no time to go on", _tail(log))


@contextlib.contextmanager
def _process(
    part: Part, path: pathlib.Path, log: pathlib.Path, end: float, smoke: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """The part's process, which is killed at the end with all that it started."""
    command = [sys.executable, "-m", "experiments.accelerator.one_part", part.module, str(path), "--end", str(end)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = ENVIRONMENT | (SMOKE if smoke else {}) | os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *(["--smoke"] if smoke else [])],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], path: pathlib.Path, end: float) -> str:
    """Wait for a process: "itself" if it ended, "part" or "row" if the time of the part or of its row is up."""
    while process.poll() is None:
        now = time.monotonic()
        if now >= end:
            return "part"
        running = (read(path) or {}).get("running")
        if running and now >= running["since"] + running["limit_s"]:
            return "row"
        time.sleep(POLL_S)
    return "itself"


def _tail(log: pathlib.Path) -> str:
    """The end of what a part printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])[-TAIL_CHARACTERS:]
