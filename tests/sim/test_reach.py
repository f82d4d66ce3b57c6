"""How many evaluations a search needs for a hypervolume, whichever program computed that."""

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.moo import hypervolume
from jcenas.sim.many import REACHED, first_to_reach

REFERENCE = jnp.array([100.0, 30.0])


def test_every_search_reaches_its_own_end():
    searches = jnp.asarray(np.random.default_rng(0).uniform(0, 30, (24, 40, 2)), jnp.float32)
    reach = jax.jit(jax.vmap(first_to_reach, (0, None, None, 0)))
    whole = jnp.stack([hypervolume(points, REFERENCE) for points in searches])  # one by one: another program
    needed = np.asarray(reach(searches, jnp.int32(40), REFERENCE, whole))
    assert np.all(needed >= 0)
    # Neither rounding upwards nor a tenth of the tolerance is out of reach; ten times the tolerance is.
    for factor, reached in ((1 + REACHED / 10, True), (1 + 10 * REACHED, False)):
        found = np.asarray(reach(searches, jnp.int32(40), REFERENCE, whole * jnp.float32(factor)))
        assert np.all((found >= 0) == reached)
