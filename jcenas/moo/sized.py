"""Work on as few rows as are in use: one compiled branch a size, the smallest that holds them is run.

An optimiser's state has room for the whole search, but the cost of a proposal grows with the room, not with what is
in it. On a CPU, where `lax.switch` runs one branch only, an hour early in a search then costs a tenth of a late one.
Under `vmap` every branch would run: give one size there.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jcenas.moo.types import Optimizer


def by_size(sizes: Sequence[int], count: jax.Array, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Run the branch of the smallest size that is at least `count`, int32 (); of the last where none is."""
    fits = jnp.asarray(sizes[:-1], jnp.int32) >= count if len(sizes) > 1 else jnp.zeros((0,), bool)
    which = jnp.where(jnp.any(fits), jnp.argmax(fits), len(sizes) - 1) if len(sizes) > 1 else jnp.int32(0)
    return jax.lax.switch(which, branches, *operands)


def growing(make: Callable[[int], Optimizer], sizes: Sequence[int]) -> tuple[Optimizer, Callable[..., jax.Array]]:
    """An optimiser with room for `sizes[-1]` genomes, and its `ask` for the smallest sufficient room.

    Args:
      make: capacity -> optimiser; all of them alike but for the room. Rows of a state must fill up in order, as those
        of `jcenas.moo.History` do.
      sizes: ascending capacities.

    Returns:
      The optimiser of the largest capacity, and propose(key, state, count) -> genomes int32 (n, d), where `count` is
      the number of rows in use. The state after the proposal is dropped: what is proposed and not queued is forgotten.
    """
    family = [make(size) for size in sizes]
    shapes = [jax.eval_shape(one.init, jax.random.key(0)) for one in family]

    def branch(optimizer: Optimizer, shape: Any) -> Callable[..., jax.Array]:
        def ask(key: jax.Array, state: Any) -> jax.Array:
            small = jax.tree.map(lambda x, s: x[tuple(slice(0, n) for n in s.shape)], state, shape)
            return optimizer.ask(key, small)[1]

        return ask

    asks = [branch(one, shape) for one, shape in zip(family, shapes, strict=True)]

    def propose(key: jax.Array, state: Any, count: jax.Array) -> jax.Array:
        return by_size(sizes, count, asks, key, state)

    return family[-1], propose
