"""EC-NAS for the terminal: an architecture's numbers, a front with its extremes and knee."""

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.moo import extremes, hypervolume, knee
from jcenas.spaces.nasbench101 import module_hash, to_string
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas.dataset import METRICS, EcNas, front
from jcenas.tables.ecnas.search import REFERENCE_KWH, make_search, reference
from jcenas.tables.ecnas.space import CellSpace, search_space

Rows = list[tuple[str, ...]]
HEAD = ("", "energy, kWh", "accuracy, %", "epochs", "parameters", "cell")


def query_rows(space: str, cell: str, epochs: int, metric: str | None) -> Rows:
    """Metric, value and meaning of one architecture; energies at 12, 36 and 108 epochs are extrapolated.

    Raises:
      InputError: see `EcNas.query`.
    """
    table = ecnas_read.load(space, linear_scaling=True)
    number = table.number(cell)
    if metric is not None:
        meaning = "trainable" if metric == "parameters" else METRICS.get(metric, "")
        return [(metric, _number(table.query(cell, epochs, metric)), meaning)]
    found = table.query(cell, epochs)
    assert isinstance(found, dict)
    rows: Rows = [("hash", module_hash(table.cell(number)), f"cell {number} of {table.size} in {space}")]
    rows += [(name, _number(value), METRICS.get(name, "trainable")) for name, value in found.items()]
    return rows + [("note", "", note) for note in table.notes]


def _number(value) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def front_rows(space: str) -> Rows:
    """The front of everything that a space knows."""
    table = ecnas_read.load(space, linear_scaling=True)
    found = front(table)
    budgets = np.searchsorted(table.budgets, found.epochs)
    return _rows(table, found.number, budgets)


def search_rows(space: str, optimizer: str, evaluations: int, seed: int) -> tuple[Rows, str]:
    """The front that one search found, and a sentence about it.

    Raises:
      InputError: unknown space or optimiser, or a bad size.
    """
    table = ecnas_read.load(space, linear_scaling=True)
    searched = search_space(table, known_only=space == "7V")
    batch = 1 if optimizer in ("sh-emoa", "ms-ehvi") else min(10, max(evaluations, 1))
    run = make_search(table, searched, optimizer, evaluations=evaluations, batch=batch)
    found = jax.tree.map(lambda x: np.asarray(x[0]), run(jax.random.split(jax.random.key(seed), 1)))
    known = np.isfinite(found.objectives).all(axis=1)
    if not known.any():
        raise InputError(f"none of the {evaluations} evaluations is known to the table; raise --evaluations")
    pairs, first = np.unique(found.genomes[known], axis=0, return_index=True)
    points = found.objectives[known][first]
    order = np.lexsort((points[:, 1], points[:, 0]))
    before = np.concatenate([[np.inf], np.minimum.accumulate(points[order, 1])[:-1]])
    best = order[points[order, 1] < before]
    cells = searched.space
    assert isinstance(cells, CellSpace)
    rows = _rows(table, np.asarray(cells.members)[pairs[best, 0]], pairs[best, 1])
    volume = float(hypervolume(jnp.asarray(points), jnp.asarray(reference(table))))
    summary = (
        f"{len(found.genomes)} evaluations, {known.sum()} known, {len(pairs)} different; hypervolume {volume:.3f} "
    )
    return rows, summary + f"(% x kWh, reference 0 % and {REFERENCE_KWH[space]} kWh)"


def _rows(table: EcNas, number: np.ndarray, budget: np.ndarray) -> Rows:
    points = table.objectives(jnp.asarray(number), jnp.asarray(budget))
    cheap, good = np.asarray(extremes(points))
    marks = {int(knee(points)): "knee", int(cheap): "least energy", int(good): "best accuracy"}
    values = np.asarray(points)
    return [
        (
            marks.get(i, ""),
            f"{values[i, 0]:.4f}",
            f"{100 - values[i, 1]:.2f}",
            str(table.budgets[b]),
            f"{int(table.parameters[n]):,}",
            to_string(table.cell(int(n))),
        )
        for i, (n, b) in enumerate(zip(number, budget, strict=True))
    ]
