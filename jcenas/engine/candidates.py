"""What a cheap stage is shown: the finished evaluations, the proposals that might be trained next, and the moment.

Letters: c room for evaluations, k candidates, g trainings that were cut, w numbers that stand for what an architecture
computes, m objectives.
"""

from typing import NamedTuple

import jax


class Inputs(NamedTuple):
    """Input features of the Gaussian process, a row for each architecture."""

    scores: jax.Array  # (n, number of scores) float32, standardised; perhaps none
    computes: jax.Array  # (n, w) float32

    def at(self, rows: jax.Array) -> "Inputs":
        """Those of some rows."""
        return Inputs(self.scores[rows], self.computes[rows])


class Evaluated(NamedTuple):
    """What training has found so far."""

    inputs: Inputs  # (c, ...)
    objectives: jax.Array  # (c, m) float32 as observed; non-finite where a training failed
    mask: jax.Array  # (c,) bool, True where there is an evaluation


class Candidates(NamedTuple):
    """Proposals that might be trained next."""

    inputs: Inputs  # (k, ...)
    costs: jax.Array  # (k, m - 1) float32
    estimate: jax.Array  # (k,) float32 of the first objective, smaller is better
    seconds: jax.Array  # (k,) float32, device-seconds of a training
    mask: jax.Array  # (k,) bool, True where there is a candidate

    def at(self, rows: jax.Array) -> "Candidates":
        """Those of some rows."""
        return Candidates(
            self.inputs.at(rows), self.costs[rows], self.estimate[rows], self.seconds[rows], self.mask[rows]
        )


class Goal(NamedTuple):
    """What the search is after, and how much it has left for it."""

    reference: jax.Array  # (m,) float32, of the hypervolume
    left: jax.Array  # () float32, share of the scarcest budget, time or carbon, that is not spent


class Moment(NamedTuple):
    """What a ranking depends on beside evaluations and candidates."""

    goal: Goal
    pending: Candidates  # (g, ...), trainings that were cut and go on: nobody knows their errors yet
