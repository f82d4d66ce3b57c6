"""A search of two devices as arrays made by hand."""

from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from jcenas.engine.candidates import Inputs
from jcenas.engine.queue import EMPTY
from jcenas.engine.state import Catalog, SearchSizes, SearchState

SIZES = SearchSizes(devices=2, room=6, queue=3, proposals=4, unscored=2)  # 7 places in the line of an hour
ROWS = 10


def padded(rows, n):
    """Catalogue rows at the front of n places."""
    return jnp.array([*rows, *[EMPTY] * (n - len(rows))], jnp.int32)


def state_of(*, queue=(), half=(), half_s=(), scored=(), rows=(), optimizer=None):
    """What a test does not name is empty."""
    state = SearchState.empty(optimizer, SIZES, objectives=2, catalog=ROWS)
    return state.replace(
        queue=padded(queue, SIZES.queue),
        half=padded(half, SIZES.devices),
        half_s=jnp.zeros(SIZES.devices, jnp.float32).at[: len(half_s)].set(jnp.array(half_s, jnp.float32)),
        scored=state.scored.at[jnp.array(scored, jnp.int32)].set(True),
        rows=padded(rows, SIZES.room),
        count=jnp.int32(len(rows)),
    )


def catalog_of(costs, estimates, seconds=None):
    """Architectures of which nothing but a cost and an estimated error is known; genome (i,) for row i."""
    n = len(costs)
    nothing = jnp.zeros((n, 0), jnp.float32)
    return Catalog(
        genomes=jnp.arange(n, dtype=jnp.int32)[:, None],
        costs=jnp.array(costs, jnp.float32)[:, None],
        estimate=jnp.array(estimates, jnp.float32),
        inputs=Inputs(nothing, nothing),
        seconds=jnp.ones(n, jnp.float32) if seconds is None else jnp.array(seconds, jnp.float32),
    )


@pytest.fixture(scope="session")
def kit():
    """The makers of this file, for test modules, which cannot import it."""
    return SimpleNamespace(sizes=SIZES, padded=padded, state_of=state_of, catalog_of=catalog_of)
