"""A tabular benchmark as a problem: everything is a column, and a training takes the table's seconds."""

import functools
from collections.abc import Sequence

import numpy as np

from jcenas.problems.problem import DIFFERENT
from jcenas.spaces import choices
from jcenas.tables.grid import Listed
from jcenas.tables.table import Table

SUPERNETS = ("one-shot", "few-shot")
SIZES = ("flops", "params")  # one of them is enough: both count the same convolutions


def score_columns(score: str) -> tuple[str, ...]:
    """Names that the column of a score may have."""
    plain = score.replace("-", "")
    return (f"{plain}_error",) if score in SUPERNETS else (f"log_{score}", score)


class TableProblem:
    """Architectures of a table. `error` and `costs` name its complete columns.

    Attributes:
      table: the benchmark.
      error: column of the first objective.
      cost_names: columns of the others.
      reference: of the hypervolume, (m,).
      largest: hypervolume of the whole table.
    """

    def __init__(self, table: Table, *, error: str, costs: Sequence[str], reference: Sequence[float], largest: float):
        self.table, self.error, self.cost_names = table, error, tuple(costs)
        self.reference, self.largest = tuple(float(x) for x in reference), float(largest)

    @property
    def name(self) -> str:
        """Of the table."""
        return self.table.name

    @property
    def space(self):
        """Of the table."""
        return self.table.space

    @property
    def population(self) -> np.ndarray:
        """All architectures of the table, int32 (N, d)."""
        return self._genomes

    @functools.cached_property
    def _genomes(self) -> np.ndarray:
        return np.asarray(self.table.genomes)

    @functools.cached_property
    def _row_of(self) -> dict[tuple[int, ...], int]:
        return {tuple(genome): row for row, genome in enumerate(self.population.tolist())}

    def rows(self, genomes: np.ndarray) -> np.ndarray:
        """Rows of the table, int (n,), of genomes (n, d); -1 where it does not have one."""
        return np.array([self._row_of.get(tuple(genome), -1) for genome in np.asarray(genomes).tolist()], int)

    def column(self, name: str, genomes: np.ndarray) -> np.ndarray:
        """A column, float32 (n,), of genomes (n, d) that the table has."""
        return np.asarray(self.table.column(name))[self.rows(genomes)]

    def has(self, genomes: np.ndarray) -> np.ndarray:
        """Which genomes (n, d) the table has, bool (n,)."""
        return self.rows(genomes) >= 0

    def score_column(self, score: str) -> str | None:
        """The complete column of a score: that of supernets, or of a training-free one or its logarithm; else None."""
        complete = set(self.table.columns) - set(self.table.incomplete)
        return next((name for name in score_columns(score) if name in complete), None)

    def known_scores(self, score: str) -> np.ndarray | None:
        """The column of a score, float32 (N,); None where the table has none."""
        column = self.score_column(score)
        return None if column is None else np.asarray(self.table.columns[column])

    def can_score(self, score: str) -> bool:
        """Whether the table has a column of a score."""
        return self.score_column(score) is not None

    def scores(self, score: str, genomes: np.ndarray) -> np.ndarray:
        """Scores, float32 (n,), of genomes (n, d); zeros where the table has none."""
        column = self.score_column(score)
        return np.zeros(len(genomes), np.float32) if column is None else self.column(column, genomes)

    def to_string(self, genome: tuple[int, ...]) -> str:
        """The variables, joined."""
        return " ".join(str(value) for value in genome)

    def costs(self, genomes: np.ndarray) -> np.ndarray:
        """Columns of the costs, float32 (n, m - 1)."""
        return np.stack([self.column(name, genomes) for name in self.cost_names], axis=1)

    def seconds(self, genomes: np.ndarray) -> np.ndarray:
        """Column `train_seconds`, float32 (n,)."""
        return self.column("train_seconds", genomes)

    def sizes(self, genomes: np.ndarray) -> np.ndarray:
        """Multiply-adds or parameters where the table counts them, float32 (n, k), k at most 1."""
        complete = set(self.table.columns) - set(self.table.incomplete)
        names = [name for name in SIZES if name in complete][:1]
        columns = [self.column(name, genomes) for name in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(genomes), 0), np.float32)

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """What the table's space says, such as paths of NAS-Bench-201 cells; else one-hot genomes; float32 (n, w)."""
        space = self.space.of if isinstance(self.space, Listed) else self.space
        if hasattr(space, "computes"):
            return space.computes(genomes)
        return DIFFERENT * choices.one_hot((self.population.max(axis=0) + 1).tolist(), genomes)
