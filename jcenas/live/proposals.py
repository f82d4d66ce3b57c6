"""The catalogue of what a live search has proposed, in the order of the proposals, and what is known of each."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.engine.candidates import Inputs
from jcenas.engine.inputs import normal_scores, size_scores
from jcenas.engine.stages import Stage
from jcenas.engine.state import Catalog
from jcenas.problems.problem import Problem

Genome = tuple[int, ...]
FIRST_ROWS = 1024  # of the arrays; they double where they do not suffice


class Proposals:
    """Genomes and scores by row, on the host.

    Attributes:
        genomes: of the rows.
        row_of: the row of a genome.
        table: the same as an array, int32 (length, d), zeros behind the last.
        scores: float64 (length,), NaN where there is none.
    """

    def __init__(self, problem: Problem):
        """Nothing proposed yet."""
        self.problem = problem
        self.genomes: list[Genome] = []
        self.row_of: dict[Genome, int] = {}
        self.table = np.zeros((FIRST_ROWS, len(problem.space.cardinalities)), np.int32)
        self.scores = np.full(FIRST_ROWS, np.nan)
        self._known: dict[str, np.ndarray] = {}

    @property
    def length(self) -> int:
        """Rows that the arrays have room for."""
        return len(self.table)

    def append(self, genome: Genome) -> None:
        """A new row."""
        row = len(self.genomes)
        if row == self.length:
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
            self.scores = np.concatenate([self.scores, np.full(row, np.nan)])
        self.table[row] = genome
        self.genomes.append(genome)
        self.row_of[genome] = row

    def catalog(self, stage: Stage) -> Catalog:
        """What is known of all proposals as arrays of the catalogue's length.

        A score of a supernet is an estimated error; of a training-free one, larger is better.
        """
        n = len(self.genomes)
        scores = self.scores[:n]
        estimate = scores if stage.supernet else -scores
        return Catalog(
            genomes=jnp.asarray(self.table),
            costs=self._padded(self._column("costs", self.problem.costs)),
            estimate=self._padded(np.where(np.isfinite(estimate), estimate, np.inf)),
            inputs=self._inputs(scores, stage.score) if stage.refits else self._no_inputs(),
            seconds=self._padded(self._column("seconds", self.problem.seconds)),
        )

    def _padded(self, values: np.ndarray) -> jax.Array:
        """Values (n, ...) as float32 of the catalogue's length, zeros behind."""
        array = np.zeros((len(self.table), *values.shape[1:]), np.float32)
        array[: len(values)] = values
        return jnp.asarray(array)

    def _column(self, name: str, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What is known of all proposals, computed for those that are new since the last time."""
        known = self._known.get(name)
        have = 0 if known is None else len(known)
        if known is None or have < len(self.genomes):
            fresh = np.asarray(measure(self.table[have : len(self.genomes)]))
            known = self._known[name] = fresh if known is None else np.concatenate([known, fresh])
        return known

    def _inputs(self, scores: np.ndarray, score: str) -> Inputs:
        """What the predictor sees; scores (n,) are ranked among those of the whole problem, or those found so far."""
        columns = [self._column("sizes", lambda genomes: size_scores(self.problem, genomes))]
        among = self.problem.known_scores(score)
        if among is not None:
            columns.insert(0, normal_scores(scores, among)[:, None])
        elif self.problem.can_score(score):
            columns.insert(0, normal_scores(scores, scores[~np.isnan(scores)])[:, None])
        computes = self._column("computes", self.problem.computes)
        return Inputs(self._padded(np.concatenate(columns, axis=1)), self._padded(computes))

    def _no_inputs(self) -> Inputs:
        """For stages that look at none."""
        nothing = jnp.zeros((len(self.table), 0), jnp.float32)
        return Inputs(nothing, nothing)
