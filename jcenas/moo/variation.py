"""Crossover and mutation over any `Space`, without repeating a genome that was seen.

Letters: n genomes, d variables.
"""

import jax
import jax.numpy as jnp

from jcenas.moo import candidates, history
from jcenas.moo.candidates import Source
from jcenas.moo.history import History
from jcenas.moo.types import Space, is_valid


def crossover(key: jax.Array, space: Space, mothers: jax.Array, fathers: jax.Array, rate: float) -> jax.Array:
    """Uniform crossover of parents (n, d): with probability `rate` each variable comes from either; else the mother.

    A child that the space calls invalid is replaced by its mother.
    """
    happens, which = jax.random.split(key)
    mixed = jax.random.bernoulli(happens, rate, (mothers.shape[0], 1)) & jax.random.bernoulli(which, 0.5, mothers.shape)
    children = jnp.where(mixed, fathers, mothers)
    return jnp.where(is_valid(space, children)[:, None], children, mothers)


def mutate(key: jax.Array, space: Space, genomes: jax.Array) -> jax.Array:
    """One step of the space's own mutation for each of genomes (n, d); the genome itself where a step is not valid."""
    moved = jax.vmap(space.mutate)(jax.random.split(key, genomes.shape[0]), genomes)
    return jnp.where(is_valid(space, moved)[:, None], moved, genomes)


def renew(
    key: jax.Array, space: Space, state: History, *, genomes: jax.Array, draw: Source, rounds: int = 8
) -> jax.Array:
    """Replace the genomes (n, d) that were seen before, or occur twice, by ones that were not.

    They mutate further, up to `rounds` times; what is still known then becomes a uniform draw among the unseen.
    """
    walk, rest = jax.random.split(key)

    def known(genomes):
        return history.contains(state, genomes) | history.repeated(genomes)

    def wander(genomes, key):
        return jnp.where(known(genomes)[:, None], mutate(key, space, genomes), genomes), None

    genomes, _ = jax.lax.scan(wander, genomes, jax.random.split(walk, rounds))
    stale = known(genomes)
    fresh = draw(rest, history.propose(state, genomes), genomes.shape[0], candidates.everywhere)
    nth = jnp.maximum(jnp.cumsum(stale) - 1, 0)  # the first draws are the best ones
    return jnp.where(stale[:, None], fresh[nth], genomes)
