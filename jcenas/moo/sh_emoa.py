"""SH-EMOA: an evolutionary algorithm whose evaluations are rationed over rising budgets by successive halving.

A baseline of Izquierdo et al. ("Bag of baselines for multi-objective joint neural architecture search and
hyperparameter optimization", AutoML workshop at ICML 2021), used by EC-NAS (Bakhtiarifard, Igel and Selvan 2024).

Each budget has a quota of children, `eta` times smaller than that of the budget before it. Evolution is steady: a
parent, the best of three by the volume that it dominates alone, is mutated or crossed with any member; the population
and its child lose the member of the last front that contributes least hypervolume. When the quota is used up, the whole
population is evaluated again at the next budget and goes on there. At the last budget there is no quota: the search
goes on for as long as it is asked.

Proposals are genomes of a `Budgeted` space: the last variable is the index of the budget. Fidelities are never mixed:
only results at the current budget compete. Results that come late, for a budget already left, are remembered and
nothing else.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import ArrayLike

from jcenas.moo import candidates, choice, history, variation
from jcenas.moo.arrays import reference_point
from jcenas.moo.fidelity import Budgeted
from jcenas.moo.history import History
from jcenas.moo.hypervolume import gains
from jcenas.moo.survival import hypervolume_survivors
from jcenas.moo.types import Optimizer, Space


@dataclass(frozen=True, kw_only=True)
class ShEmoaConfig:
    """Settings of SH-EMOA; the defaults are those published with EC-NAS.

    Attributes:
      evaluations: first members and children in all, the basis of the quotas; evaluating the population again at each
        further budget comes on top (100 evaluations over five budgets make 143).
      population: members.
      eta: how much smaller a quota is than the one before.
      mutations: steps of the space's mutation in a mutated child; the publication changes five of about thirty
        variables, so small spaces want fewer.
      tournament: contestants for each parent.
    """

    evaluations: int = 100
    population: int = 10
    eta: int = 2
    mutations: int = 5
    tournament: int = 3

    def __post_init__(self):
        if min(self.eta, self.mutations, self.tournament, self.evaluations) < 1 or self.population < 2:
            raise ValueError(
                f"population must be at least 2, and eta, mutations, tournament and evaluations at least 1: {self}"
            )


class ShEmoaState(struct.PyTreeNode):
    """Letters: p population, d variables without the budget, c capacity of the history."""

    history: History  # of genomes with their budget, (c, d + 1)
    members: jax.Array  # (p,) int32 rows of the history at the current budget; c where there is none
    waiting: jax.Array  # (p, d) int32 genomes that survived the last budget
    promoted: jax.Array  # () int32, how many of `waiting` have been proposed at the current budget
    awaited: jax.Array  # () int32, how many of `waiting` are to be proposed in all
    level: jax.Array  # () int32, index of the current budget
    finished: jax.Array  # () int32, evaluations that came back at the current budget


def quotas(levels: int, evaluations: int, population: int, eta: int) -> tuple[int, ...]:
    """Children at each budget, from the smallest one up, for about `evaluations` children and first members in all."""
    smallest = math.ceil(max(evaluations - population, 1) / sum(eta**i for i in range(levels)))
    return tuple(smallest * eta**i for i in reversed(range(levels)))


class _SameBudget:
    """A budgeted space whose mutations leave the budget alone."""

    def __init__(self, space: Budgeted):
        self.cardinalities, self.sample = space.cardinalities, space.sample
        self.features, self.valid, self._base = space.features, space.valid, space.space

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        return genome.at[:-1].set(self._base.mutate(key, genome[:-1]))


def _at_level(genomes: jax.Array, level: jax.Array) -> jax.Array:
    """Genomes (n, d) with the index of a budget behind, (n, d + 1)."""
    return jnp.concatenate([genomes, jnp.broadcast_to(level, (genomes.shape[0], 1))], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Search:
    """The three functions of the optimiser, and what they share."""

    config: ShEmoaConfig
    space: Budgeted
    draw: candidates.Source  # of genomes with their budget
    capacity: int
    batch: int
    reference: np.ndarray  # (m,)

    def init(self, key: jax.Array) -> ShEmoaState:
        del key
        d, population = len(self.space.cardinalities) - 1, self.config.population
        return ShEmoaState(
            history=history.empty(self.capacity, d + 1, self.reference.shape[0]),
            members=jnp.full(population, self.capacity, jnp.int32),
            waiting=jnp.zeros((population, d), jnp.int32),
            promoted=jnp.zeros((), jnp.int32),
            awaited=jnp.zeros((), jnp.int32),
            level=jnp.zeros((), jnp.int32),
            finished=jnp.zeros((), jnp.int32),
        )

    def breed(self, key: jax.Array, state: ShEmoaState) -> jax.Array:
        """Children (batch, d + 1) of the members; anything at all while there are none."""
        fight, partner, cross, change, which = jax.random.split(key, 5)
        batch, population, steady = self.batch, self.config.population, _SameBudget(self.space)
        alive = state.members < self.capacity
        at = state.history.genomes.at[state.members].get(mode="clip")
        values = state.history.objectives.at[state.members].get(mode="fill", fill_value=jnp.inf)
        alone = jnp.where(alive, jnp.prod(gains(values, jnp.asarray(self.reference)), axis=1), -1.0)
        strength = jax.random.uniform(fight, (batch, population))
        fighters = min(self.config.tournament, population)  # without repetition
        contestants = jax.vmap(choice.best_rows, (0, None, None))(strength, alive, fighters)
        winner = jax.vmap(choice.best)(alone[contestants], alive[contestants])
        mothers = jnp.take_along_axis(contestants, winner[:, None], axis=1)[:, 0]
        fathers = jax.random.categorical(partner, jnp.where(alive, 0.0, -jnp.inf), shape=(batch,))
        crossed = variation.crossover(cross, steady, at[mothers], at[fathers], 1.0)
        mutant = at[mothers]
        for step in jax.random.split(change, self.config.mutations):
            mutant = variation.mutate(step, steady, mutant)
        return jnp.where(jax.random.bernoulli(which, 0.5, (batch, 1)), mutant, crossed)

    def ask(self, key: jax.Array, state: ShEmoaState) -> tuple[ShEmoaState, jax.Array]:
        parents, new, start = jax.random.split(key, 3)

        def here(genomes: jax.Array) -> jax.Array:
            return (genomes[:, -1] == state.level).astype(jnp.float32)

        def draw_here(key: jax.Array, history: History, n: int, _: candidates.Wanted) -> jax.Array:
            return self.draw(key, history, n, here)

        place = state.promoted + jnp.arange(self.batch)
        again = place < state.awaited
        known = _at_level(state.waiting.at[place].get(mode="clip"), state.level)
        alive = jnp.sum(state.members < self.capacity)
        fresh = self.draw(start, state.history, self.batch, here)
        breeding = (alive > 0) & ((state.level > 0) | (alive >= self.config.population))
        genomes = jnp.where(breeding, self.breed(parents, state), fresh)
        genomes = jnp.where(again[:, None], known, genomes)
        genomes = variation.renew(new, _SameBudget(self.space), state.history, genomes=genomes, draw=draw_here)
        promoted = jnp.minimum(state.promoted + self.batch, state.awaited)
        return state.replace(history=history.propose(state.history, genomes), promoted=promoted), genomes

    def promote(self, state: ShEmoaState) -> ShEmoaState:
        """Go on to the next budget: members already known there stay, the others wait to be evaluated."""
        level = state.level + 1
        genomes = state.history.genomes.at[state.members].get(mode="clip")[:, :-1]
        there, capacity = _at_level(genomes, level), self.capacity
        rows = jnp.where(state.members < capacity, history.rows_of(state.history, there), capacity)
        told = state.history.told.at[rows].get(mode="fill", fill_value=False)
        wait = (state.members < capacity) & (rows == capacity)
        order = jnp.argsort(~wait, stable=True)
        return state.replace(
            members=jnp.where(told, rows, capacity),
            waiting=genomes[order],
            promoted=jnp.zeros((), jnp.int32),
            awaited=jnp.sum(wait, dtype=jnp.int32),
            level=level,
            finished=jnp.zeros((), jnp.int32),
        )

    def tell(self, state: ShEmoaState, genomes: ArrayLike, objectives: ArrayLike) -> ShEmoaState:
        genomes, objectives = history.check_tell(state.history, genomes, objectives)
        population, budgets = self.config.population, self.space.budgets
        told = history.tell(state.history, genomes, objectives)
        new = history.rows_of(told, genomes)
        here = (genomes[:, -1] == state.level) & ~history.repeated(genomes)
        before = state.history.status.at[new].get(mode="fill", fill_value=History.EMPTY) >= History.TOLD
        member = jnp.any(new[:, None] == state.members[None, :], axis=1)
        rows = jnp.concatenate([state.members, jnp.where(here & ~member, new, self.capacity)])
        valid = told.told.at[rows].get(mode="fill", fill_value=False)
        # In a full history another genome may have taken a member's place, perhaps at another budget.
        valid &= told.genomes.at[rows].get(mode="fill", fill_value=-1)[:, -1] == state.level
        values = told.objectives.at[rows].get(mode="fill", fill_value=jnp.inf)
        alive = hypervolume_survivors(values, jnp.asarray(self.reference), valid, population)
        members = jnp.where(alive, rows, self.capacity)[jnp.argsort(~alive, stable=True)][:population]
        finished = state.finished + jnp.sum(here & ~before, dtype=jnp.int32)
        state = state.replace(history=told, members=members.astype(jnp.int32), finished=finished)
        # Evaluations that a budget is owed: the first members, or those that came from the budget before, and children.
        first = jnp.where(state.level == 0, population, state.awaited)
        children = quotas(len(budgets), self.config.evaluations, population, self.config.eta)
        full = finished >= first + jnp.asarray(children, jnp.int32)[state.level]
        ready = full & (state.level < len(budgets) - 1)
        return jax.tree.map(lambda a, b: jnp.where(ready, a, b), self.promote(state), state)


def sh_emoa(
    space: Space,
    budgets: tuple[float, ...],
    config: ShEmoaConfig | None = None,
    *,
    capacity: int,
    batch: int,
    reference: ArrayLike,
) -> Optimizer:
    """SH-EMOA over a space and rising budgets.

    Args:
      space: what is searched, without the budget.
      budgets: positive and rising.
      config: settings; None means the defaults, with a population of at most half of the capacity.
      capacity: number of genomes with their budgets, evaluated and pending, that the state can remember.
      batch: genomes in one `ask`; with more than one, a budget may take up to batch - 1 children more than its quota.
      reference: (m,) reference point of the hypervolume, in the units of the objectives.

    Returns:
      An optimiser over `Budgeted(space=space, budgets=budgets)`: that class's `split` takes proposals apart.

    Raises:
      ValueError: on budgets that do not rise, a bad reference, or a population larger than the capacity.
    """
    history.check_sizes(capacity, batch)
    config = config or ShEmoaConfig(population=max(2, min(10, capacity // 2)))
    if config.population > max(capacity, 2):
        raise ValueError(f"population must be at most the capacity: got {config.population}, capacity {capacity}")
    budgeted = Budgeted(space=space, budgets=tuple(budgets))
    search = _Search(
        config=config,
        space=budgeted,
        draw=candidates.source(budgeted),
        capacity=capacity,
        batch=batch,
        reference=reference_point(reference),
    )
    return Optimizer(search.init, search.ask, search.tell)
