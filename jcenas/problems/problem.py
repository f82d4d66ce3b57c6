"""The contract of a problem: what the engine asks about architectures that nobody has trained yet.

Arrays are NumPy's and live on the host: a search asks for a few hundred architectures an hour.

Letters: n architectures, d variables of a genome, m objectives, k counted sizes, w numbers that stand for what an
architecture computes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jcenas.errors import InputError

if TYPE_CHECKING:
    from jcenas.moo.types import Space
    from jcenas.problems.budget import Evaluate
    from jcenas.problems.function import FunctionProblem

LARGEST = float(np.finfo(np.float32).max)  # number that the engine can hold
DIFFERENT = 0.7  # of a one-hot variable: architectures that differ in one choice are at distance 1


class _Makers(type(Protocol)):
    """Ways to make a problem, called on `Problem` itself: no part of what a problem must have."""

    def from_function(
        cls,
        space: "Space | Mapping[str, Sequence[Any]]",
        evaluate: "Evaluate",
        *,
        costs: Mapping[str, Callable[[Any], float] | None],
        seconds: float | Callable[[Any], float] | None = None,
        reference: Sequence[float] | None = None,
        time_limit_s: float = math.inf,
        retries: int = 0,
    ) -> "FunctionProblem":
        """A problem whose architectures a function of the user evaluates, in worker processes.

        Args:
            space: a dict from names to lists of values, such as {"depth": [2, 4, 8]}, numbers in order; or a
                `jcenas.moo.types.Space`, hashable. Functions then get a dict of values, or a tuple of ints.
            evaluate: function (genome, seed, budget, folder) -> values, see `jcenas.problems.budget`. Defined at the
                top level of a module. NaN, too few values or an exception is a failed evaluation, and the search goes
                on.
            costs: second objective by name, smaller is better: a function of a genome that needs no training, called
                in the search's own process; or None where `evaluate` returns it behind the error.
            seconds: that an evaluation is expected to take, or a function of a genome; what is cheap is then tried
                first by the predictor. If not given, all are taken to be alike.
            reference: (error, cost) beyond which a result is of no use: it bounds the hypervolume. If not given, the
                search's `reference_error`, or 1, and a tenth more than the dearest of a sample.
            time_limit_s: seconds in a worker after which an evaluation is stopped and has failed.
            retries: times that an evaluation is tried again where it raised or its process died.

        Raises:
            InputError: names the argument and the remedy.
        """
        from jcenas.problems.function import make_function_problem

        options = {"expected_s": seconds, "time_limit_s": time_limit_s, "retries": retries}
        return make_function_problem(space, evaluate, costs=costs, reference=reference, **options)


class Problem(Protocol, metaclass=_Makers):
    """Space, objectives and what is known of an architecture without training it."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        ...

    @property
    def space(self) -> "Space":
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


def check_volume(objectives: str, sides: Sequence[float]) -> None:
    """Refuse units in which the largest hypervolume, or a millionth of it, is no float of 32 bits.

    Args:
        objectives: what they are called.
        sides: of the largest hypervolume, (m,).

    Raises:
        InputError: names the objectives and the remedy.
    """
    volume = math.prod(map(float, sides))
    if not 1e6 * float(np.finfo(np.float32).tiny) < volume < LARGEST:
        unit = "smaller" if volume < 1 else "larger"
        raise InputError(
            f"{objectives}: hypervolumes of up to {volume:.3g} are beyond what 32 bits hold; give one of them in a "
            f"{unit} unit"
        )
