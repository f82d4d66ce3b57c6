"""The scored proposals that wait for training: few, and the best ones first.

Order: fewest dominators among all waiting ones first (the dominance number of the estimated objectives, as in the
released CE-NAS simulator), then the smaller estimated error, then the older proposal.
"""

from typing import NamedTuple

import jax
import numpy as np

from jcenas.moo.pareto import dominance_number

_dominance_number = jax.jit(dominance_number)


class Waiting(NamedTuple):
    """A proposal with its estimates."""

    proposal: int
    genome: tuple[int, ...]
    error: float
    cost: float


class ProposalQueue:
    """At most `capacity` proposals; what does not fit falls out at the far end."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """All of them, the next one first."""
        return tuple(self._waiting)

    def push(self, scored: list[Waiting]) -> list[Waiting]:
        """Add proposals and return those that fell out."""
        everything = self._waiting + scored
        if not everything:
            return []
        ranks = self._ranks(everything)
        order = sorted(range(len(everything)), key=lambda i: (ranks[i], everything[i].error, everything[i].proposal))
        ordered = [everything[i] for i in order]
        self._waiting = ordered[: self.capacity]
        return ordered[self.capacity :]

    def _ranks(self, waiting: list[Waiting]) -> np.ndarray:
        """Dominance number of each, on arrays padded to few sizes so that few programs are compiled."""
        rows = -(-len(waiting) // 64) * 64
        objectives = np.full((rows, 2), np.inf, np.float32)
        objectives[: len(waiting)] = [[w.error, w.cost] for w in waiting]
        return np.asarray(_dominance_number(objectives, np.arange(rows) < len(waiting)))[: len(waiting)]

    def pop(self) -> Waiting:
        """Take the best one."""
        return self._waiting.pop(0)
