"""`jcenas ecnas`."""

import dataclasses
from typing import Literal

import tyro

from jcenas.cli.printing import print_table
from jcenas.errors import MOST_SEED, InputError, check_integer
from jcenas.runtime import process

MOST_EVALUATIONS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Ecnas:
    """EC-NAS, NAS-Bench-101 cells with measured energy: an architecture's numbers, or a front with extremes and knee.

    Attributes:
        action: what to do.
        cell: architecture to query: adjacency digits, a colon, labels, as in 0100:input,output.
        space: cells of at most 4, 5 or 7 vertices.
        epochs: training budget to query: 4, 12, 36 or 108.
        metric: one metric instead of all.
        optimizer: of a search; a wrong name lists the choices.
        evaluations: of a search.
        seed: of a search.
    """

    action: tyro.conf.Positional[Literal["query", "search", "front"]]
    cell: tyro.conf.Positional[str] = ""
    space: Literal["4V", "5V", "7V"] = "4V"
    epochs: int = 108
    metric: str | None = None
    optimizer: str = "semoa"
    evaluations: int = 1000
    seed: int = 0

    def __post_init__(self):
        check_integer("--seed", self.seed, 0, MOST_SEED)
        check_integer("--evaluations", self.evaluations, 1, MOST_EVALUATIONS)
        if self.action == "query" and not self.cell:
            raise InputError("jcenas ecnas query needs a CELL, such as 010001000:input,conv3x3-bn-relu,output")
        if self.action != "query" and self.cell:
            raise InputError(f"jcenas ecnas {self.action} takes no cell; leave {self.cell!r} out")

    @property
    def computes(self) -> bool:
        """A search does; the others look numbers up."""
        return self.action == "search"

    def run(self) -> int:
        """Print what was asked for."""
        from jcenas.tables.ecnas import text as ecnas_text

        if self.action == "query":
            rows = ecnas_text.query_rows(self.space, self.cell, self.epochs, self.metric)
            print_table(("metric", "value", "meaning"), rows)
            return 0
        said = ""
        if self.action == "search":
            process.keep_compiled_programs()
            rows, said = ecnas_text.search_rows(self.space, self.optimizer, self.evaluations, self.seed)
        else:
            rows = ecnas_text.front_rows(self.space)
        print_table(ecnas_text.HEAD, rows)
        if said:
            print(said)
        return 0
