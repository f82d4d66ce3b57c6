"""Every optimiser of `jcenas.moo` on real tables: error against what a network costs.

Command:  OPENBLAS_NUM_THREADS=1 JCENAS_DATA=FOLDER python -m experiments.moo.tables TABLE [--smoke]
          TABLE is one of ecnas4v, ecnas5v, macro, pi5
Expected: the model-based methods (LaMOO with ehvi, qEHVI, MS-EHVI) miss less than random search at the last size
Cost:     two to four minutes a table on two cores; the seeds of a method are one XLA program, a vmap over a scan

- ecnas4v, ecnas5v: EC-NAS, validation error (%) against training energy (kWh) at 108 epochs, over the cells whose
  results at 108 epochs are known.
- macro: all 6,561 networks of NAS-Bench-Macro, CIFAR-10 error (%) against multiply-adds (millions).
- pi5: all 15,625 cells of NAS-Bench-201, CIFAR-100 error (%) against measured energy of an inference on a Raspberry
  Pi 5 (mJ); reading it needs pyarrow, which is installed apart. `experiments.moo.nasbench201` has the FPGA's energy.

The reference is 1 % beyond the largest value of each objective. Reported: the share of the table's hypervolume that is
missing. SH-EMOA pays for its cheap evaluations by their epochs: it is compared at the same cost in whole trainings, and
only what it trained for 108 epochs counts.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lib.recording import record
from experiments.moo.peers import install
from jcenas.moo import (
    LamooConfig,
    Optimizer,
    ShEmoaConfig,
    SurrogateConfig,
    SvmConfig,
    bayesian,
    hypervolume,
    lamoo,
    ms_ehvi,
    nsga2,
    random_search,
    semoa,
    sh_emoa,
)
from jcenas.tables.ecnas.read import load
from jcenas.tables.ecnas.space import cell_space
from jcenas.tables.macro import nas_bench_macro
from jcenas.tables.measured import nasbench201

BATCH = 5
COLUMNS = (
    "method",
    "evaluations",
    "seeds",
    "hypervolume missing, %, median",
    "q1",
    "q3",
    "wall s, compilation included",
)


class Problem(NamedTuple):
    """A table as an optimiser's problem: cost first, error second; letters: n genomes, d variables."""

    title: str
    space: Any
    objectives: Callable[[jax.Array], jax.Array]  # genomes (n, d) -> (n, 2)
    reference: np.ndarray  # (2,)
    largest: float  # hypervolume of the whole table
    sizes: tuple[int, int]  # evaluations at which the front is judged
    ordinal: bool  # whether the variables have an order, as CMA-ES assumes
    budgets: tuple[float, ...] = ()
    at_budget: Callable[[jax.Array], jax.Array] | None = None  # genomes (n, d + 1), budget last -> (n, 2)


def _problem(title: str, space, values: np.ndarray, rows, sizes, **more) -> Problem:
    reference = 1.01 * values.max(axis=0).astype(np.float32)
    table = jnp.asarray(values, jnp.float32)
    largest = float(hypervolume(table, reference))
    return Problem(title, space, lambda genomes: table[rows(genomes)], reference, largest, sizes, **more)


def ecnas(name: str, sizes: tuple[int, int]) -> Problem:
    """EC-NAS 4V or 5V; budgets are the epochs."""
    table = load(name, linear_scaling=True)
    known = np.flatnonzero(np.asarray(table.known())[:, -1])
    space = cell_space(table.catalog, known)
    values = np.asarray(table.objectives(space.members, jnp.full(len(known), len(table.budgets) - 1)))
    return _problem(
        f"EC-NAS {name}, {len(known):,} cells: error against training energy",
        space,
        values,
        lambda genomes: genomes[:, 0],
        sizes,
        ordinal=False,
        budgets=tuple(float(b) for b in table.budgets),
        at_budget=lambda genomes: table.objectives(space.members[genomes[:, 0]], genomes[:, 1]),
    )


def macro(sizes: tuple[int, int]) -> Problem:
    """NAS-Bench-Macro."""
    table = nas_bench_macro()
    values = np.asarray(table.objectives(("flops", "error"))) * np.array([1e-6, 1.0])
    title = "NAS-Bench-Macro: CIFAR-10 error against multiply-adds"
    return _problem(title, table.space, values, table.rows, sizes, ordinal=True)


def pi5(sizes: tuple[int, int]) -> Problem:
    """NAS-Bench-201 on a Raspberry Pi 5."""
    install("pyarrow")
    table = nasbench201("cifar100", raspberry_pi=True)
    values = np.asarray(table.objectives(("raspberry_pi_5_energy_mj", "error")))
    title = "NAS-Bench-201: CIFAR-100 error against energy on a Raspberry Pi 5"
    return _problem(title, table.space, values, table.rows, sizes, ordinal=True)


