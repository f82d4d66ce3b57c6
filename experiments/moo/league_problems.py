"""The problems of the league: tables of trained networks, and ZDT and DTLZ on a grid.

A table has fewer networks than its variables have combinations, NAS-Bench-201, NAS-Bench-Macro and the test problems
apart. An optimiser that cannot be told so proposes any combination, and gets the network of the table that differs in
the fewest variables (the first of equals).

Letters: N networks, d variables, m objectives, n proposals.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pandas as pd

from jcenas.errors import InputError
from jcenas.moo import Box, problems
from jcenas.spaces.nasnet import LANAS_OPERATIONS
from jcenas.tables import measured
from jcenas.tables.ecnas.table import ecnas_table
from jcenas.tables.macro import accel_nasbench, darts_1000, nas_bench_macro
from jcenas.tables.table import Table

_WIDER = 1.01  # reference of a table: its largest values times this
_FRONT = 20_000  # points of a known front, of which the largest hypervolume is taken
_CHANNELS = 16  # of the modelled cost of LaNAS's cells


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A problem whose largest hypervolume is known; objectives are minimised.

    Attributes:
      title: what is searched, in a few words.
      space: as the optimisers of `jcenas.moo` see it.
      evaluate: genomes int (n, d) of the space -> objectives, float64 (n, m).
      nearest: any combination of choices (n, d) -> genomes of the space.
      reference: (m,) of the hypervolume.
      largest: hypervolume of all that there is.
      ordinal: whether the variables are numbers rather than names.
    """

    title: str
    space: Any
    evaluate: Callable[[np.ndarray], np.ndarray]
    nearest: Callable[[np.ndarray], np.ndarray]
    reference: np.ndarray
    largest: float
    ordinal: bool

    def missing(self, objectives: np.ndarray) -> float:
        """Natural logarithm of the hypervolume that objectives (n, m) miss, at least a ten-millionth of the largest."""
        found = float(moocore.hypervolume(objectives, ref=self.reference))
        return float(np.log(max(self.largest - found, 1e-7 * self.largest)))


def _of_table(
    table: Table, columns: Sequence[str], *, reference: Sequence[float] | None = None, ordinal: bool = False
) -> Problem:
    """Columns of a table as objectives; where one has no unit of its own size, in millions."""
    units = np.array([1e-6 if name in ("flops", "params", "cell_params") else 1.0 for name in columns])
    values = np.asarray(table.objectives(columns), np.float64) * units
    point = _WIDER * values.max(axis=0) if reference is None else np.array(reference, float)
    genomes = np.asarray(table.genomes)
    rows = jax.jit(table.rows)

    def nearest(proposals: np.ndarray) -> np.ndarray:
        return np.stack([genomes[np.argmin((genomes != one).sum(axis=1))] for one in proposals])

    return Problem(
        title=f"{table.name}: {' against '.join(columns)}",
        space=table.space,
        evaluate=lambda proposals: values[np.asarray(rows(jnp.asarray(proposals, jnp.int32)))],
        nearest=nearest if len(genomes) < np.prod(np.array(table.space.cardinalities, float)) else np.asarray,
        reference=point,
        largest=float(moocore.hypervolume(values, ref=point)),
        ordinal=ordinal,
    )


def _lanas() -> Problem:
    """The cells that LaNAS trained; the cost is modelled: weights of the cell's separable convolutions."""
    frame = measured.read("lanas_nasnet_trace/lanas_distributed_trace_5402.csv.gz")
    frame = frame[frame["cifar10_test_acc_200ep"] > 0].drop_duplicates("encoding")  # 0: a training that failed
    genomes = np.array([[int(digit) for digit in text.split()] for text in frame["encoding"]])
    sides = {"sep_conv_3x3": 9, "sep_conv_5x5": 25}
    weights = [2 * (sides[name] * _CHANNELS + _CHANNELS**2) if name in sides else 0 for name in LANAS_OPERATIONS]
    names = [f"variable_{i}" for i in range(genomes.shape[1])]
    made = pd.DataFrame(genomes - genomes.min(axis=0), columns=pd.Index(names))
    made["error"] = 100 - frame["cifar10_test_acc_200ep"].to_numpy()
    made["cell_params"] = np.array(weights)[genomes[:, : genomes.shape[1] // 2]].sum(axis=1)
    return _of_table(Table.from_frame(made, genome=names, name="lanas"), ("error", "cell_params"))


def _known(problem: problems.Problem, name: str, reference: Sequence[float]) -> Problem:
    """A continuous problem on a grid of 4,097 levels a variable."""
    space = Box(variables=problem.variables)
    point = np.array(reference, float)
    evaluate = jax.jit(jax.vmap(problem.evaluate))
    front = np.asarray(problem.front(_FRONT if problem.objectives == 2 else _FRONT // 10), np.float64)
    return Problem(
        title=name,
        space=space,
        evaluate=lambda genomes: np.asarray(evaluate(space.features(jnp.asarray(genomes))), np.float64),
        nearest=np.asarray,
        reference=point,
        largest=float(moocore.hypervolume(front, ref=point)),
        ordinal=True,
    )


_THREE = ("error", "a100_ms_per_image", "params")  # the latencies of the FPGAs are not known of all
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "nb201": lambda: _of_table(measured.nasbench201(), ("error", "fpga_energy_mj"), reference=(100.0, 70.0)),
    "nb201-flops": lambda: _of_table(measured.nasbench201("cifar100"), ("error", "flops")),
    "ecnas5v": lambda: _of_table(ecnas_table("5V"), ("error", "energy_kwh")),
    "ecnas7v": lambda: _of_table(ecnas_table("7V"), ("error", "energy_kwh")),
    "macro": lambda: _of_table(nas_bench_macro(), ("error", "flops")),
    "darts1000": lambda: _of_table(darts_1000(), ("error", "cell_params")),
    "lanas": _lanas,
    "accel3": lambda: _of_table(accel_nasbench(), _THREE, ordinal=True),
    "zdt1": lambda: _known(problems.zdt1(), "ZDT1, 30 variables", (11, 11)),
    "zdt3": lambda: _known(problems.zdt3(), "ZDT3, 30 variables", (11, 11)),
    "dtlz2": lambda: _known(problems.dtlz2(), "DTLZ2, 12 variables, 3 objectives", (2.5, 2.5, 2.5)),
    "dtlz7": lambda: _known(problems.dtlz7(), "DTLZ7, 22 variables, 3 objectives", (15, 15, 15)),
    # Small enough for a check of the league itself: no data, no compilation of large models.
    "tiny": lambda: _known(problems.zdt1(3), "ZDT1, 3 variables", (11, 11)),
}


@functools.cache
def load(name: str) -> Problem:
    """A problem by name, read once.

    Raises:
      InputError: no such problem, or its data file is missing.
    """
    if name not in PROBLEMS:
        raise InputError(f"the league has no problem {name!r}; it has {', '.join(PROBLEMS)}")
    return PROBLEMS[name]()
