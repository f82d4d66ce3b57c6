"""EC-NAS (Bakhtiarifard, Igel and Selvan, ICASSP 2024, arXiv 2210.06015): NAS-Bench-101 cells with measured energy.

Three spaces: all 91 cells of at most 4 vertices (`4V`), all 2,532 of at most 5 (`5V`), and 423,624 of at most 7 (`7V`).
4V and 5V were measured directly: each cell was trained for 4 epochs. In 7V 4,310 cells were measured, and a surrogate
speaks for the rest. The two campaigns differ by a factor of 1.4 to 3 on the cells that both have, so every table names
its campaign, and tables of different campaigns are never joined.

Accuracies at 4, 12, 36 and 108 epochs are NAS-Bench-101's (mean of three trainings, %). Energy, emissions and time were
measured at 4 epochs; the published tables extrapolate them in proportion to the epochs, which is an option here.

Letters: N cells of the space, numbered as in its `Catalog`; B budgets; n queries. NaN: not known.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.errors import InputError
from jcenas.moo import non_dominated
from jcenas.spaces import nasbench101 as cells
from jcenas.spaces.nasbench101 import Cell
from jcenas.spaces.nasbench101_catalog import Catalog

SPACES = {"4V": 4, "5V": 5, "7V": 7}
BUDGETS = (4, 12, 36, 108)
MEASURED = 4  # epochs of the campaigns' trainings
DIRECT, SAMPLED = "direct (4V, 5V)", "sampled (7V)"  # campaigns

METRICS = {
    "validation_accuracy": "%, NAS-Bench-101, mean of three trainings",
    "test_accuracy": "%, NAS-Bench-101, mean of three trainings",
    "train_time_s": "s of training",
    "energy_kwh": "kWh of training",
    "co2_g": "gCO2eq of training",
    "total_time_s": "s of the whole job, with evaluations",
    "total_energy_kwh": "kWh of the whole job",
    "total_co2_g": "gCO2eq of the whole job",
    "intensity_g_per_kwh": "gCO2eq/kWh, mean over the job",
    "gpu_power_w": "W, mean over the job",
    "gpu_energy_j": "J of the job on the accelerator",
    "cpu_power_w": "W, mean over the job, with memory",
    "cpu_energy_j": "J of the job on the processors, with memory",
    "predicted_time_s": "s, the tracker's forecast after the first epoch",
    "predicted_energy_kwh": "kWh, the tracker's forecast after the first epoch",
    "predicted_co2_g": "gCO2eq, the tracker's forecast after the first epoch",
    "halfway_train_time_s": "s of training until half of the epochs",
    "halfway_energy_kwh": "kWh until half of the epochs",
    "own_train_accuracy": "%, of the campaign's own training",
    "own_validation_accuracy": "%, of the campaign's own training",
    "own_test_accuracy": "%, of the campaign's own training",
    "halfway_own_validation_accuracy": "%, of the campaign's own training, at half of the epochs",
}
SCALED = ("train_time_s", "energy_kwh", "co2_g")  # what the published tables extrapolate


class Answer(NamedTuple):
    """Values of a batched query and the mask of those that are known."""

    values: jax.Array  # (n,) float32, NaN where not valid
    valid: jax.Array  # (n,) bool


class EcNas(struct.PyTreeNode):
    """One space of the benchmark as device arrays."""

    columns: dict[str, jax.Array]  # (N, B) float32 each
    parameters: jax.Array  # (N,) int32, trainable
    catalog: Catalog
    name: str = struct.field(pytree_node=False)
    campaign: str = struct.field(pytree_node=False)
    budgets: tuple[int, ...] = struct.field(pytree_node=False)
    linear_scaling: bool = struct.field(pytree_node=False)
    notes: tuple[str, ...] = struct.field(pytree_node=False, default=())

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.catalog.size

    def at(self, metric: str, index: jax.Array, budget: jax.Array) -> Answer:
        """Values of cells by number (n,) and index into `budgets` (n,); traces under `jit`, one gather.

        A number of -1, a budget outside the table and a value that nobody measured are masked out.

        Raises:
          InputError: unknown metric.
        """
        column = self._column(metric)
        index, budget = jnp.asarray(index), jnp.asarray(budget)
        if budget.ndim:
            chex.assert_equal_shape([index, budget], custom_message="index and budget")
        inside = (index >= 0) & (index < self.size) & (budget >= 0) & (budget < len(self.budgets))
        values = jnp.where(inside, column[jnp.clip(index, 0, self.size - 1), jnp.clip(budget, 0)], jnp.nan)
        return Answer(values, jnp.isfinite(values))

    def lookup(self, metric: str, genomes: jax.Array, budget: jax.Array) -> Answer:
        """Values of genomes int (n, d) of the space's frame, isomorphic ones alike; invalid graphs are masked out."""
        return self.at(metric, self.catalog.index(genomes), budget)

    def objectives(self, index: jax.Array, budget: jax.Array) -> jax.Array:
        """Energy (kWh) and validation error (%), float32 (n, 2), both minimised; a row that is not known is NaN."""
        energy = self.at("energy_kwh", index, budget)
        accuracy = self.at("validation_accuracy", index, budget)
        both = jnp.stack([energy.values, 100 - accuracy.values], axis=-1)
        return jnp.where((energy.valid & accuracy.valid)[..., None], both, jnp.nan)

    def known(self) -> jax.Array:
        """Mask, bool (N, B), of the pairs that have both objectives."""
        return jnp.isfinite(self._column("energy_kwh")) & jnp.isfinite(self._column("validation_accuracy"))

    def number(self, architecture: str | Cell | tuple) -> int:
        """Number of a cell given as string, `Cell`, (adjacency, labels) or genome.

        Raises:
          InputError: the graph is not a cell of this space; says why.
        """
        vertices = self.catalog.vertices
        if isinstance(architecture, str):
            cell = cells.from_string(architecture, max_vertices=vertices)
        elif isinstance(architecture, tuple) and len(architecture) == 2:
            cell = cells.make_cell(*architecture, max_vertices=vertices)
        else:
            cell = cells.decode(np.asarray(architecture), vertices)
        return int(self.catalog.index(jnp.asarray(cells.encode(cell, vertices))))

    def cell(self, number: int) -> Cell:
        """The representative of a cell, pruned."""
        return cells.decode(np.asarray(self.catalog.genomes(jnp.asarray(number))), self.catalog.vertices)

    def query(
        self, architecture: str | Cell | tuple, epochs: int = BUDGETS[-1], metric: str | None = None
    ) -> float | dict[str, float]:
        """One value, or all that is known, of one architecture after so many epochs.

        Args:
          architecture: string (`cells.to_string`), `Cell`, (adjacency, labels), or genome.
          epochs: a budget that the table has.
          metric: a key of `METRICS`, or `parameters`; None asks for all that are known.

        Raises:
          InputError: bad graph, unknown metric, a budget that the table lacks (lists those it has), or a value that
            nobody measured.
        """
        number = self.number(architecture)
        if metric == "parameters":
            return int(self.parameters[number])
        if epochs not in self.budgets:
            raise InputError(f"table {self.name} has no budget of {epochs} epochs; it has {_list(self.budgets)}")
        budget = self.budgets.index(epochs)
        if metric is None:
            found = {name: float(column[number, budget]) for name, column in self.columns.items()}
            return {"parameters": int(self.parameters[number])} | {k: v for k, v in found.items() if np.isfinite(v)}
        value = float(self._column(metric)[number, budget])
        if not np.isfinite(value):
            known = np.isfinite(np.asarray(self.columns[metric]))
            have = [b for b, yes in zip(self.budgets, known[number], strict=True) if yes]
            remedy = f"for this cell it is known at {_list(have)} epochs" if have else "for this cell it is not known"
            extrapolate = metric in SCALED and have == [MEASURED] and not self.linear_scaling
            hint = "; load the table with linear_scaling=True to extrapolate it" if extrapolate else ""
            raise InputError(f"table {self.name} has no {metric} at {epochs} epochs: {remedy}{hint}")
        return value

    def _column(self, metric: str) -> jax.Array:
        if metric not in self.columns:
            raise InputError(f"table {self.name} has no metric '{metric}'; it has {', '.join(sorted(self.columns))}")
        return self.columns[metric]


