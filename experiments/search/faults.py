"""Kill campaign: live searches on digits killed at random moments and resumed; nothing may be lost or repeated.

Command:  python -m experiments.search.faults [--kills 45] [--executor ray] [--seed 0] [--runs FOLDER] [--smoke]
Expected: every count below "lost" is 0; exit status 1 where one is not.
Cost:     about 15 s a kill on 2 CPU cores; `--smoke` (two kills) about a minute. Nothing is recorded: it is a check.
          `--executor ray` needs the extra `ray`, and a minute more to start the nodes.

A search runs as users start it, and is killed (SIGKILL) at a random moment of its work or of its start; the run
database is then compared with what it held at the kill before. Of each kill: evaluations that are gone, evaluations
whose numbers changed, proposals evaluated twice, emissions that shrank, and whether intervals and hours tell the same
sums. With `--executor ray` it runs over two nodes of this machine, and an actor or a whole node is killed as often as
the search itself, which then has to go on by itself. When a search has finished, its front's test accuracies are
counted, and the next search begins under another name and seed, until all kills are spent.
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

from experiments.search.raylets import Raylets

SEARCH = (
    "--hours 24 --hour-seconds 1 --channels 4 --epochs 2 --batch-size 128 --proposals 16 "
    "--reference-error 1 --optimizer random --policy static:0.7"
)
NODES = 2  # of the Ray cluster
VICTIMS = ("search", "actor", "node")
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


class Search:
    """A search that is started and resumed until it has finished, and what was lost of it."""

    def __init__(self, folder: pathlib.Path, number: int, where: Sequence[str]):
        """Nothing runs yet; `where`: words of the command line that name the devices."""
        self.run, self._folder, self._before, self._process = folder / "runs" / f"run{number}", folder, None, None
        stage = STAGES[number % len(STAGES)]
        self._new = ["--name", self.run.name, "--seed", str(number), "--stage", stage, *SEARCH.split(), *where]

    @property
    def finished(self) -> bool:
        """Whether it has."""
        return self._before is not None and self._before.status == "finished"

    @property
    def evaluations(self) -> int:
        """Recorded ones."""
        return self._before.rows if self._before else 0

    def process(self) -> subprocess.Popen:
        """Of the search, started where none runs."""
        if self._process is None:
            self._process = start(self._folder, ["--resume", str(self.run)] if self.run.exists() else self._new)
        return self._process

    def kill(self) -> None:
        """End the process (SIGKILL)."""
        process = self.process()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._process = None

    def look(self) -> dict[str, int]:
        """What is wrong with the books now, compared with those of the look before; all 0 where nothing is."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        after = read_books(self.run)
        found = losses(self._before, after)
        self._before = after
        return found


def campaign(
    folder: pathlib.Path, kills: int, seed: int, longest_s: float, raylets: Raylets | None = None
) -> collections.Counter:
    """Kill so many times, and finish the last search; what was lost and what happened, by name."""
    draw, counts = random.Random(seed), collections.Counter()
    where = ["--devices", "1"]
    if raylets is not None:
        where = ["--devices", str(NODES), "--executor", "ray", "--address", raylets.address]
    while counts["kills"] < kills:
        search = Search(folder, counts["searches"], where)
        counts["searches"] += 1
        while not search.finished:
            process, last = search.process(), counts["kills"] >= kills
            if last:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE_S)
            else:
                wait(process, search.run, draw, longest_s)
            ended = process.poll()
            if ended not in (None, 0) or (ended is None and last):
                counts["lost: searches that do not go on"] += 1
                return counts
            if ended is None:
                victim = "search" if raylets is None else draw.choice(VICTIMS)
                if victim == "search":
                    search.kill()
                if raylets is None or victim == "search" or raylets.kill(victim, draw):
                    counts["kills"] += 1
                    counts[f"kills of {victim}"] += 1
            for name, count in search.look().items():
                counts[f"lost: {name}"] += count
        counts["evaluations"] += search.evaluations
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print its counts, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=45, help="kills in all")
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help="who does the work")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--runs", type=pathlib.Path, help="folder to keep the runs in; a temporary one if not given")
    parser.add_argument("--smoke", action="store_true", help="two kills, soon after each other")
    given: Any = parser.parse_args(arguments)
    kills, longest_s = (2, 8.0) if given.smoke else (given.kills, LONGEST_S)
    with contextlib.ExitStack() as stack:
        folder = given.runs or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        raylets = None
        if given.executor == "ray":
            raylets = stack.enter_context(contextlib.closing(Raylets(NODES)))
        counts = campaign(folder, kills, given.seed, longest_s, raylets)
        for name, count in counts.items():
            print(f"{count:6}  {name}")
        lost = sum(count for name, count in counts.items() if name.startswith("lost"))
        if lost:
            print((folder / "said.txt").read_text()[-2000:], file=sys.stderr)
    print("missed: something was lost" if lost else "met: nothing was lost, changed or repeated")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