TABLES = {
    "ecnas4v": lambda: ecnas("4V", (20, 50)),
    "ecnas5v": lambda: ecnas("5V", (50, 150)),
    "macro": lambda: macro((100, 300)),
    "pi5": lambda: pi5((100, 300)),
}


def methods(problem: Problem) -> dict[str, Callable[[int], Optimizer]]:
    """Factories, capacity -> optimiser, of the methods that fit the problem."""
    space, kinds = problem.space, SurrogateConfig(covariance="categorical" if problem.ordinal else "matern")
    kernel = SvmConfig() if problem.ordinal else SvmConfig(kernel="rbf")
    shared = {"batch": BATCH, "reference": problem.reference}

    def partitioned(sampler):
        config = LamooConfig(sampler=sampler, surrogate=kinds, svm=kernel)
        return lambda n: lamoo(space, config, capacity=n, **shared)

    known = (lambda genomes: problem.objectives(genomes)[:, 0], None)
    found = {
        "random": lambda n: random_search(space, capacity=n, batch=BATCH),
        "nsga2": lambda n: nsga2(space, capacity=n, batch=BATCH, population=20),
        "semoa": lambda n: semoa(space, capacity=n, **shared),
        "semoa, released": lambda n: semoa(space, capacity=n, variant="released", **shared),
        "lamoo, published": partitioned("uniform"),
        "lamoo, ehvi": partitioned("ehvi"),
        "qehvi": lambda n: bayesian(space, kinds, capacity=n, **shared),
        "ms-ehvi": lambda n: ms_ehvi(space, known, kinds, capacity=n, **shared),
    }
    if problem.ordinal:
        found["lamoo, cmaes"] = partitioned("cmaes")
    if problem.budgets:
        found["sh-emoa"] = lambda n: sh_emoa(space, problem.budgets, ShEmoaConfig(mutations=1), capacity=n, **shared)
    return found


def search(problem: Problem, optimizer: Optimizer, steps: int, budgeted: bool, sizes: tuple[int, ...]):
    """Function key -> hypervolume, (number of sizes,), of one whole search as one program."""
    limits = jnp.array(sizes, jnp.float32)

    def step(state, key):
        state, genomes = optimizer.ask(key, state)
        if budgeted and problem.at_budget is not None:
            values = problem.at_budget(genomes)
            share = jnp.asarray(problem.budgets, jnp.float32)[genomes[:, -1]] / problem.budgets[-1]
        else:
            values, share = problem.objectives(genomes), jnp.ones(BATCH)
        return optimizer.tell(state, genomes, values), (values, share)

    def run(key):
        first, rest = jax.random.split(key)
        _, (values, share) = jax.lax.scan(step, optimizer.init(first), jax.random.split(rest, steps))
        values, share = values.reshape(-1, 2), share.reshape(-1)
        spent, whole = jnp.cumsum(share), share > 0.999

        def paid(limit):
            return whole & (spent <= limit + 1e-3)

        return jax.vmap(lambda limit: hypervolume(values, problem.reference, paid(limit)))(limits)

    return run


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--smoke", action="store_true", help="two methods, two seeds, 20 evaluations, nothing recorded")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    problem = TABLES[options.table]()
    sizes, seeds = ((20,), 2) if options.smoke else (problem.sizes, options.seeds)
    available = methods(problem)
    chosen = [m for m in ("random", "sh-emoa") if m in available] if options.smoke else list(available)
    rows = []
    for name in chosen:
        start = time.perf_counter()
        # SH-EMOA's schedule costs 29 trainings in 140 evaluations before its last budget.
        n = sizes[-1] + (120 if name == "sh-emoa" else 0)
        run = jax.jit(jax.vmap(search(problem, available[name](n), n // BATCH, name == "sh-emoa", sizes)))
        found = np.asarray(run(jax.random.split(jax.random.key(0), seeds)), float)
        wall = time.perf_counter() - start
        for size, column in zip(sizes, (100 * (1 - found / problem.largest)).T, strict=True):
            q1, median, q3 = np.quantile(column, [0.25, 0.5, 0.75])
            rows.append([name, size, seeds, float(median), float(q1), float(q3), wall])
            print(f"{name:18s} {size:4d} {median:8.4f} [{q1:.4f}, {q3:.4f}] {wall:.0f} s", flush=True)
    if not options.smoke:
        record(
            f"moo_{options.table}",
            title=f"Optimisers on {problem.title}",
            command=f"OPENBLAS_NUM_THREADS=1 JCENAS_DATA=FOLDER python -m experiments.moo.tables {options.table}",
            columns=COLUMNS,
            rows=rows,
            notes=[
                f"Reference {problem.reference[0]:.6g}, {problem.reference[1]:.6g} (cost, error %); hypervolume of the "
                f"whole table {problem.largest:.6g}; batches of {BATCH}.",
                "SH-EMOA at the same cost in whole trainings; only results at the largest budget count.",
            ],
            expected="LaMOO with ehvi, qEHVI and MS-EHVI miss less than random search at the last size",
        )
    return rows


if __name__ == "__main__":
    main()
