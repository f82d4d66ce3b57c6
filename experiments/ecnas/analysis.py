"""What EC-NAS tables say: the effect of one operation, the price of the benchmark itself, attainment over runs."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jcenas.spaces.nasbench101 import CONV_1X1, CONV_3X3, OPERATIONS, POOL, edges, pruned
from jcenas.tables.ecnas.dataset import EcNas

SWAPS = ((CONV_3X3, CONV_1X1), (CONV_3X3, POOL), (CONV_1X1, POOL))


class Swap(NamedTuple):
    """Mean effect of replacing one operation by another over all vertices that hold it; None where nothing is known."""

    old: str
    new: str
    pairs: int  # cells and vertices
    energy: float | None  # relative change
    parameters: float | None  # relative change
    time: float | None  # relative change
    accuracy: float | None  # change, percentage points
    accuracy_pairs: int  # of these, with both accuracies known


def swaps(table: EcNas, epochs: int = 108, energy_epochs: int = 4) -> list[Swap]:
    """Effects of the three replacements of the paper's figure 3; the reverse ones have the opposite direction.

    Args:
      table: the benchmark.
      epochs: budget of the accuracies.
      energy_epochs: budget of energies and times.
    """
    genomes = np.asarray(table.catalog.genomes(jnp.arange(table.size)))
    first = len(edges(table.catalog.vertices))
    used = np.asarray(pruned(jnp.asarray(genomes), table.catalog.vertices)[1])[:, 1:-1]
    late, early = table.budgets.index(epochs), table.budgets.index(energy_epochs)
    result = []
    for old, new in SWAPS:
        before, after = [], []
        for vertex in range(used.shape[1]):
            rows = np.flatnonzero(used[:, vertex] & (genomes[:, first + vertex] == old))
            changed = genomes[rows].copy()
            changed[:, first + vertex] = new
            before.append(rows)
            after.append(np.asarray(table.catalog.index(jnp.asarray(changed))))
        a, b = np.concatenate(before), np.concatenate(after)

        def ratio(values: np.ndarray, a: np.ndarray = a, b: np.ndarray = b) -> float | None:
            change = values[b] / values[a] - 1
            change = change[np.isfinite(change)]
            return float(change.mean()) if len(change) else None

        def column(name: str, budget: int) -> np.ndarray:
            unknown = np.full((table.size, len(table.budgets)), np.nan)
            return np.asarray(table.columns.get(name, unknown), float)[:, budget]

        accuracy = column("validation_accuracy", late)
        change = accuracy[b] - accuracy[a]
        change = change[np.isfinite(change)]
        result.append(
            Swap(
                OPERATIONS[old],
                OPERATIONS[new],
                len(a),
                ratio(column("energy_kwh", early)),
                ratio(np.asarray(table.parameters, float)),
                ratio(column("train_time_s", early)),
                float(change.mean()) if len(change) else None,
                len(change),
            )
        )
    return result


def attainment(runs: Sequence[np.ndarray], energies: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Error that `share` of the runs attain with at most each energy, float (g,); inf where they attain none.

    Args:
      runs: points (n, 2) of each run, energy and error; rows that are not finite are left out.
      energies: (g,).
      share: 0.5 is the median attainment curve: the runs' k-th best with k the smallest count of at least that share.
    """
    best = np.full((len(runs), len(energies)), np.inf)
    for values, points in zip(best, runs, strict=True):
        points = points[np.isfinite(points).all(axis=1)]
        order = np.argsort(points[:, 0])
        lowest = np.minimum.accumulate(points[order, 1])
        place = np.searchsorted(points[order, 0], energies, side="right")
        values[place > 0] = lowest[place[place > 0] - 1]
    count = int(np.ceil(share * len(runs)))
    return np.sort(best, axis=0)[count - 1]


class Cost(NamedTuple):
    """What it took, or would have taken, to make a table."""

    what: str
    trainings: int
    device_days: float
    energy_kwh: float
    emissions_kg: float


def cost_of_making(table: EcNas) -> list[Cost]:
    """Price of a directly measured table: the 4-epoch campaign as run, and every budget trained in full.

    Both at the intensities that the tracker noted in the campaign. Needs a table with linear scaling and totals.
    """
    columns = {name: np.asarray(column, float) for name, column in table.columns.items()}
    days = 24 * 3600.0
    done = Cost(
        "one training of 4 epochs of each cell, with evaluations",
        table.size,
        columns["total_time_s"][:, 0].sum() / days,
        columns["total_energy_kwh"][:, 0].sum(),
        columns["total_co2_g"][:, 0].sum() / 1e3,
    )
    whole = Cost(
        "each cell trained for 4, 12, 36 and 108 epochs, without evaluations",
        4 * table.size,
        columns["train_time_s"].sum() / days,
        columns["energy_kwh"].sum(),
        columns["co2_g"].sum() / 1e3,
    )
    return [done, whole]
