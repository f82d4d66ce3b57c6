"""The table of simulated searches: of the registry, a user's file, or a `Table` handed over."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.problems.problem import check_volume
from jcenas.sim.config import Accounting, TableChoice
from jcenas.tables.names import Objectives, check_table, is_file, load_table
from jcenas.tables.own_table import ERROR, SECONDS, TRAIN_SECONDS, from_csv
from jcenas.tables.table import Table
from jcenas.tables.table_file import check_columns

_Choice = TypeVar("_Choice", bound=TableChoice)
BEYOND = 0.05  # of a column's range: so far beyond its worst value lies the reference point


class LoadedTable(NamedTuple):
    """A table, and what searches minimise."""

    table: Table
    objectives: Objectives
    notes: tuple[str, ...]  # what the reader of a user's table assumed, a line each


def load(config: TableChoice, accounting: Accounting) -> LoadedTable:
    """The table that a configuration names or holds.

    Args:
      config: the choice.
      accounting: what a table of the registry measures may depend on it.

    Raises:
      InputError: it cannot be read, or lacks a column.
    """
    given = config.table
    if isinstance(given, Table):
        return _own(given, config.error or ERROR, config.cost)
    if not isinstance(given, str):
        raise InputError(f"a table is a name, a file or a jcenas.tables.Table, not a {type(given).__name__}")
    if not is_file(given):
        return _named(load_table(given), config, accounting)
    table = from_csv(
        Path(given),
        genome=config.genome,
        error=config.error,
        costs=config.cost,
        seconds=config.seconds,
        maximise=config.maximise,
    )
    space = type(table.space).__name__
    shape = " x ".join(map(str, table.space.cardinalities))
    whole = "all combinations" if space == "Grid" else "a list, since not all combinations are there"
    loaded = _own(table, ERROR, [f"-{name}" if name in config.maximise else name for name in config.cost])
    notes = (f"{table.size} architectures of {shape} choices ({whole})", *(f"{k}: {v}" for k, v in table.notes))
    return loaded._replace(notes=(*(f"{table.name}: {note}" for note in notes), *loaded.notes))


def in_memory(config: _Choice, loaded: LoadedTable) -> _Choice:
    """The choice with the table that was loaded in the place of the user's file, so that it is not read again."""
    if not isinstance(config.table, str) or not is_file(config.table):
        return config
    columns = {"genome": (), "error": ERROR, "cost": loaded.objectives.cost, "seconds": "", "maximise": ()}
    return dataclasses.replace(config, table=loaded.table, **columns)


def _named(table: Table, config: TableChoice, accounting: Accounting) -> LoadedTable:
    assert isinstance(config.table, str)
    objectives = check_table(config.table).objectives(accounting)
    if not config.cost or tuple(config.cost) == objectives.cost:
        return LoadedTable(table, objectives, ())
    check_columns(f"table {table.name}", config.cost, table.columns)
    if objectives.error in config.cost:
        raise InputError(f"--cost {objectives.error}: this is the first objective already; name another column")
    usual = dict(zip(objectives.cost, objectives.reference[1:], strict=True))
    # The reference point: 5 % beyond the dearest architecture.
    most = [usual.get(name) or 1.05 * float(np.max(table.column(name))) for name in config.cost]
    chosen = Objectives(objectives.error, tuple(config.cost), (objectives.reference[0], *most))
    return LoadedTable(table, chosen, (_said(table, chosen),) if len(most) > 1 else ())


def _said(table: Table, objectives: Objectives) -> str:
    named = zip((objectives.error, *objectives.cost), objectives.reference, strict=True)
    point = ", ".join(f"{name} {value:.4g}" for name, value in named)
    return f"{table.name}: the reference point is {point}"


def _own(table: Table, error: str, costs: Sequence[str]) -> LoadedTable:
    """A user's table, with its reference point, and a constant time of training where it does not know one."""
    if not costs:
        raise InputError(f"--cost: name the second objective; the columns of {table.name} are {_columns(table)}")
    known = table.columns  # where a cost is maximised, they hold its negative
    costs = [f"-{name}" if name not in known and f"-{name}" in known else name for name in costs]
    check_columns(f"table {table.name}", (error, *costs), known)
    if error in costs:
        raise InputError(f"--cost {error}: this is the first objective already; name another column")
    notes = []
    if TRAIN_SECONDS not in table.columns:
        constant = jnp.full(table.size, SECONDS, jnp.float32)
        table = table.replace(columns=table.columns | {TRAIN_SECONDS: constant})
        notes.append(f"{table.name}: no column {TRAIN_SECONDS}, so that every training takes {SECONDS:g} s")
    values = np.asarray(table.objectives((error, *costs)), np.float64)
    least, worst = values.min(axis=0), values.max(axis=0)
    beyond = np.where(worst > least, worst - least, np.maximum(np.abs(worst), 1.0))
    reference = worst + BEYOND * beyond
    check_volume(f"{table.name}: {', '.join((error, *costs))}", reference - least)
    objectives = Objectives(error, tuple(costs), tuple(reference.tolist()))
    return LoadedTable(table, objectives, (*notes, _said(table, objectives)))


def _columns(table: Table) -> str:
    return ", ".join(sorted(table.columns))
