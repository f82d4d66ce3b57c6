"""Local search beside the optimiser's global draws: some of the proposals of an hour are neighbours of the front.

A stage that models the error can only pick among what is proposed. Uniform draws hardly ever hit the neighbourhood of
the best architectures of a large space, which is where the next best ones are.

Letters: N rows of the catalogue, P proposals, d variables.
"""

import jax
import jax.numpy as jnp

from jcenas.engine.predictor import on_front
from jcenas.engine.stages import Stage
from jcenas.engine.state import SearchState
from jcenas.moo.types import Space

EVERY = 4  # a quarter of the proposals: too many would leave the rest of the space unseen


def with_neighbours(
    key: jax.Array, stage: Stage, space: Space, proposals: jax.Array, state: SearchState, genomes: jax.Array
) -> jax.Array:
    """Proposals, int32 (P, d), of which every fourth is one or two mutations away from a point of the front.

    They stay as they are while nothing is evaluated, and under a stage that models nothing.

    Args:
      key: that of the optimiser's proposals; another one is made of it.
      stage: the cheap stage.
      space: what is searched.
      proposals: int32 (P, d).
      state: of the search.
      genomes: of the catalogue, int32 (N, d).
    """
    if not stage.refits:
        return proposals
    places = jnp.arange(EVERY - 1, proposals.shape[0], EVERY)
    who, once, twice, again = jax.random.split(jax.random.fold_in(key, 1), 4)
    best = on_front(state.observed, state.evaluated)
    parents = jax.random.categorical(who, jnp.where(best, 0.0, -jnp.inf), shape=places.shape)
    born = genomes[jnp.maximum(state.rows, 0)[parents]]
    for step, key in enumerate((once, twice)):
        mutants = jax.vmap(space.mutate)(jax.random.split(key, places.shape[0]), born)
        taken = True if step == 0 else jax.random.bernoulli(again, shape=places.shape)[:, None]
        born = jnp.where(taken, mutants, born)
    return jnp.where(jnp.any(best), proposals.at[places].set(born), proposals)
