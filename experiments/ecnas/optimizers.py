"""Optimisers on EC-NAS at matched numbers of evaluations, beside the published runs.

    OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.optimizers [--smoke] [--spaces 4V 5V 7V] [--methods semoa ...]

Expected: at 1,000 evaluations SEMOA and LaMOO at or above the hypervolumes of the published random search and SEMOA,
with a smaller spread, and within 0.5 % of the optimum of all points; energies in kWh, error in %.
Cost: three to five minutes of one core a space, most of it LaMOO and compilation. Data: JCENAS_DATA.

4V has all its points. Of 5V, accuracies are known for 1,525 of 2,532 cells: a search proposes among all of them, and
what is not known counts as an evaluation and fails; so does a tenth of the points of the 1,123 known cells of 7V.
13,856 evaluations, which the published SEMOA took in 7V, are more than any of these tables has points: there every
optimiser that does not repeat itself finds the optimum.

Methods left out by --methods keep the rows of the table recorded last; a note says when they were measured.

Two references: an energy beyond all published runs, and the paper's own, an accuracy of -50 % and 10^6 Wh, for which
almost only the best accuracy counts.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.ecnas.published import published_runs
from experiments.lib.recording import load, record
from jcenas.moo import Budgeted, hypervolume
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas.dataset import EcNas
from jcenas.tables.ecnas.search import make_search, reference
from jcenas.tables.ecnas.space import search_space
from jcenas.tables.store import locate

COMMAND = "OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.optimizers"
SIZES = (110, 143, 1000, 13856)
SEEDS = 10
PAPER_REFERENCE = (1e6, 150.0)  # Wh, % of error: the paper has 0.5 for the negative accuracy
# Method -> (evaluations, batch). Batches are those of the published optimisers where they state one.
PLAN = {
    "random-released": (13856, 1),
    "random-sobol": (13856, 1),
    "random": (1000, 10),
    "accuracy-only": (1000, 10),
    "semoa": (1000, 10),
    "semoa-released": (1000, 10),
    "nsga2": (1000, 10),
    "sh-emoa": (143, 1),
    "ms-ehvi": (143, 1),
    "lamoo": (1000, 20),
}
LABELS = {
    "random-released": "random, as released",
    "random-sobol": "random, Sobol sequence",
    "random": "random, uniform over cells",
    "semoa-released": "semoa, as released",
}
# Draws from all 423,624 cells; results are known for 1,123.
APART = {
    ("7V", "random-released"): "their draws are nearly all cells whose accuracy is not known here",
    ("7V", "random-sobol"): "their draws are nearly all cells whose accuracy is not known here",
}
NOTES = {
    "4V": "Reference 0 % and 1.015227 kWh. All 364 points are known: more evaluations than that find the optimum.",
    "5V": "Reference 0 % and 1.33623 kWh. 40 % of the 10,128 points are not known; to propose one is an evaluation "
    "that fails. Of these the published runs, which knew all, saw 4,772 points.",
    "7V": "Reference 0 % and 0.952202 kWh. The 1,123 cells of the published runs whose graphs are known; of their "
    "4,492 points 4,055 are known, and to propose another is an evaluation that fails. The published runs saw 169 "
    "points more; with them the optimum is 88.83. SEMOA's 13,856 evaluations are more than the table has.",
}
PUBLISHED = {"rs": "published random search", "semoa": "published SEMOA", "shemoa": "published SH-EMOA"}
PUBLISHED |= {"msehvi": "published MS-EHVI"}
COLUMNS = (
    "method",
    "evaluations",
    "runs",
    "hypervolume, mean",
    "standard deviation",
    "below the optimum, %",
    "best accuracy, %, mean",
    "with log10 of energy, mean",
    "paper's reference, 10^6, mean",
    "failed evaluations, %",
)


def volumes(objectives: jax.Array, size: int, target: np.ndarray) -> tuple[jax.Array, ...]:
    """Of the first `size` of points (S, n, 2), kWh and %, each (S,).

    Returns:
      Hypervolume (kWh and %), best accuracy (%), hypervolume over log10 of energy, and hypervolume of the paper's
      reference in units of 10^6 Wh.
    """
    seen = jnp.arange(objectives.shape[1]) < size
    logs = objectives.at[..., 0].set(jnp.log10(objectives[..., 0]))
    log_target = np.array([np.log10(target[0]), target[1]], np.float32)
    papers = objectives * jnp.array([1e3, 1.0])[None, None, :]
    plain, over_logs, paper = (
        jax.vmap(lambda o, to=to: hypervolume(o, np.asarray(to, np.float32), seen))(values)
        for values, to in ((objectives, target), (logs, log_target), (papers, PAPER_REFERENCE))
    )
    best = 100 - jnp.nanmin(jnp.where(seen[None, :], objectives[..., 1], jnp.nan), axis=1)
    return plain, best, over_logs, paper / 1e8


def row(space: str, method: str, size: int, found, optimum: float, failed: float | None) -> list:
    plain, best, over_logs, paper = (np.asarray(x, float) for x in found)
    below = 100 * (1 - plain.mean() / optimum)
    cells = [plain.mean(), plain.std(), below, best.mean(), over_logs.mean(), paper.mean(), failed]
    return [space, method, size, len(plain), *cells]


def published_rows(space: str, target: np.ndarray, optimum: float) -> list[list]:
    """The published runs: their distinct valid points, at all the evaluations that they took."""
    summary = pd.read_csv(locate("ec_nas/ecnas_published_runs_summary.csv"))
    summary = summary[summary["space"] == space.lower()].set_index("algorithm")
    runs = published_runs(space.lower())
    longest = max(len(points) for points in runs.values())
    padded = np.full((len(runs), longest, 2), np.nan, np.float32)
    for values, points in zip(padded, runs.values(), strict=True):
        values[: len(points)] = np.stack([points["energy_kWh"], 100 - points["val_acc"]], axis=1)
    found = volumes(jnp.asarray(padded), longest, target)
    rows = []
    for name, label in PUBLISHED.items():
        mine = [i for i, (algorithm, _) in enumerate(runs) if algorithm == name]
        counted = summary.loc[name]
        failed = 100 * counted["n_invalid"].sum() / counted["n_rows"].sum()
        evaluations = round(counted["n_rows"].mean())
        rows.append(row(space, label, evaluations, [np.asarray(x)[mine] for x in found], optimum, failed))
    return rows


def method_rows(
    table: EcNas, space: Budgeted, method: str, plan: tuple[int, int], sizes, seeds: int, optimum: float
) -> list[list]:
    """One row for each number of evaluations that the method's plan reaches."""
    evaluations, batch = plan
    points = space.cardinalities[0] * space.cardinalities[1]
    # Once every point was proposed, nothing new can be: there the rest of the evaluations need not be run.
    needed = evaluations if method in ("random-released", "random-sobol") else -(-points // batch) * batch
    search = make_search(table, space, method, evaluations=min(evaluations, needed), batch=batch)
    start = time.perf_counter()
    found = jax.block_until_ready(search(jax.random.split(jax.random.key(0), seeds)))
    seconds = time.perf_counter() - start
    rows = []
    for size in (size for size in sizes if size <= evaluations):
        values = found.objectives[:, :size]
        failed = 100 * float(jnp.mean(jnp.any(jnp.isnan(values), axis=-1)))
        measured = volumes(values, size, reference(table))
        rows.append(row(table.name, LABELS.get(method, method), size, measured, optimum, failed))
        print(*(f"{cell:.5g}" if isinstance(cell, float) else cell for cell in rows[-1]), flush=True)
    print(f"  {method}: {seconds:.1f} s, compilation included", flush=True)
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="4V, three methods, 40 evaluations, nothing recorded")
    parser.add_argument("--spaces", nargs="+", choices=("4V", "5V", "7V"), default=["4V", "5V", "7V"])
    parser.add_argument("--methods", nargs="+", choices=PLAN, default=list(PLAN))
    parser.add_argument("--try", dest="trial", action="store_true", help="record nothing")
    options = parser.parse_args(arguments)
    spaces, methods, plan, sizes, seeds = options.spaces, options.methods, PLAN, SIZES, SEEDS
    if options.smoke:
        spaces, methods, sizes, seeds = ["4V"], ["random-released", "random", "semoa"], (40,), 2
        plan = dict.fromkeys(methods, (40, 10))
    rows = []
    for name in spaces:
        table = ecnas_read.load(name, linear_scaling=True)
        space, target = search_space(table, known_only=name == "7V"), reference(table)
        known = jnp.asarray(np.argwhere(np.asarray(table.known())))
        best = volumes(table.objectives(known[:, 0], known[:, 1])[None], len(known), target)
        optimum = float(best[0][0])
        mine = [row(name, "every known point", len(known), best, optimum, 0.0)]
        mine += published_rows(name, target, optimum)
        earlier, notes, there = {} if options.smoke else recorded_rows(name), [], []
        for method in PLAN:
            label = LABELS.get(method, method)
            if method in methods and (name, method) not in APART:
                mine += method_rows(table, space, method, plan[method], sizes, seeds, optimum)
                there.append(method)
            elif (name, method) not in APART and label in earlier:
                when, found = earlier[label]
                mine += [[name, *cells] for cells in found]
                notes.append(f"{label}: from the recording of {when}.")
                there.append(method)
            elif not options.smoke:
                notes.append(f"{label}: not measured, {APART.get((name, method), 'left out by --methods')}.")
                mine.append([name, label, *[None] * (len(COLUMNS) - 1)])
        rows += mine
        if not (options.smoke or options.trial):
            all_of_them = [method for method in PLAN if (name, method) not in APART]
            chosen = "" if there == all_of_them else f" --methods {' '.join(there)}"
            record_space(name, mine, notes, f"{COMMAND} --spaces {name}{chosen}")
    return rows


