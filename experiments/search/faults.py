"""Kill campaign: live searches on digits killed at random moments and resumed; nothing may be lost or repeated.

Command:  python -m experiments.search.faults [--kills 45] [--seed 0] [--runs FOLDER] [--smoke]
Expected: every count below "lost" is 0; exit status 1 where one is not.
Cost:     about 15 s a kill on 2 CPU cores; `--smoke` (two kills) about a minute. Nothing is recorded: it is a check.

A search runs as users start it, and is killed (SIGKILL) at a random moment of its work or of its start; the run
database is then compared with what it held at the kill before. Of each kill: evaluations that are gone, evaluations
whose numbers changed, proposals evaluated twice, emissions that shrank, and whether intervals and hours tell the same
sums. When a search has finished, its front's test accuracies are counted, and the next search begins under another
name and seed, until all kills are spent.
"""

import argparse
import collections
import contextlib
import json
import math
import operator
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

SEARCH = (
    "--hours 24 --hour-seconds 1 --channels 4 --epochs 2 --batch-size 128 --proposals 16 --devices 1 "
    "--reference-error 1 --optimizer random --policy static:0.7"
)
STAGES = ("zero-shot:synflow", "one-shot", "none")
LONGEST_S = 20.0  # to the next kill, from the begin of the process or of its work
IN_THE_MIDDLE = 0.75  # of the kills
PATIENCE_S = 900.0  # for what ends by itself
RELATIVE = 1e-9  # of two sums of one account


class Books(NamedTuple):
    """What a run database holds."""

    status: str
    evaluations: dict[int, tuple]  # proposal -> everything recorded
    rows: int  # of evaluations; more than proposals where one was evaluated twice
    emissions_g: float  # by interval
    hours_g: float  # by hour
    untested: int  # cells of evaluations that a finished run did not test, though nothing dominates them


def read_books(folder: pathlib.Path) -> Books | None:
    """The books of a run folder; None where the search was killed before it made one."""
    file = folder / "run.db"
    if not file.exists():
        return None
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:

        def ask(query: str) -> list[tuple]:
            return database.execute(query).fetchall()

        rows = ask(
            "SELECT proposal, ordinal, hour, status, validation_error, costs, seconds, emissions_g FROM evaluations"
        )
        points = {(row[4], *json.loads(row[5]).values()) for row in rows if row[3] == "done"}
        front = {p for p in points if not any(q != p and all(map(operator.le, q, p)) for q in points)}
        status = ask("SELECT value FROM meta WHERE key = 'status'")
        return Books(
            status=status[0][0].strip('"') if status else "",
            evaluations={row[0]: row for row in rows},
            rows=len(rows),
            emissions_g=math.fsum(row[0] for row in ask("SELECT emissions_g FROM intervals")),
            hours_g=math.fsum(row[0] for row in ask("SELECT emissions_g FROM hours")),
            untested=max(0, len(front) - ask("SELECT COUNT(*) FROM test")[0][0]),
        )


def losses(before: Books | None, after: Books | None) -> dict[str, int]:
    """What is wrong with the books after a kill, or at the end, compared with those before; all 0 where nothing is."""
    if after is None:
        return {"run folders gone": int(before is not None)}
    known = before.evaluations if before else {}
    there = {proposal for proposal in known if proposal in after.evaluations}
    finished = after.status == "finished"
    return {
        "evaluations gone": len(known) - len(there),
        "evaluations changed": sum(known[proposal] != after.evaluations[proposal] for proposal in there),
        "evaluations repeated": after.rows - len(after.evaluations),
        "emissions shrunk": int(before is not None and after.emissions_g < before.emissions_g * (1 - RELATIVE)),
        "accounts that differ": int(
            finished and not math.isclose(after.hours_g, after.emissions_g, rel_tol=RELATIVE, abs_tol=1e-12)
        ),
        "cells not tested": after.untested if finished else 0,
    }


def start(folder: pathlib.Path, words: Sequence[str]) -> subprocess.Popen:
    """`jcenas search` in a folder, which keeps what it says."""
    command = [sys.executable, "-m", "jcenas.cli", "search", "--quiet", "--no-report", *words]
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=os.environ | {"GLIBC_TUNABLES": ""})


def wait(process: subprocess.Popen, run: pathlib.Path, draw: random.Random, longest_s: float) -> None:
    """Wait for the moment of a kill: mostly in the middle of the work, else perhaps before it begins."""
    before, end = charges(run), time.monotonic() + PATIENCE_S
    if draw.random() < IN_THE_MIDDLE:
        while charges(run) == before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(draw.uniform(0.2, longest_s))


def charges(folder: pathlib.Path) -> int:
    """Rows of what was charged in a run folder, which grow when the work begins; 0 where there is none."""
    if not (folder / "run.db").exists():
        return 0
    with contextlib.closing(sqlite3.connect(folder / "run.db", timeout=30)) as database:
        return database.execute("SELECT COUNT(*) FROM intervals").fetchone()[0]


def campaign(folder: pathlib.Path, kills: int, seed: int, longest_s: float) -> collections.Counter:
    """Kill so many times, and finish the last search; what was lost and what happened, by name."""
    draw, counts = random.Random(seed), collections.Counter()
    while counts["kills"] < kills:
        number = counts["searches"]
        counts["searches"] += 1
        run, before = folder / "runs" / f"run{number}", None
        new = ["--name", run.name, "--seed", str(number), "--stage", STAGES[number % len(STAGES)], *SEARCH.split()]
        while before is None or before.status != "finished":
            process = start(folder, ["--resume", str(run)] if run.exists() else new)
            last = counts["kills"] >= kills
            if last:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE_S)
            else:
                wait(process, run, draw, longest_s)
            ended = process.poll()
            if ended is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                counts["kills"] += 1
            if ended not in (None, 0) or (ended is None and last):
                counts["lost: searches that do not go on"] += 1
                return counts
            after = read_books(run)
            for name, count in losses(before, after).items():
                counts[f"lost: {name}"] += count
            before = after
        counts["evaluations"] += before.rows
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print its counts, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=45, help="kills in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--runs", type=pathlib.Path, help="folder to keep the runs in; a temporary one if not given")
    parser.add_argument("--smoke", action="store_true", help="two kills, soon after each other")
    given: Any = parser.parse_args(arguments)
    kills, longest_s = (2, 8.0) if given.smoke else (given.kills, LONGEST_S)
    with contextlib.ExitStack() as stack:
        folder = given.runs or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        counts = campaign(folder, kills, given.seed, longest_s)
        for name, count in counts.items():
            print(f"{count:6}  {name}")
        lost = sum(count for name, count in counts.items() if name.startswith("lost"))
        if lost:
            print((folder / "said.txt").read_text()[-2000:], file=sys.stderr)
    print("missed: something was lost" if lost else "met: nothing was lost, changed or repeated")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
