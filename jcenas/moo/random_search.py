"""Uniform random search without repetition: the baseline that every optimiser has to beat."""

import jax

from jcenas.moo import candidates, history
from jcenas.moo.history import History
from jcenas.moo.types import Optimizer, Space


def random_search(space: Space, *, capacity: int, batch: int) -> Optimizer:
    """Propose `batch` genomes at a time, uniformly among those not seen yet.

    Args:
      space: what is searched.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: number of genomes in one `ask`.
    """
    history.check_sizes(capacity, batch)
    draw = candidates.source(space)

    def init(key: jax.Array) -> History:
        del key
        return history.empty(capacity, len(space.cardinalities), 0)

    def ask(key: jax.Array, state: History) -> tuple[History, jax.Array]:
        genomes = draw(key, state, batch, candidates.everywhere)
        return history.propose(state, genomes), genomes

    return Optimizer(init, ask, history.tell)


def random_by_reference(space: Space, *, capacity: int, batch: int, reference) -> Optimizer:
    """Random search with the signature of the optimisers that need a reference point, which it does not use."""
    del reference
    return random_search(space, capacity=capacity, batch=batch)