def recorded_rows(space: str) -> dict[str, tuple[str, list[list]]]:
    """Rows by method, and when they were measured (UTC), of the table recorded last; none if its columns differ."""
    table = load().get(_name(space))
    if table is None or tuple(table["columns"]) != COLUMNS:
        return {}
    dates = dict(
        note.removesuffix(".").split(": from the recording of ") for note in table["notes"] if ": from the" in note
    )
    found = {}
    for cells in table["rows"]:
        if cells[1] is not None:
            when = dates.get(cells[0], table["environment"]["date_utc"][:16])
            found.setdefault(cells[0], (when, []))[1].append(cells)
    return found


def _name(space: str) -> str:
    return f"ecnas_optimisers_{space.lower()}"


def record_space(space: str, rows: list, notes: list[str], command: str) -> None:
    record(
        _name(space),
        title=f"EC-NAS {space}: optimisers at matched numbers of evaluations",
        command=command,
        columns=COLUMNS,
        rows=[row[1:] for row in rows],
        expected="at 1,000 evaluations SEMOA and LaMOO at or above the published random search and SEMOA, with a "
        "smaller spread, within 0.5 % of the optimum",
        notes=[
            NOTES[space],
            "Hypervolume of validation accuracy (%) times energy (kWh); with log10 of energy; and with the paper's "
            "reference, an accuracy of -50 % and 10^6 Wh.",
            *notes,
        ],
    )


if __name__ == "__main__":
    main()
