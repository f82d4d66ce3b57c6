"""SEMOA: the simple evolutionary multi-objective algorithm of EC-NAS (Bakhtiarifard, Igel and Selvan, ICASSP 2024).

The population is the set of non-dominated samples. Parents are the best sample of each objective, and for the rest
samples drawn by linear ranking on the hypervolume that each contributes alone (Baker 1985); every child is a perturbed
copy of one parent.

`variant="released"` is the published code instead of the paper: weaker selection pressure (1.9 instead of 2), no
parents forced, and a population of every sample with objectives of its own, dominated or not.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from jcenas.moo import candidates, history, variation
from jcenas.moo.arrays import reference_point
from jcenas.moo.contribution import exclusive
from jcenas.moo.history import History
from jcenas.moo.hypervolume import gains
from jcenas.moo.pareto import first_of_equals, non_dominated
from jcenas.moo.types import Optimizer, Space


def linear_ranking(share: jax.Array, mask: jax.Array, pressure: float) -> jax.Array:
    """Probability (n,) to be picked: linear in the rank i of the share (1 is the largest), 0 outside the mask.

    With P valid rows it is (pressure - 2 (pressure - 1) (i - 1) / (P - 1)) / P; ties go to the earlier row.
    """
    place = jnp.argsort(jnp.argsort(jnp.where(mask, -share, jnp.inf)))
    count = jnp.sum(mask)
    falling = pressure - 2 * (pressure - 1) * place / jnp.maximum(count - 1, 1)
    falling = jnp.where(count > 1, falling, 1.0)
    return jnp.where(mask, falling / jnp.maximum(count, 1), 0)


def semoa(
    space: Space,
    *,
    capacity: int,
    batch: int,
    reference,
    initial: int = 10,
    variant: Literal["paper", "released"] = "paper",
) -> Optimizer:
    """SEMOA over a space; the state is a `History`.

    The published perturbation repeats until the genome changes; here it also repeats until the genome is new.

    Args:
      space: what is searched; its `mutate` is the perturbation.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: children in one `ask`.
      reference: (m,) reference point of the contributed hypervolume.
      initial: uniform samples before the first generation; at most half of the capacity.
      variant: "paper" or "released".
    """
    if variant not in ("paper", "released"):
        raise ValueError(f"variant must be 'paper' or 'released', got {variant!r}")
    history.check_sizes(capacity, batch)
    reference = reference_point(reference)
    m = reference.shape[0]
    draw = candidates.source(space)

    def init(key: jax.Array) -> History:
        del key
        return history.empty(capacity, len(space.cardinalities), m)

    def ask(key: jax.Array, state: History) -> tuple[History, jax.Array]:
        pick, step, new, start = jax.random.split(key, 4)
        if variant == "paper":
            alive, pressure = non_dominated(state.objectives, state.told), 2.0
        else:
            alive, pressure = first_of_equals(state.objectives, state.told), 1.9
        share = exclusive(gains(state.objectives, jnp.asarray(reference), alive))
        chance = jnp.log(linear_ranking(share, alive, pressure))
        parents = jax.random.categorical(pick, chance, shape=(batch,))
        if variant == "paper":
            extremes = jnp.argmin(jnp.where(alive[:, None], state.objectives, jnp.inf), axis=0)
            parents = parents.at[: min(m, batch)].set(extremes[:batch])
        children = variation.mutate(step, space, state.genomes[parents])
        children = variation.renew(new, space, state, genomes=children, draw=draw)
        first = draw(start, state, batch, candidates.everywhere)
        finished = jnp.sum(state.status >= History.TOLD)
        begun = (finished >= history.first_phase(initial, capacity)) & jnp.any(alive)
        genomes = jnp.where(begun, children, first)
        return history.propose(state, genomes), genomes

    return Optimizer(init, ask, history.tell)
