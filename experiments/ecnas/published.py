"""EC-NAS's Table 1, recomputed from the published runs, and our optimisers in the same form.

    python -m experiments.ecnas.published [--smoke]

Expected: the printed table to the digit for random search, SH-EMOA and MS-EHVI; SEMOA from the 7 of 10 runs that are
public. Cost: about two minutes on two cores. Data: JCENAS_DATA.

A run's front is that of all its valid evaluations, at all budgets. Rows are the least energy (r0), the best accuracy
(r1), and the knee: both objectives min-max normalised over the front, the least sum. log10 parameters is what the paper
prints under |theta|.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.lib.recording import record
from jcenas.moo import extremes, knee
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas.dataset import EcNas
from jcenas.tables.ecnas.search import make_search
from jcenas.tables.ecnas.space import search_space
from jcenas.tables.store import locate

COMMAND = "python -m experiments.ecnas.published"
LABELS = {"shemoa": "SH-EMOA", "rs": "random", "msehvi": "MS-EHVI", "semoa": "SEMOA"}
DIGITS = (2, 3, 4, 2)
POINTS = ("r0, least energy", "r1, best accuracy", "knee")
# The paper's Table 1: mean and standard deviation of time (s), accuracy (fraction), energy (kWh) and log10 parameters.
PAPER = {
    ("SH-EMOA", 0): ((15.22, 2.98), (0.52, 0.02), (0.01, 0.0), (5.98, 0.10)),
    ("SH-EMOA", 1): ((1034.35, 358.15), (0.91, 0.03), (0.27, 0.11), (6.55, 0.44)),
    ("SH-EMOA", 2): ((226.28, 114.03), (0.85, 0.04), (0.04, 0.03), (6.27, 0.43)),
    ("random", 0): ((14.23, 0.0), (0.52, 0.0), (0.01, 0.0), (5.95, 0.0)),
    ("random", 1): ((1649.11, 342.02), (0.94, 0.0), (0.41, 0.09), (7.05, 0.18)),
    ("random", 2): ((310.93, 56.50), (0.89, 0.03), (0.07, 0.03), (6.51, 0.38)),
    ("MS-EHVI", 0): ((14.23, 0.0), (0.52, 0.0), (0.01, 0.0), (5.95, 0.0)),
    ("MS-EHVI", 1): ((1112.13, 642.49), (0.92, 0.02), (0.25, 0.14), (6.80, 0.33)),
    ("MS-EHVI", 2): ((191.09, 93.13), (0.83, 0.03), (0.02, 0.02), (6.01, 0.18)),
    ("SEMOA", 0): ((14.23, 0.0), (0.52, 0.0), (0.01, 0.0), (5.95, 0.0)),
    ("SEMOA", 1): ((2555.95, 202.42), (0.94, 0.0), (0.62, 0.08), (7.26, 0.15)),
    ("SEMOA", 2): ((306.9, 41.86), (0.92, 0.01), (0.07, 0.01), (6.43, 0.06)),
}
COLUMNS = (
    "source",
    "method",
    "runs",
    "evaluations",
    "point",
    "time, s",
    "validation accuracy",
    "energy, kWh",
    "log10 parameters",
)


def named_rows(objectives: np.ndarray) -> list[int]:
    """Rows of r0, r1 and the knee of points (n, 2): energy, error."""
    points = jnp.asarray(objectives, jnp.float32)
    # Sorted, with a stair left, the number of points that matter is small.
    order = np.lexsort((objectives[:, 1], objectives[:, 0]))
    stair = np.concatenate([[np.inf], np.minimum.accumulate(objectives[order, 1])[:-1]])
    front = order[objectives[order, 1] < stair]
    found = [*np.asarray(extremes(points[front])), np.asarray(knee(points[front]))]
    return [int(front[i]) for i in found]


def published_runs(space: str = "7v") -> dict[tuple[str, int], pd.DataFrame]:
    """Distinct valid points of each published run of a space, by algorithm and run."""
    trace = pd.read_csv(locate("ec_nas/ecnas_published_runs_trace.csv.gz"))
    points = pd.read_csv(locate("ec_nas/ecnas_published_runs_unique_points.csv.gz")).set_index("point_id")
    trace = trace[(trace["space"] == space) & (trace["point_id"] >= 0)]
    found = {}
    for (algorithm, run), rows in trace.groupby(["algorithm", "run"]):
        found[str(algorithm), int(run)] = points.loc[rows["point_id"].unique()].reset_index(drop=True)
    return found


def summarise(runs: list[np.ndarray]) -> np.ndarray:
    """Mean and standard deviation (3 points, 4 quantities, 2) over runs of (3, 4)."""
    values = np.stack(runs)
    return np.stack([values.mean(axis=0), values.std(axis=0)], axis=-1)


def of_frame(points: pd.DataFrame) -> np.ndarray:
    """Time, accuracy, energy and log10 parameters, (3, 4), of the named points of a run."""
    rows = named_rows(np.stack([points["energy_kWh"], 100 - points["val_acc"]], axis=1))
    chosen = points.iloc[rows]
    quantities = [chosen["train_time_s"], chosen["val_acc"] / 100, chosen["energy_kWh"]]
    return np.stack([*quantities, np.log10(chosen["trainable_params"])], axis=1)


def of_search(table: EcNas, members: np.ndarray, genomes: np.ndarray, objectives: np.ndarray) -> np.ndarray:
    """The same, (3, 4), of one of our searches: genomes (n, 2), objectives (n, 2)."""
    known = np.isfinite(objectives).all(axis=1)
    genomes, objectives = genomes[known], objectives[known].astype(float)
    rows = named_rows(objectives)
    number, budget = members[genomes[rows, 0]], genomes[rows, 1]
    time = np.asarray(table.columns["train_time_s"])[number, budget]
    weights = np.log10(np.asarray(table.parameters)[number])
    return np.stack([time, 1 - objectives[rows, 1] / 100, objectives[rows, 0], weights], axis=1)


def texts(values) -> list[str]:
    """Mean ± standard deviation of the four quantities (4, 2), with at least the paper's digits."""
    return [f"{m:.{d}f} ± {s:.{d}f}" for (m, s), d in zip(values, DIGITS, strict=True)]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="published runs only, nothing recorded")
    options = parser.parse_args(arguments)
    runs, rows = published_runs(), []
    trace = pd.read_csv(locate("ec_nas/ecnas_published_runs_summary.csv"))
    for algorithm, label in LABELS.items():
        mine = summarise([of_frame(points) for (name, _), points in runs.items() if name == algorithm])
        counted = trace[(trace["algorithm"] == algorithm) & (trace["space"] == "7v")]
        evaluations = round(counted["n_rows"].mean())
        for i, point in enumerate(POINTS):
            rows.append(["recomputed", label, len(counted), evaluations, point, *texts(mine[i])])
            rows.append(["paper", label, 10, "not stated", point, *texts(PAPER[label, i])])
    if not options.smoke:
        table = ecnas_read.load("7V", linear_scaling=True)
        space = search_space(table, known_only=True)
        members = np.asarray(space.space.members)
        plan = {"SH-EMOA": ("sh-emoa", 143, 1), "random": ("random", 1000, 10), "MS-EHVI": ("ms-ehvi", 110, 1)}
        plan |= {"SEMOA": ("semoa", 1000, 10), "LaMOO": ("lamoo", 1000, 20), "NSGA-II": ("nsga2", 1000, 10)}
        for label, (method, evaluations, batch) in plan.items():
            search = make_search(table, space, method, evaluations=evaluations, batch=batch)
            found = jax.tree.map(np.asarray, search(jax.random.split(jax.random.key(0), 10)))
            ours = summarise(
                [of_search(table, members, g, o) for g, o in zip(found.genomes, found.objectives, strict=True)]
            )
            rows += [["ours", label, 10, evaluations, point, *texts(ours[i])] for i, point in enumerate(POINTS)]
    for line in rows:
        print(*line, sep="  ", flush=True)
    if not options.smoke:
        record(
            "ecnas_table1",
            title="EC-NAS, Table 1: extremes and knee in 7V, and ours",
            command=COMMAND,
            columns=COLUMNS,
            rows=rows,
            expected="recomputed equals the paper in every digit but for SEMOA, of which 7 of 10 runs are public",
            notes=[
                "Mean ± standard deviation over runs. The paper prints energies below 0.005 kWh as 0.01.",
                "Ours search the 1,123 cells of the published runs whose graphs are known.",
            ],
        )
    return rows


if __name__ == "__main__":
    main()
