"""Bounded waiting lines of fixed shape: scored proposals, best first, and trainings cut by the end of an interval.

A line is an int32 array of catalogue rows, `EMPTY` where there is nobody. Letters: Q places, P proposals, m objectives.
"""

import jax
import jax.numpy as jnp

from jcenas.moo.pareto import dominance_number

EMPTY = -1


def among(rows: jax.Array, others: jax.Array) -> jax.Array:
    """True where a row, int32 (n,), is also in others, int32 (k,); bool (n,). Empty places are nowhere."""
    return jnp.any(rows[:, None] == others[None, :], axis=1) & (rows != EMPTY)


def distinct(rows: jax.Array) -> jax.Array:
    """True at the first of equal rows, bool (n,)."""
    return ~jnp.any(jnp.tril(rows[:, None] == rows[None, :], -1), axis=1)


def compact(values: jax.Array, keep: jax.Array, n: int, fill) -> jax.Array:
    """The kept values (k,), in order, at the front of n places; `fill` in the others."""
    place = jnp.where(keep, jnp.cumsum(keep) - 1, n)
    return jnp.full((n,), fill, values.dtype).at[place].set(values, mode="drop")


def by_dominance(estimates: jax.Array, mask: jax.Array) -> jax.Array:
    """Order, int32 (n,), of estimated objectives (n, m): fewest dominators among all first, then the earlier place.

    The order of the released CE-NAS simulator. Rows outside the mask come last.
    """
    return jnp.argsort(dominance_number(estimates, mask), stable=True)
