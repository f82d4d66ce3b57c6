"""Figures of EC-NAS as PNG and on one HTML page; the effect of one operation; the price of the benchmark.

    OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.figures [--smoke] [--out runs/ecnas]

Expected: directions as in the paper's figure 3 (a 3x3 convolution costs most energy and parameters; replacing it by a
1x1 convolution or a pool lowers accuracy), and 4V and 5V trained in full at about 30 times the energy of what was done.
Cost: about two minutes on two cores. Data: JCENAS_DATA. The learning curve comes from the recorded `ecnas_surrogate`.
"""

import argparse
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ecnas import plots
from experiments.ecnas.analysis import attainment, cost_of_making, swaps
from experiments.ecnas.published import published_runs
from experiments.lib.recording import load, record
from jcenas.report.style import style
from jcenas.tables.ecnas import published
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas import surrogate as ecnas_surrogate
from jcenas.tables.ecnas.dataset import SPACES, EcNas, front
from jcenas.tables.ecnas.search import REFERENCE_KWH, make_search
from jcenas.tables.ecnas.space import search_space
from jcenas.tables.store import locate

COMMAND = "OPENBLAS_NUM_THREADS=1 python -m experiments.ecnas.figures"
OURS = {"random": "uniform random, ours", "semoa": "SEMOA, ours", "nsga2": "NSGA-II, ours", "lamoo": "LaMOO, ours"}
PUBLISHED = {"rs": "published random", "semoa": "published SEMOA", "shemoa": "published SH-EMOA"}
PUBLISHED |= {"msehvi": "published MS-EHVI"}


