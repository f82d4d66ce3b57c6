"""Bayesian optimisation with Gaussian processes: qEHVI, qNEHVI and MS-EHVI over a space."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas.moo import candidates, history, surrogate, variation
from jcenas.moo.arrays import reference_point
from jcenas.moo.history import History
from jcenas.moo.pareto import non_dominated
from jcenas.moo.surrogate import SurrogateConfig
from jcenas.moo.types import Optimizer, Space, is_valid

Known = Sequence[Callable[[jax.Array], jax.Array] | None]  # an objective, genomes (k, d) -> (k,), or None: modelled


class Goal(NamedTuple):
    """Reference point of the hypervolume to be improved, and the objectives that need no model."""

    reference: jax.Array  # (m,) of the hypervolume
    known: Known | None = None  # None models every objective


def neighbours(key: jax.Array, space: Space, state: History, spare: jax.Array) -> jax.Array:
    """Draw genomes one or two mutations away from non-dominated samples, as many as there are `spare` ones (n, d).

    Those take their place while there are no samples, and where a mutation leaves the space.
    """
    n = spare.shape[0]
    which, first, second, far = jax.random.split(key, 4)
    best = non_dominated(state.objectives, state.told)
    parents = state.genomes[jax.random.categorical(which, jnp.where(best, 0.0, -jnp.inf), shape=(n,))]
    once = variation.mutate(first, space, parents)
    twice = variation.mutate(second, space, once)
    children = jnp.where(jax.random.bernoulli(far, 0.5, (n, 1)), twice, once)
    return jnp.where(jnp.any(best) & is_valid(space, children)[:, None], children, spare)


def within_reach(reference: jax.Array, state: History) -> jax.Array:
    """The reference (m,), or while nothing was found that is better in every objective, the worst of the front so far.

    Beyond the reference nothing has a volume, and all candidates would be alike.
    """
    front = non_dominated(state.objectives, state.told)
    worst = jnp.max(jnp.where(front[:, None], state.objectives, -jnp.inf), axis=0)
    found = jnp.any(state.told & jnp.all(state.objectives < reference[None, :], axis=1))
    return jnp.where(found | ~jnp.any(front), reference, jnp.maximum(worst, reference))


def propose_by_improvement(
    key: jax.Array,
    space: Space,
    config: SurrogateConfig,
    *,
    state: History,
    pool: jax.Array,
    batch: int,
    goal: Goal,
) -> jax.Array:
    """Choose `batch` genomes by expected hypervolume improvement; unseen ones first.

    The last part of the pool (k, d) makes room for neighbours of the non-dominated samples (`SurrogateConfig.local`).
    """
    near, key = jax.random.split(key)
    kept = pool.shape[0] - round(config.local * pool.shape[0])  # the first drawn are the best
    pool = jnp.concatenate([neighbours(near, space, state, pool[kept:]), pool[:kept]])
    seen = history.contains(state, pool) | history.repeated(pool)
    # When fewer unseen genomes than asked for are in the pool, seen ones must do (the space is exhausted).
    spare = jnp.cumsum(seen) <= batch - jnp.sum(~seen)
    known = goal.known or [None] * goal.reference.shape[0]
    picks = surrogate.choose(
        key,
        config,
        surrogate.Samples(config.inputs(space, jnp.maximum(state.genomes, 0)), state.objectives, state.told),
        pool=surrogate.Pool(
            config.inputs(space, pool), ~seen | spare, [None if value is None else value(pool) for value in known]
        ),
        reference=within_reach(goal.reference, state),
        b=batch,
    )
    return pool[picks]


def bayesian(
    space: Space,
    config: SurrogateConfig | None = None,
    *,
    capacity: int,
    batch: int,
    reference,
    initial: int = 10,
    known: Known | None = None,
) -> Optimizer:
    """Search by expected hypervolume improvement: qEHVI, or qNEHVI with `SurrogateConfig(noisy=True)`.

    Args:
      space: what is searched.
      config: settings; None means the defaults, with a kernel that suits the space's variables.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: number of genomes in one `ask`.
      reference: (m,) reference point of the hypervolume, in the units of the objectives.
      initial: uniform samples before the first model; at most half of the capacity.
      known: as in `ms_ehvi`; None models every objective.

    Returns:
      An optimiser whose state is a `History`.

    Raises:
      ValueError: on a bad reference, or other than one entry of `known` for each objective.
    """
    config = (config or SurrogateConfig()).for_space(space)
    history.check_sizes(capacity, batch)
    reference = reference_point(reference)
    if known is not None and (len(known) != reference.shape[0] or all(value is not None for value in known)):
        raise ValueError(
            f"known must have one entry for each of the {reference.shape[0]} objectives of reference {reference.shape},"
            f" at least one of them None; got {len(known)}, of which {sum(v is None for v in known)} are None"
        )
    draw = candidates.source(space)
    size = max(config.pool, batch)

    def init(key: jax.Array) -> History:
        del key
        return history.empty(capacity, len(space.cardinalities), reference.shape[0])

    def ask(key: jax.Array, state: History) -> tuple[History, jax.Array]:
        uniform, choice = jax.random.split(key)
        pool = draw(uniform, state, size, candidates.everywhere)
        goal = Goal(jnp.asarray(reference), known)
        chosen = propose_by_improvement(choice, space, config, state=state, pool=pool, batch=batch, goal=goal)
        begun = jnp.sum(state.status >= History.TOLD) >= history.first_phase(initial, capacity)
        genomes = jnp.where(begun, chosen, pool[:batch])
        return history.propose(state, genomes), genomes

    return Optimizer(init, ask, history.tell)


def qnehvi(space: Space, *, capacity: int, batch: int, reference) -> Optimizer:
    """Noisy expected hypervolume improvement, qNEHVI, with the defaults of `SurrogateConfig`."""
    return bayesian(space, SurrogateConfig(noisy=True), capacity=capacity, batch=batch, reference=reference)


def ms_ehvi(
    space: Space,
    known: Known,
    config: SurrogateConfig | None = None,
    *,
    capacity: int,
    batch: int,
    reference,
    initial: int = 10,
) -> Optimizer:
    """MS-EHVI: expected hypervolume improvement where some objectives need no model (mixed surrogates).

    A baseline of Izquierdo et al. ("Bag of baselines for multi-objective joint neural architecture search and
    hyperparameter optimization", AutoML workshop at ICML 2021); EC-NAS gives it the energy of its table. Sizes,
    operation counts and tabulated costs of a candidate are known before it is trained; only its error needs a process.

    Args:
      space: what is searched.
      known: one entry for each objective: a function, genomes int32 (k, d) -> float (k,), that traces under `jit`, or
        None for an objective that a Gaussian process models. What is told must agree with it.
      config: settings; None means the defaults, with a kernel that suits the space's variables.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: number of genomes in one `ask`.
      reference: (m,) reference point of the hypervolume, in the units of the objectives.
      initial: uniform samples before the first model; at most half of the capacity.

    Returns:
      An optimiser whose state is a `History`.

    Raises:
      ValueError: on a bad reference, or when `known` does not fit it, or knows no objective.
    """
    if all(value is None for value in known):
        raise ValueError(f"known has no function among its {len(known)} entries: use bayesian")
    return bayesian(
        space, config, capacity=capacity, batch=batch, reference=reference, initial=initial, known=tuple(known)
    )
