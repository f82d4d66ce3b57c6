"""What a stage knows of a table's architectures before any is trained: its columns as scores and estimates."""

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.engine import inputs as engine
from jcenas.engine.predictor import Inputs
from jcenas.engine.stages import PREDICTOR_SCORE, Stage
from jcenas.errors import InputError
from jcenas.problems.table import TableProblem
from jcenas.tables.table import Table


def score_column(table: Table, score: str) -> str | None:
    """The complete column of a training-free score, or of its logarithm; None where the table has none."""
    complete = set(table.columns) - set(table.incomplete)
    return next((name for name in (f"log_{score}", score) if name in complete), None)


def inputs_of(table: Table) -> Inputs:
    """What the predictor sees of the whole table, leaves (N, ...)."""
    problem = TableProblem(table, error="error", costs=(), reference=(), largest=1.0)
    column = score_column(table, PREDICTOR_SCORE)
    scores = None if column is None else np.asarray(table.columns[column])
    return engine.inputs_of(problem, problem.population, scores=scores, among=scores)


def estimates(table: Table, stage: Stage) -> jax.Array:
    """Cheap estimates of the error by a stage that orders by them, float32 (N,), smaller is better; else zeros.

    Supernets' are the columns `oneshot_error` and `fewshot_error`; a training-free score is the column of its name, or
    of its logarithm, and larger is better there.

    Raises:
      InputError: the table does not have them.
    """
    if stage.supernet:
        column, sign = f"{stage.score.replace('-', '')}_error", 1.0
    elif stage.score and not stage.refits:
        column, sign = score_column(table, stage.score) or stage.score, -1.0
    else:
        return jnp.zeros(table.size, jnp.float32)
    if column not in table.columns:
        raise InputError(
            f"table {table.name} has no column {column!r}, which --stage {stage.name} reads; use --stage predictor"
        )
    return sign * table.column(column)
