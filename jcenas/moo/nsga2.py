"""NSGA-II: sorting by fronts and crowding (Deb, Pratap, Agarwal and Meyarivan 2002).

With `batch` equal to the population this is the published generation; told one at a time it is the steady-state
variant. Over a discrete space two changes are due: a genome is never evaluated twice, and variation is uniform
crossover and the space's own mutation instead of their simulations for real variables.
"""

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import candidates, history, variation
from jcenas.moo.arrays import reference_point
from jcenas.moo.history import History
from jcenas.moo.survival import crowded_order
from jcenas.moo.types import Optimizer, Space


class Nsga2State(struct.PyTreeNode):
    """The population lives in the history; `members` are its rows, best first by crowded comparison."""

    history: History
    members: jax.Array  # (population,) int32 rows of the history; the capacity where there is no member yet


def _check(population: int, capacity: int, m: int, *probabilities: float) -> None:
    """Raise ValueError on settings that make no search."""
    if not 2 <= population <= max(capacity, 2) or m < 1:
        raise ValueError(
            f"population must be from 2 to the capacity and m at least 1: got population {population}, "
            f"capacity {capacity}, m {m}"
        )
    if not all(0 <= p <= 1 for p in probabilities):
        raise ValueError(f"crossover and mutation are probabilities, got {probabilities}")


def nsga2(
    space: Space,
    *,
    capacity: int,
    batch: int,
    m: int = 2,
    population: int | None = None,
    crossover: float = 0.9,
    mutation: float = 0.9,
) -> Optimizer:
    """NSGA-II over a space.

    Args:
      space: what is searched.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: number of genomes in one `ask`.
      m: number of objectives.
      population: survivors, at most the capacity; until that many are told, proposals are uniform. None means 20, or
        half of the capacity if that is less, so that the other half evolves.
      crossover: probability that a child has two parents.
      mutation: probability that a child takes one step of the space's mutation.
    """
    history.check_sizes(capacity, batch)
    population = max(2, min(20, capacity // 2)) if population is None else population
    _check(population, capacity, m, crossover, mutation)
    draw = candidates.source(space)

    def init(key: jax.Array) -> Nsga2State:
        del key
        return Nsga2State(
            history.empty(capacity, len(space.cardinalities), m),
            jnp.full(population, capacity, jnp.int32),
        )

    def ask(key: jax.Array, state: Nsga2State) -> tuple[Nsga2State, jax.Array]:
        fight, cross, change, step, new, start = jax.random.split(key, 6)
        alive = jnp.sum(state.members < capacity)
        # Members are sorted, so the better of two contestants is the one with the smaller place.
        places = jax.random.randint(fight, (2, 2, batch), 0, jnp.maximum(alive, 1))
        parents = state.history.genomes.at[state.members[jnp.min(places, axis=0)]].get(mode="clip")
        children = variation.crossover(cross, space, parents[0], parents[1], crossover)
        moves = jax.random.bernoulli(change, mutation, (batch, 1))
        children = jnp.where(moves, variation.mutate(step, space, children), children)
        children = variation.renew(new, space, state.history, genomes=children, draw=draw)
        first = draw(start, state.history, batch, candidates.everywhere)
        genomes = jnp.where(alive < population, first, children)
        return state.replace(history=history.propose(state.history, genomes)), genomes

    def tell(state: Nsga2State, genomes: jax.Array, objectives: jax.Array) -> Nsga2State:
        genomes, objectives = history.check_tell(state.history, genomes, objectives)
        told = history.tell(state.history, genomes, objectives)
        new = history.rows_of(told, genomes)
        again = history.repeated(genomes) | jnp.any(new[:, None] == state.members[None, :], axis=1)
        rows = jnp.concatenate([state.members, jnp.where(again, capacity, new)])
        valid = told.told.at[rows].get(mode="fill", fill_value=False)
        order = crowded_order(told.objectives.at[rows].get(mode="fill", fill_value=jnp.inf), valid)[:population]
        return Nsga2State(told, jnp.where(valid[order], rows[order], capacity).astype(jnp.int32))

    return Optimizer(init, ask, tell)


def nsga2_by_reference(space: Space, *, capacity: int, batch: int, reference) -> Optimizer:
    """NSGA-II with as many objectives as the reference point has; the point itself is not used."""
    return nsga2(space, capacity=capacity, batch=batch, m=reference_point(reference).shape[0])