def attainment_curves(
    table: EcNas, methods: Sequence[str], evaluations: int, seeds: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Energies (g,) and the median attainment curves of the published runs of a space and of ours."""
    energies = np.geomspace(5e-4, REFERENCE_KWH[table.name], 300)
    runs = published_runs(table.name.lower())
    curves = {}
    for algorithm, label in PUBLISHED.items():
        points = [
            np.stack([frame["energy_kWh"], 100 - frame["val_acc"]], axis=1)
            for (name, _), frame in runs.items()
            if name == algorithm
        ]
        curves[label] = attainment(points, energies)
    space = search_space(table, known_only=table.name == "7V")
    for method in methods:
        found = make_search(table, space, method, evaluations=evaluations)(jax.random.split(jax.random.key(0), seeds))
        curves[OURS[method]] = attainment(list(np.asarray(found.objectives, float)), energies)
    return energies, curves


def surrogates() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Measured energies and both predictions, Wh, of the published test set, ours trained without it."""
    genomes, energy = ecnas_read.measured_7v()
    train, _, test = published.published_split()
    model = ecnas_surrogate.fit(jax.random.key(0), jnp.asarray(genomes[train]), energy[train])
    cells = jnp.asarray(genomes[test])
    params = published.load_params(locate(ecnas_read.PUBLISHED_WEIGHTS))
    theirs = published.PublishedNet().apply(params, published.inputs(cells))
    return energy[test], {"published": np.asarray(theirs), "ours": np.asarray(model.predict(cells).energy_wh)}


def learning_curve() -> dict[str, tuple[list[float], list[float]]]:
    """Sizes and errors of both models from the recorded comparison; empty where it was not recorded."""
    recorded = load().get("ecnas_surrogate", {"rows": []})["rows"]
    result = {}
    for name in ("published network, retrained", "ours"):
        points = sorted((row[1], row[5]) for row in recorded if row[0] == name)
        if points:
            result[name] = ([size for size, _ in points], [error for _, error in points])
    return result


COST_HEAD = ("space", "what", "trainings", "device days", "energy, kWh", "emissions, kg")


def record_tables(effects, costs) -> None:
    """Record the effects of the replacements, and the price of the tables."""
    record(
        "ecnas_swaps",
        title="EC-NAS: mean effect of replacing one operation",
        command=COMMAND,
        columns=(
            "space",
            "old",
            "new",
            "pairs",
            "energy, relative",
            "parameters, relative",
            "time, relative",
            "accuracy, percentage points",
            "pairs with accuracies",
        ),
        rows=effects,
        expected="energy, time and parameters as in the paper's figure 3: conv3x3 to conv1x1 -17.7, -24.9, "
        "-78.0 %; conv3x3 to maxpool -32.1, -16.8, -95.5 %; conv1x1 to maxpool -14.6, +7.8, -13.6 %",
        notes=[
            "Means of the change relative to the old cell, over every cell and vertex; the paper does not say how "
            "it averages. Energy and time at 4 epochs, accuracy at 108.",
            "Energies of 7V by the package's own surrogate; accuracies where both cells are known.",
        ],
    )
    record(
        "ecnas_cost",
        title="EC-NAS: the price of the benchmark itself",
        command=COMMAND,
        columns=COST_HEAD,
        rows=costs,
        expected="4V about 2 kWh and 5V about 65 kWh as measured, and far more if every budget had been trained",
        notes=["At the intensities noted in the campaigns; 4V counts one of its three repeats."],
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="4V only, few evaluations, no surrogate, nothing recorded")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/ecnas"))
    options = parser.parse_args(arguments)
    names = ["4V"] if options.smoke else list(SPACES)
    tables = {name: ecnas_read.load(name, linear_scaling=True) for name in names}
    figures, effects, costs, sheets = {}, [], [], {}
    plan = (["random"], 40, 2) if options.smoke else (list(OURS), 1000, 10)
    with style():
        for name, table in tables.items():
            known = np.asarray(table.known())
            points = {}
            for b, epochs in enumerate(table.budgets):
                numbers = np.flatnonzero(known[:, b])
                pairs = np.asarray(table.objectives(jnp.asarray(numbers), jnp.full(len(numbers), b)))
                points[epochs] = np.stack([pairs[:, 0], 100 - pairs[:, 1]], axis=1)
            low = name.lower()
            figures[f"scatter-{low}"] = (f"{name}: accuracy against energy", plots.scatter_figure(points))
            energies, curves = attainment_curves(table, *plan)
            figures[f"attainment-{low}"] = (
                f"{name}: median attainment over runs",
                plots.attainment_figure(energies, curves),
            )
            found = front(table)
            rows = [
                [f"{e:.4f}", f"{a:.2f}", str(t)]
                for e, a, t in zip(found.energy_kwh, found.validation_accuracy, found.epochs, strict=True)
            ]
            sheets[f"Front of {name}"] = (("energy, kWh", "accuracy, %", "epochs"), rows)
            # In 7V our own surrogate, the published one being negative for small cells.
            if name == "7V":
                table = ecnas_read.load("7V", linear_scaling=True, energy="surrogate")
            sizes, energy = np.asarray(table.catalog.sizes), 1e3 * np.asarray(table.columns["energy_kwh"])[:, 0]
            figures[f"vertices-{low}"] = (
                f"{name}: energy by number of vertices",
                plots.vertices_figure({int(k): energy[sizes == k] for k in np.unique(sizes)}),
            )
            effects += [[name, *swap] for swap in swaps(table)]
            if name != "7V":
                costs += [[name, *cost] for cost in cost_of_making(table)]
        mine = [row for row in effects if row[0] == names[-1]]
        changes = {"energy": [row[4] for row in mine], "parameters": [row[5] for row in mine]}
        labels = [f"{row[1].split('-')[0]} → {row[2].split('-')[0]}" for row in mine]
        figures["swaps"] = ("Replacing one operation", plots.swap_figure(labels, changes))
        if not options.smoke:
            measured, predicted = surrogates()
            drawn = plots.surrogate_figure(measured, predicted, learning_curve())
            figures["surrogate"] = ("Energy surrogate", drawn)
    shown = [[a, b, f"{n:,}", f"{d:.3f}", f"{e:.2f}", f"{c:.3f}"] for a, b, n, d, e, c in costs]
    sheets["The price of the benchmark"] = (COST_HEAD, shown)
    page = plots.write_page(options.out, figures, sheets)
    print(page)
    for row in [*effects, *costs]:
        print(*row, sep="  ")
    if not options.smoke:
        record_tables(effects, costs)
    return effects, costs, page


if __name__ == "__main__":
    main()
