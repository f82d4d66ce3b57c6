"""Tables by name, with the objectives and the reference point that a search uses unless told otherwise. No JAX here."""

import difflib
import importlib
from typing import TYPE_CHECKING, NamedTuple

from jcenas.errors import InputError

if TYPE_CHECKING:
    from jcenas.tables.table import Table


class Objectives(NamedTuple):
    """What is minimised."""

    error: str
    cost: str
    reference: tuple[float, float]


class Entry(NamedTuple):
    """What is known of a table before it is loaded."""

    module: str
    function: str
    arguments: tuple
    cost: str  # the default second objective
    reference: tuple[float, float]  # of (error, cost)
    estimate: str | None  # the default column of cheap estimates; None: the table has none
    help: str
    released: Objectives | None = None  # of CE-NAS's own simulator, where they are others

    def objectives(self, accounting: str) -> Objectives:
        """The default objectives in an accounting, "full" or "released"."""
        if accounting == "released" and self.released is not None:
            return self.released
        return Objectives("error", self.cost, self.reference)


_NB201 = "jcenas.tables.measured"
_MACRO = "jcenas.tables.macro"
_ECNAS = ("jcenas.tables.ecnas.table", "ecnas_table")
TABLES = {
    "digits": Entry(
        "jcenas.tables.digits",
        "digits",
        (),
        "params",
        (10, 101_000),
        "oneshot_error",
        "2,000 NAS-Bench-201 cells on digits",
    ),
    "toy": Entry("jcenas.tables.toy", "toy", (), "energy_mj", (100, 60), "oneshot_error", "analytic, needs no data"),
    "nasbench201": Entry(
        _NB201,
        "nasbench201",
        ("cifar10",),
        "fpga_energy_mj",
        (100, 70),
        "fewshot_error",
        "NAS-Bench-201 on CIFAR-10, FPGA energy",
        released=Objectives("released_error", "edge_gpu_energy_mj", (100, 50)),
    ),
    "nasbench201-cifar100": Entry(
        _NB201, "nasbench201", ("cifar100",), "fpga_energy_mj", (100, 70), None, "NAS-Bench-201 on CIFAR-100"
    ),
    "nasbench201-imagenet16": Entry(
        _NB201, "nasbench201", ("imagenet16",), "fpga_energy_mj", (100, 70), None, "NAS-Bench-201 on ImageNet16-120"
    ),
    "nas-bench-macro": Entry(_MACRO, "nas_bench_macro", (), "flops", (100, 2e8), None, "NAS-Bench-Macro on CIFAR-10"),
    "accel-nasbench": Entry(
        _MACRO, "accel_nasbench", (), "a100_ms_per_image", (100, 1.0), None, "Accel-NASBench on ImageNet"
    ),
    "darts-1000": Entry(_MACRO, "darts_1000", (), "cell_params", (100, 1e4), None, "1,000 networks of the DARTS space"),
    "ecnas-4v": Entry(*_ECNAS, ("4V",), "energy_kwh", (100, 1.1), None, "EC-NAS, 91 cells, training energy"),
    "ecnas-5v": Entry(*_ECNAS, ("5V",), "energy_kwh", (100, 1.4), None, "EC-NAS, 1,525 cells, training energy"),
    "ecnas-7v": Entry(*_ECNAS, ("7V",), "energy_kwh", (100, 1.0), None, "EC-NAS, 1,013 cells, surrogate energy"),
}


def table_names() -> tuple[str, ...]:
    """Names of all tables."""
    return tuple(TABLES)


def check_table(name: str) -> Entry:
    """What is known of a table.

    Raises:
      InputError: there is none of that name; names a close one.
    """
    if name not in TABLES:
        close = difflib.get_close_matches(name, TABLES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"unknown table {name!r}; {hint}the tables are {', '.join(TABLES)}")
    return TABLES[name]


def load_table(name: str) -> "Table":
    """Load a table.

    Raises:
      InputError: unknown name, or a data file is missing or damaged.
    """
    entry = check_table(name)
    return getattr(importlib.import_module(entry.module), entry.function)(*entry.arguments)
