"""LaMOO against uniform random search in the real search on digits, at equal numbers of trained networks.

Command:  python -m experiments.search.lamoo_digits [--smoke]
Expected: the mean hypervolume over 5 seeds is higher with LaMOO than with random search at equal numbers of networks.
Cost:     about eight minutes on 2 CPU cores; `--smoke` about a minute, and records nothing.

Both are the default search but for the optimiser, the seed, the one-shot stage and the budget, which is a number of
trainings and not a time; all run in one process, so that everything is compiled once. A seed fixes the split of the
images, the supernet and the weights of both. Proposals of both pass through the supernet's scores and the queue, so
what differs is where proposals come from, and nothing else.

Two reference points: the run's own (10 % error; 1.1 times the dearest cell), and one where every answer is wrong, from
which the volume hardly changes any more once a cheap cell of fair accuracy is found.
"""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.lib import recording
from jcenas.live import SearchConfig, search
from jcenas.moo import hypervolume
from jcenas.report.run import Run, evaluated, read_run

NAME = "lamoo_digits"
OPTIMIZERS = ("lamoo", "random")
REFERENCE_ERRORS = (0.1, 1.0)
COLUMNS = [
    "reference error",
    "networks trained",
    "LaMOO, mean",
    "LaMOO, standard deviation",
    "random, mean",
    "random, standard deviation",
    "difference, mean",
    "difference, standard error",
    "seeds won",
]
HOURS = 2000  # far more than any run needs, so that the number of trainings ends it


def hypervolumes(run: Run, counts: Sequence[int], reference_error: float) -> list[float]:
    """Share of the box below (reference error, the run's reference cost) dominated after so many finished trainings.

    Raises:
      RuntimeError: The run has fewer.
    """
    done = evaluated(run)
    if len(done) < max(counts):
        raise RuntimeError(f"a run finished {len(done)} trainings, not {max(counts)}")
    _, reference_cost = run.meta["reference"]
    points = done[["validation_error", "cost"]].to_numpy() / [reference_error, reference_cost]
    one = jnp.ones(2, jnp.float32)
    return [float(hypervolume(jnp.asarray(points[:count], jnp.float32), one)) for count in counts]


def compare(reference: float, lamoo: np.ndarray, random: np.ndarray, counts: Sequence[int]) -> list[list[Any]]:
    """Rows of the table from hypervolumes (seeds, counts) of both; differences are paired by seed."""
    gain = np.round(lamoo - random, 6)  # of float32 volumes: less is a draw
    seeds = len(gain)

    def spread(values: np.ndarray) -> np.ndarray:
        return values.std(axis=0, ddof=1) if seeds > 1 else np.zeros(values.shape[1])

    columns = zip(
        counts,
        lamoo.mean(0),
        spread(lamoo),
        random.mean(0),
        spread(random),
        gain.mean(0),
        spread(gain) / np.sqrt(seeds),
        (gain > 0).sum(0),
        strict=True,
    )
    return [[reference, *map(float, row[:-1]), f"{row[-1]} of {seeds}"] for row in columns]


def measure(seeds: int, counts: Sequence[int], **options: Any) -> list[list[Any]]:
    """Run both optimisers for each seed."""
    found: dict[str, list[list[list[float]]]] = {name: [] for name in OPTIMIZERS}  # seeds, references, counts
    with tempfile.TemporaryDirectory() as runs:
        for seed in range(seeds):
            for name in OPTIMIZERS:
                budget: dict[str, Any] = {"evaluations": max(counts), "hours": HOURS, "devices": 1, "stage": "one-shot"}
                own = {
                    "runs": pathlib.Path(runs),
                    "name": f"{name}-{seed}",
                    "optimizer": name,
                    "stage": "one-shot",
                    "seed": seed,
                }
                run = read_run(search(SearchConfig(**(budget | own | options))).folder)
                found[name].append([hypervolumes(run, counts, reference) for reference in REFERENCE_ERRORS])
                sys.stdout.write(f"seed {seed}  {name}  {found[name][-1]}\n")
                sys.stdout.flush()
    lamoo, random = (np.array(found[name]) for name in OPTIMIZERS)
    return [
        row
        for i, reference in enumerate(REFERENCE_ERRORS)
        for row in compare(reference, lamoo[:, i], random[:, i], counts)
    ]


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one seed, two trainings of an epoch; records nothing")
    if parser.parse_args(arguments).smoke:
        return measure(1, (1, 2), epochs=1, supernet_epochs=1, channels=4)
    rows = measure(5, (8, 16, 24, 32))
    recording.record(
        NAME,
        title="LaMOO against random search on digits, 5 seeds",
        command="python -m experiments.search.lamoo_digits",
        columns=COLUMNS,
        rows=rows,
        notes=[
            "Hypervolume of (validation error, parameters): share of the box up to the reference; higher is better.",
            "Both pass their proposals through the supernet's scores and the queue. Differences are paired by seed.",
        ],
        expected="LaMOO's mean is above random search's at equal numbers of networks.",
    )
    return rows


if __name__ == "__main__":
    main()
