"""Tables by name, with the objectives and the reference point that a search uses unless told otherwise. No JAX here.

Options of a table's entry in the registry:

    cost        column of the default second objective
    reference   (error, cost) that bounds the hypervolume
    estimate    column of cheap estimates; None: the table has none
    released    (error column, cost column, reference) of CE-NAS's own simulator, where they are others
    arguments   positional arguments of the factory
"""

import os
from typing import TYPE_CHECKING, NamedTuple

from jcenas import registry
from jcenas.errors import InputError

PARQUET = (".parquet", ".pq")
FILES = (".csv", ".tsv", ".txt", *PARQUET)  # how the names of a user's own tables end

if TYPE_CHECKING:
    from jcenas.tables.table import Table


class Objectives(NamedTuple):
    """What is minimised: columns, and the point that bounds the hypervolume."""

    error: str
    cost: tuple[str, ...]
    reference: tuple[float, ...]  # of the error, then of each cost


class TableFacts(NamedTuple):
    """What is known of a table before it is loaded."""

    entry: registry.Entry
    cost: str  # the default second objective
    reference: tuple[float, float]  # of (error, cost)
    estimate: str | None  # the default column of cheap estimates; None: the table has none
    released: Objectives | None  # of CE-NAS's own simulator, where they are others

    def objectives(self, accounting: str) -> Objectives:
        """The default objectives in an accounting, "full" or "released"."""
        if accounting == "released" and self.released is not None:
            return self.released
        return Objectives("error", (self.cost,), self.reference)


def is_file(text: str) -> bool:
    """Whether a text is meant as the file of a user's own table, and not as a name."""
    return text.lower().endswith(FILES) or "/" in text or os.sep in text


def table_names() -> tuple[str, ...]:
    """Names of all tables."""
    return registry.names("table")


def check_table(name: str) -> TableFacts:
    """What is known of a table.

    Raises:
      InputError: there is none of that name (names a close one), or its package does not describe it.
    """
    entry = registry.check("table", name).entry
    options = entry.options
    if missing := {"cost", "reference"} - set(options):
        raise InputError(f"table {name!r} of the package {entry.source} does not say its {' and '.join(missing)}")
    released = options.get("released")
    return TableFacts(
        entry,
        options["cost"],
        options["reference"],
        options.get("estimate"),
        Objectives(released[0], (released[1],), released[2]) if released else None,
    )


def load_table(name: str) -> "Table":
    """Load a table.

    Raises:
      InputError: unknown name, or a data file is missing or damaged.
    """
    entry = check_table(name).entry
    return registry.load_entry(entry)(*entry.options.get("arguments", ()))
