"""Searches on EC-NAS tables: the optimisers of the paper and ours, each run one program, seeds in one `vmap`.

Objectives are energy (kWh) and validation error (%), minimised; all four budgets are open to every optimiser.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import registry
from jcenas.errors import InputError
from jcenas.moo import (
    Budgeted,
    LamooConfig,
    Optimizer,
    ShEmoaConfig,
    SurrogateConfig,
    bayesian,
    lamoo,
    ms_ehvi,
    semoa,
    sh_emoa,
)
from jcenas.tables.ecnas import draws as ecnas_draws
from jcenas.tables.ecnas.dataset import EcNas
from jcenas.tables.ecnas.space import CellSpace, evaluate

# Energies, kWh, beyond every published run of a space: reference of the energy-sensitive hypervolume.
REFERENCE_KWH = {"4V": 1.015227, "5V": 1.33623, "7V": 0.952202}
WORST_ERROR = 100.0
_MATERN = SurrogateConfig(covariance="matern", pool=128, draws=8, fit_steps=10)

Factory = Callable[[EcNas, Budgeted, int, int], Optimizer]


class Found(NamedTuple):
    """What searches proposed, in order; S seeds, n evaluations."""

    genomes: jax.Array  # (S, n, 2) int32: place of the cell, -1 where it has none; index of the budget
    objectives: jax.Array  # (S, n, 2) float32: kWh, %; NaN where the table does not know


def reference(table: EcNas) -> np.ndarray:
    """Reference point (kWh, %) of a table's hypervolume."""
    return np.array([REFERENCE_KWH[table.name], WORST_ERROR], np.float32)


def _sh_emoa(table: EcNas, space: Budgeted, n: int, batch: int) -> Optimizer:
    # 10 members evaluated again at three higher budgets come on top of `evaluations`.
    return sh_emoa(
        space.space,
        space.budgets,
        ShEmoaConfig(evaluations=max(n - 30, 20), population=max(2, min(10, n)), mutations=1),
        capacity=n,
        batch=batch,
        reference=reference(table),
    )


def _known_energy(table: EcNas, space: Budgeted) -> Callable[[jax.Array], jax.Array]:
    def energy(genomes: jax.Array) -> jax.Array:
        found = evaluate(table, space, genomes)[:, 0]
        return jnp.where(jnp.isfinite(found), found, 1e3)

    return energy


# What the paper has beside the optimisers of the registry, or has in another form.
METHODS: dict[str, Factory] = {
    "semoa-released": lambda table, space, n, batch: semoa(
        space, capacity=n, batch=batch, reference=reference(table), variant="released"
    ),
    "accuracy-only": lambda table, space, n, batch: _accuracy_only(
        semoa(space, capacity=n, batch=batch, reference=(WORST_ERROR,))
    ),
    "sh-emoa": _sh_emoa,
    "ms-ehvi": lambda table, space, n, batch: ms_ehvi(
        space,
        (_known_energy(table, space), None),
        _MATERN,
        capacity=n,
        batch=batch,
        reference=reference(table),
    ),
    "ehvi": lambda table, space, n, batch: bayesian(
        space, _MATERN, capacity=n, batch=batch, reference=reference(table)
    ),
    "lamoo-ehvi": lambda table, space, n, batch: lamoo(
        space,
        LamooConfig(sampler="ehvi", surrogate=_MATERN),
        capacity=n,
        batch=batch,
        reference=reference(table),
    ),
}


def _accuracy_only(optimizer: Optimizer) -> Optimizer:
    """An optimiser of one objective for two: it gets the last one only."""

    def tell(state: Any, genomes: jax.Array, objectives: jax.Array) -> Any:
        return optimizer.tell(state, genomes, objectives[:, 1:])

    return Optimizer(optimizer.init, optimizer.ask, tell)


# Random searches of the release, which know nothing of the table: key, n, D -> points float32 (n, D).
DRAWS = {"random-released": ecnas_draws.independent, "random-sobol": ecnas_draws.sobol}


def _factory(method: str) -> Factory:
    """Of an optimiser of the paper, or of the registry.

    Raises:
      InputError: unknown name.
    """
    if method in METHODS:
        return METHODS[method]
    try:
        make = registry.load("optimizer", method)
    except InputError as error:
        raise InputError(f"{error}; on EC-NAS also {', '.join([*METHODS, *DRAWS])}") from error
    return lambda table, space, n, batch: make(space, capacity=n, batch=batch, reference=reference(table))


def _make_draws(table: EcNas, space: Budgeted, method: str, evaluations: int) -> Callable[[jax.Array], Found]:
    cells, vertices = space.space, table.catalog.vertices
    assert isinstance(cells, CellSpace)

    @jax.jit
    @jax.vmap
    def look_up(points: jax.Array) -> Found:
        genomes, budget, allowed = ecnas_draws.decode(points, vertices)
        number = jnp.where(allowed, table.catalog.index(genomes), -1)
        place = jnp.where(number >= 0, cells.place[number], -1)
        return Found(jnp.stack([place, budget], axis=1), table.objectives(number, budget))

    def run(keys: jax.Array) -> Found:
        size = len(ecnas_draws.choices(vertices))
        return look_up(jnp.stack([DRAWS[method](key, evaluations, size) for key in keys]))

    return run


def make_search(
    table: EcNas, space: Budgeted, method: str, *, evaluations: int, batch: int = 10
) -> Callable[[jax.Array], Found]:
    """Function of keys (S,) that runs one search for each, as one compiled program.

    Args:
      table: the benchmark.
      space: of `search_space`.
      method: an optimiser of the registry, a key of `METHODS`, or of `DRAWS`, which draw from all of the catalog's
        frame, whatever the space.
      evaluations: of each search, known or not; a multiple of `batch`, else the last ones are left out of the result.
      batch: evaluations between two decisions of the optimiser.

    Raises:
      InputError: unknown method, or sizes below 1.
    """
    factory = None if method in DRAWS else _factory(method)
    if evaluations < 1 or batch < 1:
        raise InputError(f"evaluations and batch must be at least 1, got {evaluations} and {batch}")
    if factory is None:
        return _make_draws(table, space, method, evaluations)
    steps = -(-evaluations // batch)
    optimizer = factory(table, space, steps * batch, batch)

    @functools.partial(jax.vmap, in_axes=(0, None))
    def run(key: jax.Array, table: EcNas) -> Found:
        first, rest = jax.random.split(key)

        def step(state, key):
            state, genomes = optimizer.ask(key, state)
            values = evaluate(table, space, genomes)
            return optimizer.tell(state, genomes, values), Found(genomes, values)

        _, found = jax.lax.scan(step, optimizer.init(first), jax.random.split(rest, steps))
        return jax.tree.map(lambda x: x.reshape(steps * batch, *x.shape[2:])[:evaluations], found)

    compiled = jax.jit(run)
    return lambda keys: compiled(keys, table)
