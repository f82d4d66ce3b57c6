"""What is remembered when there is more to remember than room, and what may be told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, Budgeted, SurrogateConfig, history, nsga2, random_search
from jcenas.moo.history import History
from jcenas.spaces import NasBench201
from jcenas.tables.grid import Grid

GENOMES = [[i] for i in range(6)]


def remembered(state):
    return {int(g): float(o) for (g,), (o, _), s in zip(*map(np.asarray, state_parts(state)), strict=True) if s > 0}


def state_parts(state):
    return state.genomes, state.objectives, state.status


def test_the_worst_is_forgotten_by_hand():
    tell = jax.jit(history.tell)
    state = tell(history.empty(3, 1, 2), [[0], [1], [2]], [[3.0, 3.0], [1.0, 1.0], [np.nan, 0.0]])
    assert remembered(state) == {0: 3.0, 1: 1.0, 2: np.inf}
    state = tell(state, [[3]], [[4.0, 4.0]])  # the failed one goes, however bad the new one is
    assert remembered(state) == {0: 3.0, 1: 1.0, 3: 4.0}
    state = tell(state, [[4], [5]], [[2.0, 2.0], [9.0, 9.0]])  # 3 is dominated by three, 5 by four
    assert remembered(state) == {0: 3.0, 1: 1.0, 4: 2.0}
    assert int(state.count) == 3
    state = tell(state, [[5]], [[9.0, 9.0]])
    assert remembered(state) == {0: 3.0, 1: 1.0, 4: 2.0}


def test_more_points_than_places_keeps_the_best_of_them_and_what_is_pending():
    values = np.array([[6.0, 6.0], [5.0, 5.0], [4.0, 4.0], [1.0, 3.0], [3.0, 1.0], [2.0, 2.0]])
    state = history.tell(history.empty(3, 1, 2), GENOMES, values)
    assert remembered(state) == {3: 1.0, 4: 3.0, 5: 2.0}
    state = history.propose(history.empty(3, 1, 2), jnp.array([[7], [8]]))
    state = jax.jit(history.tell)(state, jnp.asarray(GENOMES), jnp.asarray(values))
    assert remembered(state) == {7: np.inf, 8: np.inf, 3: 1.0}
    assert np.asarray(state.status).tolist() == [History.PENDING, History.PENDING, History.TOLD]


@pytest.mark.parametrize("make", [list, tuple, np.array, jnp.asarray, lambda x: np.array(x, np.float64)])
def test_lists_tuples_and_every_array_are_told_alike(make, key):
    optimizer = nsga2(Box(variables=1, levels=9), capacity=8, batch=2)
    state = optimizer.tell(optimizer.init(key), make([[3], [1]]), make([[1.0, 2.0], [2.0, 1.0]]))
    assert remembered(state.history) == {3: 1.0, 1: 2.0}


def test_nothing_new_is_no_news(key):
    for optimizer in (
        random_search(Box(variables=2), capacity=8, batch=2),
        nsga2(Box(variables=2), capacity=8, batch=2),
    ):
        state = optimizer.init(key)
        same = optimizer.tell(state, np.zeros((0, 2), int), np.zeros((0, 2)))
        jax.tree.map(np.testing.assert_array_equal, same, state)
        with pytest.raises(ValueError, match=r"genomes must have shape \(n, 2\), got \(0,\)"):
            optimizer.tell(state, [], [])


def test_small_capacities_leave_room_to_learn(key):
    optimizer = nsga2(Box(variables=1, levels=4001), capacity=16, batch=8)
    assert optimizer.init(key).members.shape == (8,)  # half of what it remembers, so that the rest can evolve
    with pytest.raises(ValueError, match="population 20, capacity 16"):
        nsga2(Box(variables=1), capacity=16, batch=8, population=20)
    assert history.first_phase(10, 8) == 4


def test_the_kernel_follows_the_kind_of_the_variables():
    config = SurrogateConfig()
    assert config.for_space(Box(variables=2, levels=9)).kernel == "matern"  # calls its variables ordinal
    assert config.for_space(Budgeted(space=Box(variables=1, levels=9), budgets=(1.0, 2.0))).kernel == "matern"
    assert config.for_space(NasBench201()).kernel == "categorical"
    assert config.for_space(Grid((4, 200))).kernel == "matern"  # hardly any of 200 names is seen twice
    assert SurrogateConfig(covariance="categorical").for_space(Box(variables=2)).kernel == "categorical"
