"""The contract of a problem: what the engine asks about architectures that nobody has trained yet.

Arrays are NumPy's and live on the host: a search asks for a few hundred architectures an hour.

Letters: n architectures, d variables of a genome, m objectives, k counted sizes, w numbers that stand for what an
architecture computes.
"""

from typing import Protocol

import numpy as np

from jcenas.moo.types import Space

DIFFERENT = 0.7  # of a one-hot variable: architectures that differ in one choice are at distance 1


class Problem(Protocol):
    """Space, objectives and what is known of an architecture without training it."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        ...

    @property
    def space(self) -> Space:
        """What is searched."""
        ...

    @property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the m - 1 costs."""
        ...

    @property
    def reference(self) -> tuple[float, ...]:
        """The point (m,) that bounds the hypervolume: of no use, and dearer than the dearest."""
        ...

    @property
    def largest(self) -> float:
        """Hypervolume over which a search's is stated: the best that is known, or the box to the reference."""
        ...

    def has(self, genomes: np.ndarray) -> np.ndarray:
        """Which architectures (n, d) may be evaluated, bool (n,)."""
        ...

    def known_scores(self, score: str) -> np.ndarray | None:
        """A training-free score of the whole `population`, float (N,), where it is known beforehand; else None."""
        ...

    def can_score(self, score: str) -> bool:
        """Whether a training-free score can be had at all, beforehand or by an executor."""
        ...

    def to_string(self, genome: tuple[int, ...]) -> str:
        """The architecture as its community writes it."""
        ...

    def costs(self, genomes: np.ndarray) -> np.ndarray:
        """Costs, float (n, m - 1), of genomes int (n, d): exact where counted, for the order where measured."""
        ...

    def seconds(self, genomes: np.ndarray) -> np.ndarray:
        """Device-seconds that a training takes or is expected to take, float (n,)."""
        ...

    def sizes(self, genomes: np.ndarray) -> np.ndarray:
        """Counted sizes that tend to go with quality, such as multiply-adds, float (n, k)."""
        ...

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Numbers that are equal for architectures that compute the same, float32 (n, w)."""
        ...

    @property
    def population(self) -> np.ndarray:
        """Genomes (N, d) that stand for the whole space: those among which a size is ranked."""
        ...
