"""Ask and tell from a plain Python script: a search that needs no `jit`, no capacity and, at first, no reference.

    study = Study(space, reference=(90.0, 40.0), maximise=(True, False))  # accuracy (%), milliseconds
    for _ in range(100):
        genomes = study.ask()
        study.tell(genomes, [measure(genome) for genome in genomes])
    study.front()

Values are kept as they are told, in double precision; the optimiser gets them as losses (`jcenas.moo.goals`).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.moo.goals import Goals, first_reference
from jcenas.moo.lamoo import lamoo_ehvi
from jcenas.moo.types import Optimizer, Space, is_valid

Factory = Callable[..., Optimizer]  # (space, *, capacity, batch, reference)
_INITIAL = 10  # results from which a reference is taken where the user knows of none
_TRIES = 64
_ROOM = 256  # evaluations before everything is compiled for twice as many


class Results(NamedTuple):
    """Evaluated genomes, in the order in which they were first told; n of them."""

    genomes: np.ndarray  # (n, d) int32
    objectives: np.ndarray  # (n, m) float64
    violations: np.ndarray  # (n, k) float64

    @property
    def fine(self) -> np.ndarray:
        """Mask, bool (n,): evaluated without failure, and all constraints kept."""
        return np.all(np.isfinite(self.objectives), axis=1) & np.all(self.violations <= 0, axis=1)


class Study:
    """A search with a memory, told by whoever evaluates; not for several threads at once."""

    def __init__(
        self,
        space: Space,
        optimizer: Factory = lamoo_ehvi,
        *,
        reference: Sequence[float] | None = None,
        maximise: Sequence[bool] | None = None,
        constraints: int = 0,
        batch: int = 1,
        seed: int = 0,
    ):
        """Prepare a search; nothing is compiled before the first `ask`.

        Args:
          space: what is searched.
          optimizer: factory(space, *, capacity, batch, reference), such as `lamoo_ehvi`, `bayesian`, `semoa`,
            `nsga2_by_reference` or `random_by_reference`.
          reference: (m,) what a result must be better than to count, in the user's own units and directions. None takes
            one from the first ten results (`jcenas.moo.goals.first_reference`), which are uniform draws unless known
            ones are told.
          maximise: for each objective whether more is better; None minimises all.
          constraints: number k of violations told with each result; one is kept where it is not above 0.
          batch: genomes of one `ask`.
          seed: of all draws.

        Raises:
          ValueError: what cannot be, such as a reference that is not finite, or a batch below 1.
        """
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.space, self._make, self._batch = space, optimizer, batch
        self._maximise, self._constraints = maximise, constraints
        self._goals: Goals | None = None
        if reference is not None:
            self._goals = Goals.of(reference, maximise=maximise, constraints=constraints)
        self._key = jax.random.key(seed)
        self._told: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._pending: dict[tuple[int, ...], None] = {}
        self._new: list[tuple[int, ...]] = []  # told, and not yet to the optimiser
        self._state: Any = None
        self._room = _ROOM

    def ask(self) -> np.ndarray:
        """Genomes to evaluate next, int32 (batch, d); they count as pending until they are told."""
        if self._goals is None and self._fine() >= _INITIAL:
            self._take_reference()
        self._key, now = jax.random.split(self._key)
        genomes = self._draw(now) if self._goals is None else self._propose(now)
        self._pending |= dict.fromkeys(map(tuple, genomes.tolist()))
        return genomes

    def tell(self, genomes: ArrayLike, objectives: ArrayLike, violations: ArrayLike | None = None) -> None:
        """Take in results, also of genomes that were never asked for: what is known before the search.

        Args:
          genomes: int (n, d).
          objectives: (n, m) in the user's own units and directions; a row that is not finite is a failed evaluation.
          violations: (n, k), or (n,) where there is one constraint.

        Raises:
          ValueError: names the shape that does not fit, or a genome that is not of the space; nothing is taken in then.
        """
        rows, values = np.asarray(genomes), np.asarray(objectives, np.float64)
        far = None if violations is None else np.asarray(violations, np.float64)
        far = far[:, None] if far is not None and far.ndim == 1 else far
        self._check(rows, values, far)
        far = np.zeros((len(rows), 0)) if far is None else far
        for genome, value, violation in zip(map(tuple, rows.tolist()), values, far, strict=True):
            self._told[genome] = value, violation
            self._pending.pop(genome, None)
            self._new.append(genome)

    def results(self) -> Results:
        """All that was told; of a genome told twice the latest."""
        genomes = np.array(list(self._told), np.int32).reshape(-1, len(self.space.cardinalities))
        values = [value for value, _ in self._told.values()]
        far = [violation for _, violation in self._told.values()]
        shape = len(values[0]) if values else 0
        return Results(
            genomes, np.array(values).reshape(len(far), shape), np.array(far).reshape(len(far), self._constraints)
        )

    def front(self) -> Results:
        """The non-dominated results among those that keep all constraints."""
        every = self.results()
        chosen = np.flatnonzero(every.fine)
        losses = every.objectives[chosen] * self._sign(every.objectives.shape[1])
        best = [not ((losses <= one).all(axis=1) & (losses < one).any(axis=1)).any() for one in losses]
        rows = chosen[np.array(best, bool)]
        return Results(*(part[rows] for part in every))

    @property
    def reference(self) -> np.ndarray | None:
        """The reference (m,) in the user's own terms; None while it is not known."""
        return None if self._goals is None else self._goals.sign * self._goals.reference

    def _sign(self, m: int) -> np.ndarray:
        return np.ones(m) if self._maximise is None else np.where(np.asarray(self._maximise, bool), -1.0, 1.0)

    def _fine(self) -> int:
        return int(self.results().fine.sum()) if self._told else 0

    def _take_reference(self) -> None:
        every = self.results()
        m = every.objectives.shape[1]
        maximise = [False] * m if self._maximise is None else self._maximise
        point, unit = first_reference(every.objectives[every.fine], maximise)
        self._goals = Goals.of(point.tolist(), maximise=maximise, constraints=self._constraints, unit=unit)

    def _check(self, genomes: np.ndarray, values: np.ndarray, far: np.ndarray | None) -> None:
        """Raise ValueError where results do not fit the search, or each other."""
        sizes = np.array(self.space.cardinalities)
        if genomes.ndim != 2 or genomes.shape[1] != len(sizes) or not np.issubdtype(genomes.dtype, np.integer):
            raise ValueError(
                f"genomes must be integers of shape (n, {len(sizes)}), got {genomes.dtype} {genomes.shape}"
            )
        inside = np.all((genomes >= 0) & (genomes < sizes), axis=1)
        inside[inside] = np.asarray(is_valid(self.space, jnp.asarray(genomes[inside], jnp.int32)))
        if not inside.all():
            raise ValueError(f"genome {genomes[~inside][0].tolist()} is not of the space")
        if values.ndim != 2 or len(values) != len(genomes) or not values.shape[1]:
            raise ValueError(f"objectives must have shape ({len(genomes)}, m), got {values.shape}")
        m = values.shape[1]
        if self._goals is None and self._told:
            m = len(next(iter(self._told.values()))[0])
        like = self._goals or Goals.of([1.0] * m, maximise=self._maximise, constraints=self._constraints)
        like.check(values, far)

    def _draw(self, key: jax.Array) -> np.ndarray:
        """A batch of uniform draws, which nobody has seen while there are others."""
        known, found = self._told.keys() | self._pending.keys(), []
        for now in jax.random.split(key, _TRIES):
            drawn = [tuple(row) for row in np.asarray(self.space.sample(now, self._batch)).tolist()]
            found += [row for row in dict.fromkeys(drawn) if row not in known and row not in found]
            if len(found) >= self._batch:
                break
        else:
            found += drawn
        return np.array(found[: self._batch], np.int32)

    def _propose(self, key: jax.Array) -> np.ndarray:
        """A batch of the optimiser's, once it knows all that was told."""
        count = len(self._told) + len(self._pending)
        while count + self._batch > self._room:
            self._room, self._state = 2 * self._room, None
        assert self._goals is not None
        init, ask, tell = _compiled(self._make, self.space, self._room, self._batch, len(self._goals.sign))
        if self._state is None:
            now, key = jax.random.split(key)
            self._state, self._new = init(now), list(self._told)
            if self._pending:  # not to be proposed again: for the optimiser a failure, until it is told
                missing = np.full((len(self._pending), len(self._goals.sign)), np.nan)
                self._state = _tell_padded(tell, self._state, np.array(list(self._pending), np.int32), missing)
        new = list(dict.fromkeys(self._new))
        if new:
            values, far = (np.array([self._told[genome][part] for genome in new]) for part in (0, 1))
            with np.errstate(invalid="ignore", over="ignore"):
                losses = self._goals.losses(values, far, xp=np)
            self._state, self._new = _tell_padded(tell, self._state, np.array(new, np.int32), losses), []
        self._state, genomes = ask(key, self._state)
        return np.asarray(genomes)


def _tell_padded(tell: Callable[..., Any], state: Any, genomes: np.ndarray, losses: np.ndarray) -> Any:
    """Tell n rows as a power of two of them, so that few sizes are compiled: of copies in one call the first counts."""
    n = len(genomes)
    rows = np.concatenate([np.arange(n), np.zeros((1 << (n - 1).bit_length()) - n, int)])
    return tell(state, jnp.asarray(genomes[rows]), jnp.asarray(losses[rows], jnp.result_type(float)))


@functools.lru_cache(maxsize=32)
def _compiled(make: Factory, space: Space, capacity: int, batch: int, m: int) -> tuple[Callable[..., Any], ...]:
    """The three functions of an optimiser whose reference is 0, for all studies of a space (spaces are hashable)."""
    optimizer = make(space, capacity=capacity, batch=batch, reference=np.zeros(m))
    return tuple(map(jax.jit, optimizer))
