"""A user's own function as a problem: any training code, in any framework, called in worker processes.

    problem = Problem.from_function({"depth": [2, 4, 8], "trees": [10, 100]}, evaluate, costs={"nodes": nodes})

How the function is called, and how it stops at the end of an hour, says `jcenas.problems.budget`. Importing this module
imports no JAX, since a worker imports the user's program, which makes the problem.

Letters: n architectures, d variables of a genome, v values of all variables.
"""

import dataclasses
import functools
import math
import multiprocessing
import numbers
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jcenas.errors import InputError, check_integer, without_breaks
from jcenas.problems.budget import Evaluate
from jcenas.problems.problem import DIFFERENT, LARGEST, check_volume
from jcenas.registry.cost_names import MOST_COSTS
from jcenas.spaces.named import Named

if TYPE_CHECKING:
    from jcenas.moo.types import Space

SAMPLE = 256  # architectures that stand for the space: the user's formulas are called for each
REFERENCE_MARGIN = 1.1  # the reference point lies beyond the dearest of them
_MOST_RETRIES = 1_000_000
# What the columns of results and reports are called beside the costs.
_TAKEN = {
    "number",
    "proposal",
    "cell",
    "genome",
    "error",
    "accuracy",
    "validation_accuracy",
    "test_accuracy",
    "seconds",
}
_TAKEN |= {"energy_kwh", "emissions_g"}
TOP_LEVEL = "define it at the top level of a module, since worker processes import it from there"

