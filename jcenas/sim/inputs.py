"""What a stage knows of a table's architectures before any is trained: its columns as scores and estimates."""

import jax
import jax.numpy as jnp

from jcenas.engine import inputs as engine
from jcenas.engine.candidates import Inputs
from jcenas.engine.stages import PREDICTOR_SCORE, Stage
from jcenas.errors import InputError
from jcenas.problems.table import TableProblem, score_columns
from jcenas.tables.table import Table


def inputs_of(table: Table) -> Inputs:
    """What the predictor sees of the whole table, leaves (N, ...)."""
    problem = TableProblem(table, error="error", costs=(), reference=(), largest=1.0)
    return engine.inputs_of(problem, PREDICTOR_SCORE)


def estimates(table: Table, stage: Stage) -> jax.Array:
    """Cheap estimates of the error by a stage that orders by them, float32 (N,), smaller is better; else zeros.

    Supernets' are the columns `oneshot_error` and `fewshot_error`; a training-free score is the column of its name, or
    of its logarithm, and larger is better there.

    Raises:
      InputError: the table does not have them.
    """
    if not stage.score or stage.refits:
        return jnp.zeros(table.size, jnp.float32)
    scores = TableProblem(table, error="error", costs=(), reference=(), largest=1.0).known_scores(stage.score)
    if scores is None:
        raise InputError(
            f"table {table.name} has no column of {stage.score} scores, which --stage {stage.name} reads (a complete "
            f"column {' or '.join(score_columns(stage.score))}); use --stage predictor or none"
        )
    return jnp.asarray(scores if stage.supernet else -scores)
