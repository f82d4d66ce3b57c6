"""A league of optimisers: ours beside Optuna, pymoo, botorch and SMAC3, at equal numbers of evaluations.

Command:  OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 JCENAS_DATA=FOLDER python -m experiments.moo.league [--smoke]
          [--install] [--problems NAME ...] [--optimizers NAME ...] [--batches N ...] [--seeds N] [--evaluations N]
Expected: one of ours first, or within the interval of the first, on every problem, asking within 50 ms
Cost:     hours: a search of 300 evaluations takes seconds to minutes, and there are many

What is counted is different evaluations: what an optimiser proposes again costs it nothing, it is told the known values
at once (ours never do that). Reported is the natural logarithm of the hypervolume still missing, and the seconds of an
ask for one batch, compilation apart. One is *within the interval of the first* whose median lies in the 95 % bootstrap
interval of the least median, or below. `--install` installs the other packages into a folder of their own
(`experiments.moo.peers`); those that cannot be imported are named and left out.

Every search is a line in `--lines`, and is not run again by a later call with the same code of that optimiser, or the
same version of its package. `--report` makes the record of the lines that there are.
"""

import argparse
import json
import pathlib
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from experiments.lib.recording import record, versions
from experiments.moo import league_table, peers
from experiments.moo.league_players import PLAYERS, Contestant
from experiments.moo.league_problems import PROBLEMS, Problem, load

COMMAND = "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 JCENAS_DATA=FOLDER python -m experiments.moo.league"
SIZES = (50, 100, 300, 600)
FIRST = ("nb201", "ecnas5v", "macro", "zdt1")
_PATIENCE = 100  # asks in a row without anything new, after which an optimiser has ended


def search(problem: Problem, contestant: Contestant, *, batch: int, evaluations: int, seed: int) -> dict[str, Any]:
    """One search: what it misses at each size, the seconds of its asks, and how often it proposed what it knew."""
    player = contestant.make(problem, batch=batch, evaluations=evaluations, seed=seed)
    found: dict[bytes, np.ndarray] = {}
    seconds, asked, idle = [], 0, 0
    while len(found) < evaluations and idle < _PATIENCE:
        start = time.perf_counter()
        proposals = player.ask()
        seconds.append(time.perf_counter() - start)
        genomes = np.ascontiguousarray(problem.nearest(proposals), np.int32)
        values = problem.evaluate(genomes) if len(genomes) else np.zeros((0, len(problem.reference)))
        before = len(found)
        found |= {genome.tobytes(): value for genome, value in zip(genomes, values, strict=True)}
        player.tell(values)
        asked += len(genomes)
        idle = 0 if len(found) > before else idle + 1
    values = np.array(list(found.values()))
    steady = np.array(seconds[min(3, len(seconds) - 1) :])  # the first calls compile
    return {
        "missing": {str(size): problem.missing(values[:size]) for size in SIZES if size <= evaluations},
        "ask_s": [float(q) for q in np.quantile(steady, [0.25, 0.5, 0.75])],
        "last_ask_s": float(np.median(steady[-20:])),
        "repeats": asked - len(found),
    }


def lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """The searches of a file; a last line that was cut is passed over."""
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a search that one and no other; how many evaluations it had apart."""
    return tuple(line[name] for name in ("problem", "optimizer", "batch", "seed", "version"))


def available(names: Iterable[str], installing: bool) -> dict[str, Contestant]:
    """The contestants that can take part; of the others it is said why not."""
    taking_part = {}
    for name in names:
        contestant = PLAYERS[name]
        try:
            if installing:
                peers.install(*contestant.installed)
            if peers.has(contestant.package):
                taking_part[name] = contestant
            else:
                print(f"{name} is left out: {contestant.package} is not installed (--install)", file=sys.stderr)
        except Exception as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return taking_part


def play(options: argparse.Namespace, contestants: Mapping[str, Contestant], path: pathlib.Path) -> None:
    """Run what the file does not have, seed by seed, so that a file of an interrupted league is even."""
    done = {key(line): line["evaluations"] for line in lines(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.read_bytes().endswith(b"\n"):  # it was killed while it wrote
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    for seed in range(options.seeds):
        for problem in options.problems:
            for name, contestant in contestants.items():
                for batch in options.batches:
                    line = {"problem": problem, "optimizer": name, "batch": batch, "seed": seed}
                    line["version"] = contestant.version()
                    if done.get(key(line), 0) >= options.evaluations:
                        continue
                    start = time.perf_counter()
                    room = {"batch": batch, "evaluations": options.evaluations, "seed": seed}
                    try:
                        line |= {"evaluations": options.evaluations} | search(load(problem), contestant, **room)
                    except Exception as error:  # of another package: the league goes on
                        if contestant.package == "jcenas":
                            raise
                        print(f"{problem} {name} {batch} {seed} failed: {error!r}", file=sys.stderr, flush=True)
                        continue
                    line["wall_s"] = time.perf_counter() - start
                    with path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    said = " ".join(f"{value:7.3f}" for value in line["missing"].values())
                    print(f"{problem:8s} {name:14s} {batch:3d} {seed:3d} {said} {line['wall_s']:6.1f} s", flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a small problem, two seeds, nothing recorded")
    parser.add_argument("--install", action="store_true", help="install the other packages into a folder of their own")
    parser.add_argument("--report", action="store_true", help="run nothing: make the record of the lines there are")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(FIRST))
    parser.add_argument("--optimizers", nargs="+", choices=PLAYERS, default=list(PLAYERS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 20])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--evaluations", type=int, default=SIZES[-1])
    parser.add_argument("--lines", type=pathlib.Path, default=pathlib.Path("runs") / "league.jsonl")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.problems, options.seeds, options.evaluations, options.batches = ["tiny"], 2, 50, [20]
        options.optimizers = ["random", "nsga2", "optuna-tpe", "optuna-nsga2", "pymoo-nsga2"]
    contestants = available(options.optimizers, options.install)
    if not options.report:
        warnings.simplefilter("ignore")  # of the other packages, of their own experimental parts
        play(options, contestants, options.lines)
    now = {name: contestant.version() for name, contestant in contestants.items()}
    current = [line for line in lines(options.lines) if now.get(line["optimizer"]) == line["version"]]
    rows = league_table.rows(current, options.problems, options.batches)
    verdict = league_table.verdict(rows, [name for name in now if PLAYERS[name].package == "jcenas"])
    print(verdict)
    if not options.smoke:
        peer = versions(sorted({c.package for c in contestants.values() if c.package != "jcenas"}))
        record(
            "league",
            title="A league of optimisers: log hypervolume difference",
            command=COMMAND,
            columns=league_table.COLUMNS,
            rows=rows,
            notes=[
                verdict,
                "Natural logarithm of the hypervolume still missing, in the units of the objectives: lower is better. "
                "Median, and quartiles in brackets, over the seeds; * is first, or within the interval of the first.",
                "Different evaluations are counted; what is proposed again costs nothing.",
                "ask: median over the searches of the median of a search's asks, on a machine that did other work too.",
                "Other packages: " + ", ".join(f"{name} {version}" for name, version in peer.items()) + ".",
                *(f"{name}: {load(name).title}." for name in dict.fromkeys(row[0] for row in rows)),
            ],
            expected="one of ours first, or within the interval of the first, on every problem, asking within 50 ms",
        )
    return rows


if __name__ == "__main__":
    main()
