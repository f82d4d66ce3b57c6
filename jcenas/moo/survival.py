"""Survivor selection: NSGA-II's crowded comparison, and least hypervolume contribution.

Letters: n rows, m objectives, k places. Masks mean *valid*; rows outside the mask always come last.
"""

import jax
import jax.numpy as jnp

from jcenas.moo.contribution import exclusive
from jcenas.moo.hypervolume import gains
from jcenas.moo.pareto import crowding_distance, ranks


def crowded_order(objectives: jax.Array, mask: jax.Array) -> jax.Array:
    """Rows from best to worst, int32 (n,): by front, then by falling crowding distance (Deb et al. 2002, III-B).

    Within a front the distances are those of the whole front, as in the paper. Ties go to the earlier row.
    """
    front = ranks(objectives, mask)
    crowding = crowding_distance(objectives, mask, front)
    return jnp.lexsort((-crowding, front)).astype(jnp.int32)


def hypervolume_survivors(objectives: jax.Array, reference: jax.Array, mask: jax.Array, k: int) -> jax.Array:
    """Mask, bool (n,), of the k survivors of S-metric selection (Beume, Naujoks and Emmerich 2007, algorithm 2).

    Rows leave one by one: always the one of the last front that contributes least hypervolume to that front.
    """

    def drop(_, alive):
        front = ranks(objectives, alive)
        last = alive & (front == jnp.max(jnp.where(alive, front, -1)))
        share = exclusive(gains(objectives, reference, last))
        # Among equals (as all beyond the reference) the later row goes.
        worst = objectives.shape[0] - 1 - jnp.argmin(jnp.where(last, share, jnp.inf)[::-1])
        return jnp.where(jnp.sum(alive) > k, alive.at[worst].set(False), alive)

    return jax.lax.fori_loop(0, max(objectives.shape[0] - k, 0), drop, mask)