Formula = Callable[[Any], float]  # of a genome, as the function gets it


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FunctionProblem:
    """Architectures that a user's function evaluates; made by `jcenas.Problem.from_function`, which says what is what.

    Attributes:
        space: what is searched; `Named` where a dict was given.
        evaluate: the function.
        costs_of: formula by name of the cost; None where `evaluate` returns the cost behind the error.
        expected_s: seconds of an evaluation, or a formula of the genome; None: not known.
        reference: (error, cost) that bounds the hypervolume.
        time_limit_s: seconds after which an evaluation is stopped and counts as failed.
        retries: times that an evaluation is tried again where it raised or its process died.
    """

    space: "Space"
    evaluate: Evaluate
    costs_of: Mapping[str, Formula | None]
    reference: tuple[float, ...]
    expected_s: float | Formula | None = None
    time_limit_s: float = math.inf
    retries: int = 0

    @property
    def name(self) -> str:
        """The function's module and name."""
        function = getattr(self.evaluate, "func", self.evaluate)  # of a functools.partial
        module = getattr(function, "__module__", "") or ""
        if module in {"__main__", "__mp_main__"}:  # the program itself; in a worker, by its other name
            module = Path(getattr(sys.modules.get("__main__"), "__file__", None) or module).stem
        return f"{module}.{getattr(function, '__qualname__', type(function).__name__)}"

    @property
    def returned(self) -> tuple[str, ...]:
        """Costs that `evaluate` returns behind the error."""
        return tuple(name for name, formula in self.costs_of.items() if formula is None)

    def given(self, genome: Sequence[int]) -> Any:
        """What the user's functions get for a genome: a dict by name, or a tuple of ints."""
        genome = tuple(map(int, genome))
        return self.space.named(genome) if isinstance(self.space, Named) else genome

    def record(self) -> dict[str, Any]:
        """What config.json says, as JSON values; a run goes on with a problem of the same record, but for `name`."""
        named = self.space if isinstance(self.space, Named) else None
        return {
            "name": self.name,
            "variables": list(named.names) if named else None,
            "values": [[str(value) for value in values] for values in named.values] if named else None,
            "cardinalities": list(map(int, self.space.cardinalities)),
            "costs": list(self.costs_of),
            "returned": list(self.returned),
        }

    # --- what the engine asks (`jcenas.problems.problem.Problem`) -----------------------------------------------------

    @property
    def cost_names(self) -> tuple[str, ...]:
        """As given."""
        return tuple(self.costs_of)

    @property
    def measured(self) -> tuple[str, ...]:
        """Costs that are known after an evaluation only."""
        return self.returned

    @property
    def largest(self) -> float:
        """The box between the reference point and the origin, or the least cost of a sample where that is negative."""
        return float(np.prod(np.array(self.reference) - self._least))

    @property
    def population(self) -> np.ndarray:
        """A fixed sample of the space and its two corners, where those are valid, int32 (at most SAMPLE + 2, d)."""
        return _population(self.space)

    def has(self, genomes: np.ndarray) -> np.ndarray:
        """Which architectures of the space they are, bool (n,)."""
        return _valid(self.space, np.asarray(genomes, np.int32))

    def known_scores(self, score: str) -> None:
        """None: there is no network to score."""
        del score

    def can_score(self, score: str) -> bool:
        """No training-free score: there is no network."""
        del score
        return False

    def to_string(self, genome: tuple[int, ...]) -> str:
        """As the space writes it; else the variables, joined."""
        write = getattr(self.space, "to_string", None)
        return " ".join(map(str, genome)) if write is None else str(write(genome))

    def costs(self, genomes: np.ndarray) -> np.ndarray:
        """Costs by formula, float32 (n, m - 1); zeros where an evaluation has to tell.

        Raises:
            InputError: a formula raised, or gave no finite number; names cost and genome.
        """
        rows = [[self._cost(name, genome) for name in self.costs_of] for genome in np.asarray(genomes).tolist()]
        return np.array(rows, np.float32).reshape(len(rows), len(self.costs_of))

    def seconds(self, genomes: np.ndarray) -> np.ndarray:
        """Expected seconds of an evaluation, float32 (n,); ones where nobody said."""
        if self.expected_s is None:
            return np.ones(len(genomes), np.float32)
        if not callable(self.expected_s):
            return np.full(len(genomes), self.expected_s, np.float32)
        rows = [self._number("seconds", self.expected_s, tuple(genome)) for genome in np.asarray(genomes).tolist()]
        return np.maximum(np.array(rows, np.float32).reshape(len(rows)), 1e-3)

    def sizes(self, genomes: np.ndarray) -> np.ndarray:
        """Variables that are numbers in order, float32 (n, k), k at most d: the predictor's trend follows them."""
        space = self.space
        return np.asarray(genomes)[:, space.ordered() if isinstance(space, Named) else []].astype(np.float32)

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """The choices one-hot, float32 (n, v)."""
        from jcenas.spaces import choices

        return DIFFERENT * choices.one_hot(self.space.cardinalities, genomes)

    def _cost(self, name: str, genome: Sequence[int]) -> float:
        formula = self.costs_of[name]
        return 0.0 if formula is None else self._number(f"costs[{name!r}]", formula, tuple(genome))

    def _number(self, what: str, formula: Formula, genome: tuple[int, ...]) -> float:
        """What a formula says of a genome; asked once."""
        known = self._known.setdefault(what, {})
        if genome not in known:
            try:
                known[genome] = float(formula(self.given(genome)))
            except Exception as error:
                raise InputError(
                    f"{what} of {self.given(genome)} raised {type(error).__name__}: {without_breaks(error)}"
                ) from error
            if not abs(known[genome]) <= LARGEST:
                found = known.pop(genome)
                raise InputError(f"{what} of {self.given(genome)} is {found}; it must be a finite number of 32 bits")
        return known[genome]

    @functools.cached_property
    def _least(self) -> np.ndarray:
        """Corner of the largest box opposite to the reference point, float64 (m,)."""
        return np.append(0.0, np.minimum(self.costs(self.population).min(axis=0), 0.0))

    @functools.cached_property
    def _known(self) -> dict[str, dict[tuple[int, ...], float]]:
        return {}


