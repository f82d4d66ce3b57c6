"""The Pareto front of a live search, kept up to date evaluation by evaluation."""

from collections.abc import Sequence

import numpy as np


class Front:
    """What no other evaluation dominates. All objectives are minimised; equal ones stay side by side.

    An evaluation costs a comparison with the front alone, however many there were before.

    Attributes:
        rows: catalogue rows of the front, in the order of their evaluation.
        objectives: theirs, float64 (n, m).
    """

    def __init__(self, objectives: int):
        """An empty front of so many objectives."""
        self.rows: list[int] = []
        self.objectives = np.zeros((0, objectives))

    def add(self, row: int, objectives: Sequence[float]) -> bool:
        """Take in an evaluation; whether it is on the front. One that is not finite never is."""
        new = np.asarray(objectives, float)
        no_worse = (self.objectives <= new).all(axis=1)
        if not np.isfinite(new).all() or (no_worse & (self.objectives < new).any(axis=1)).any():
            return False
        worse = (new <= self.objectives).all(axis=1) & (new < self.objectives).any(axis=1)
        stay = np.flatnonzero(~worse)
        self.rows = [self.rows[place] for place in stay] + [row]
        self.objectives = np.concatenate([self.objectives[stay], new[None]])
        return True
