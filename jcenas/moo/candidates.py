"""Sources of new genomes: the whole space as a table when it is small, else draws in bounded rounds.

Both ways hand out genomes by priority: unseen and wanted first (wanted: in the region that an optimiser asks for), then
unseen, then anything. So a genome that was seen is proposed only when nothing else was found, and no two proposals of
one call are equal while enough genomes exist. Within one priority the choice is uniform.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.moo import choice
from jcenas.moo import history as memory
from jcenas.moo.history import History
from jcenas.moo.types import Space, is_valid

TABLE_LIMIT = 2**17
_REPEATED, _INVALID, _NOTHING = -1.0, -2.0, -3.0  # priorities below a genome that was seen, which is 0
Prepare = Callable[[jax.Array], jax.Array]  # genomes (k, d) -> what `Wanted` looks at, (k, ...)
Wanted = Callable[[jax.Array], jax.Array]  # prepared (k, ...) -> float (k,), 1 inside the region and 0 outside
Source = Callable[[jax.Array, History, int, Wanted], jax.Array]


def listed(space: Space) -> np.ndarray | None:
    """The genomes of a space that is a list of them, int32 (N, d), see `Space`; else None."""
    members = getattr(space, "genomes", None)
    return members if isinstance(members, np.ndarray) else None


def is_table(space: Space) -> bool:
    """Whether the space is small enough (at most 2**17 genomes) to be enumerated."""
    members = listed(space)
    return (math.prod(space.cardinalities) if members is None else len(members)) <= TABLE_LIMIT


def all_genomes(space: Space) -> np.ndarray:
    """Every combination of choices, int32 (prod(cardinalities), d), the last variable running fastest."""
    return np.indices(space.cardinalities, np.int32).reshape(len(space.cardinalities), -1).T


def table_index(space: Space, genomes: jax.Array) -> jax.Array:
    """Row of each genome (n, d) in `all_genomes`, int32 (n,)."""
    strides = np.cumprod((1, *space.cardinalities[:0:-1]))[::-1]
    return jnp.sum(genomes * jnp.asarray(strides.copy(), jnp.int32)[None, :], axis=1)


def _members(space: Space) -> tuple[np.ndarray, Callable[[jax.Array], jax.Array]]:
    """The valid genomes, int32 (N, d), and place(genomes (n, d)) -> int32 (n,), that of each among them.

    Raises:
      ValueError: no genome is valid.
    """
    members = listed(space)
    if members is not None:
        return members, cast(Any, space).rows
    everything = all_genomes(space)
    valid = np.asarray(is_valid(space, jnp.asarray(everything)))
    if not valid.any():
        raise ValueError(f"the space calls none of its {len(everything)} genomes valid: {space}")
    place = jnp.asarray(np.where(valid, np.cumsum(valid) - 1, -1), jnp.int32)
    return everything[valid], lambda genomes: place[table_index(space, genomes)]


def from_table(space: Space, prepare: Prepare) -> Source:
    """Source that enumerates the valid genomes of the space, and prepares them once.

    Raises:
      ValueError: no genome is valid.
    """
    members, place = _members(space)
    genomes = jnp.asarray(members)
    total = genomes.shape[0]
    prepared = jax.jit(prepare)(genomes)

    def draw(key: jax.Array, history: History, n: int, wanted: Wanted) -> jax.Array:
        row = place(history.genomes)
        row = jnp.where(history.seen & (row >= 0), row, total)
        unseen = jnp.ones(total, bool).at[row].set(False, mode="drop")
        score = jnp.where(unseen, 1.0 + wanted(prepared), 0.0) + jax.random.uniform(key, (total,))
        best = choice.best_rows(score, jnp.ones(total, bool), min(n, total))
        return genomes[jnp.resize(best, (n,))]

    return draw


def from_draws(space: Space, prepare: Prepare, *, rounds: int = 16, draws: int = 256) -> Source:
    """Source that draws uniformly and rejects: at most `rounds` rounds of `draws` genomes, then the best so far.

    Where fewer genomes than asked for were found, some are handed out twice.
    """

    def draw(key: jax.Array, history: History, n: int, wanted: Wanted) -> jax.Array:
        def more(carry):
            step, _, _, priority = carry
            return (step < rounds) & jnp.any(priority < 2)

        def attempt(carry):
            step, key, chosen, priority = carry
            key, now = jax.random.split(key)
            fresh = space.sample(now, max(draws, n))
            new = jnp.where(memory.contains(history, fresh), 0.0, 1.0 + wanted(prepare(fresh)))
            new = jnp.where(is_valid(space, fresh), new, _INVALID)
            pool = jnp.concatenate([chosen, fresh])
            score = jnp.concatenate([priority, new])
            score = jnp.where(memory.repeated(pool), jnp.minimum(score, _REPEATED), score)
            best = choice.best_rows(score, jnp.ones_like(score, bool), n)  # earlier draws win ties: their order decides
            return step + 1, key, pool[best], score[best]

        start = jnp.full((n, len(space.cardinalities)), -1, jnp.int32)  # equals no genome
        carry = jnp.int32(0), key, start, jnp.full(n, _NOTHING, jnp.float32)
        return jax.lax.while_loop(more, attempt, carry)[2]

    return draw


def everywhere(prepared: jax.Array) -> jax.Array:
    """Region that holds every genome: float (k,) of ones."""
    return jnp.ones(prepared.shape[0], jnp.float32)


def source(space: Space, prepare: Prepare = lambda genomes: genomes) -> Source:
    """Enumeration where the space is a table, else bounded rejection."""
    return from_table(space, prepare) if is_table(space) else from_draws(space, prepare)