def make_function_problem(
    space: "Space | Mapping[str, Sequence[Any]]",
    evaluate: Evaluate,
    *,
    costs: Mapping[str, Formula | None],
    reference: Sequence[float] | None = None,
    **options: Any,
) -> FunctionProblem:
    """Check what a user gave; see `jcenas.Problem.from_function`.

    Raises:
        InputError: names the argument and the remedy.
    """
    space = Named.of(space) if isinstance(space, Mapping) else space
    _check_space(space)
    _check_function(evaluate)
    if not isinstance(costs, Mapping) or not costs:
        raise InputError("costs must name a second objective, such as costs={'latency_ms': latency}")
    if len(costs) > MOST_COSTS:
        raise InputError(
            f"costs names {len(costs)} ({', '.join(costs)}); a search takes up to {MOST_COSTS} beside the error"
        )
    for name, formula in costs.items():
        if name in _TAKEN or not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise InputError(f"costs[{name!r}]: no name of a cost, or that of another column; call it latency_ms or so")
        if formula is not None and not callable(formula):
            raise InputError(f"costs[{name!r}] must be a function of a genome, or None where evaluate returns the cost")
    if not _is_number(limit := options["time_limit_s"]) or not limit > 0:
        raise InputError(f"time_limit_s {limit!r}: must be a positive number of seconds")
    check_integer("retries", options["retries"], 0, _MOST_RETRIES)
    expected = options["expected_s"]
    if expected is not None and not callable(expected) and not (_is_number(expected) and 0 < expected < math.inf):
        raise InputError(f"seconds {expected!r}: must be a positive number, or a function of a genome")
    point = None if reference is None else _in_range(_point(reference, list(costs)), list(costs))
    problem = FunctionProblem(space=space, evaluate=evaluate, costs_of=dict(costs), reference=point or (), **options)
    if point is None and problem.returned:
        raise InputError(
            f"evaluate returns {', '.join(problem.returned)}, so nobody knows how large it gets: give "
            f"reference=(error, {', '.join(costs)}), beyond which a result is of no use"
        )
    return problem


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _point(reference: Any, costs: Sequence[str]) -> tuple[float, ...]:
    """A reference point as floats (m,)."""
    values = list(reference) if isinstance(reference, Iterable) else []
    if len(values) != 1 + len(costs) or not all(_is_number(x) and 0 < x < math.inf for x in values):
        raise InputError(f"reference {reference!r}: must be (error, {', '.join(costs)}), positive numbers")
    return tuple(map(float, values))


def with_reference(problem: FunctionProblem, error: float) -> FunctionProblem:
    """The problem with a reference point: as given, or an error and what is dearer than the dearest of a sample."""
    if problem.reference:
        return problem
    dearest = problem.costs(problem.population).max(axis=0)
    reference = (error, *(REFERENCE_MARGIN * float(cost) if cost > 0 else 1.0 for cost in dearest))
    return dataclasses.replace(problem, reference=_in_range(reference, problem.cost_names))


def _in_range(reference: tuple[float, ...], costs: Sequence[str]) -> tuple[float, ...]:
    """The reference point, whose hypervolume 32 bits must hold."""
    check_volume(f"error, {', '.join(costs)}", reference)
    return reference


def _check_space(space: Any) -> None:
    missing = [name for name in ("cardinalities", "sample", "mutate", "features") if not hasattr(space, name)]
    if missing:
        raise InputError(
            f"the space has no {', '.join(missing)}; give a dict from names to lists of values, or a space of "
            "jcenas.spaces"
        )
    try:
        hash(space)
    except TypeError as error:
        raise InputError(f"the space {type(space).__name__} cannot be hashed; make it a frozen dataclass") from error
    if max(space.cardinalities) < 2:
        raise InputError("no variable of the space has a choice")


def _check_function(evaluate: Any) -> None:
    """Whether worker processes will find it."""
    if not callable(evaluate):
        raise InputError("evaluate must be a function (genome, seed, budget, folder) -> values")
    if multiprocessing.parent_process() is not None:
        return  # a worker imports the program; nobody searches there
    name = getattr(evaluate, "__qualname__", type(evaluate).__name__)
    try:
        pickle.dumps(evaluate)
    except Exception as error:
        raise InputError(f"evaluate ({name}) cannot be sent to worker processes: {TOP_LEVEL}") from error
    main = sys.modules.get("__main__")
    if getattr(evaluate, "__module__", "") == "__main__" and not hasattr(main, "__file__"):
        raise InputError(f"evaluate ({name}) was defined at a prompt or in a notebook: {TOP_LEVEL}")


@functools.lru_cache(maxsize=8)
def _population(space: "Space") -> np.ndarray:
    import jax

    ends = np.array([np.zeros(len(space.cardinalities)), np.array(space.cardinalities) - 1], np.int32)
    sample = np.asarray(space.sample(jax.random.key(0), SAMPLE), np.int32)
    return np.unique(np.concatenate([sample, ends[_valid(space, ends)]]), axis=0)


def _valid(space: "Space", genomes: np.ndarray) -> np.ndarray:
    import jax.numpy as jnp

    from jcenas.moo.types import is_valid

    return np.asarray(is_valid(space, jnp.asarray(genomes)), bool)