def _list(budgets: Sequence[int]) -> str:
    return ", ".join(map(str, budgets))


class Front(NamedTuple):
    """Non-dominated pairs of cell and budget, by rising energy; host arrays (f,)."""

    table: np.ndarray  # int: which of the tables
    number: np.ndarray  # int: number of the cell in its table
    epochs: np.ndarray  # int
    energy_kwh: np.ndarray
    validation_accuracy: np.ndarray


def front(*tables: EcNas) -> Front:
    """The front of one table, or of several of one campaign.

    Raises:
      InputError: tables of different campaigns, whose energies are on different scales.
    """
    campaigns = {table.campaign for table in tables}
    if len(campaigns) != 1:
        raise InputError(
            f"tables {', '.join(t.name for t in tables)} come from different campaigns "
            f"({', '.join(sorted(campaigns))}) whose energies are on different scales; take the front of each"
        )
    rows = [np.argwhere(np.asarray(table.known())) for table in tables]
    points = np.concatenate(
        [
            np.asarray(t.objectives(jnp.asarray(r[:, 0]), jnp.asarray(r[:, 1])))
            for t, r in zip(tables, rows, strict=True)
        ]
    )
    which = np.repeat(np.arange(len(tables)), [len(r) for r in rows])
    pairs = np.concatenate(rows)
    best = np.flatnonzero(np.asarray(_non_dominated_sorted(points)))
    best = best[np.argsort(points[best, 0], kind="stable")]
    budgets = np.array([tables[t].budgets[b] for t, b in zip(which[best], pairs[best, 1], strict=True)])
    return Front(which[best], pairs[best, 0], budgets, points[best, 0], 100 - points[best, 1])


def _non_dominated_sorted(points: np.ndarray) -> np.ndarray:
    """Mask (n,) of non-dominated rows of points (n, 2): cheap filter by sorting, ties by the exact rule."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], points[order, 1]]))[:-1]
    candidate = order[points[order, 1] <= best_before]
    mask = np.zeros(len(points), bool)
    mask[candidate] = np.asarray(non_dominated(jnp.asarray(points[candidate])))
    return mask


def scaled(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns (N, B) where measurements at 4 epochs fill, if `SCALED`, the gaps at other budgets in proportion."""
    factors = np.array(BUDGETS) / MEASURED

    def extend(column: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(column), column[:, :1] * factors, column)

    return {name: extend(column) if name in SCALED else column for name, column in columns.items()}


@functools.partial(jax.jit, static_argnames="metric")
def batched(table: EcNas, metric: str, index: jax.Array, budget: jax.Array) -> Answer:
    """`EcNas.at`, compiled once for each metric and batch size: about a million queries in a few milliseconds."""
    return table.at(metric, index, budget)
