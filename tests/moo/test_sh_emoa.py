import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, Budgeted, ShEmoaConfig, hypervolume, sh_emoa
from jcenas.moo.history import contains
from jcenas.moo.sh_emoa import quotas

BUDGETS, REFERENCE = (1, 3, 9), np.array([2.0, 2.0], np.float32)
BOX = Box(variables=2, levels=33)
BUDGETED = Budgeted(space=BOX, budgets=BUDGETS)


def evaluate(genomes):
    """Objectives (x, 1 - x) + the second variable + 1 / budget: a longer training lowers both."""
    x, budget = BUDGETED.split(genomes)
    x = BOX.features(x)
    return jnp.stack([x[:, 0], 1 - x[:, 0]], axis=1) + x[:, 1:] + (1 / budget)[:, None]


CONFIG = ShEmoaConfig(evaluations=26, population=5, mutations=1)
OPTIMIZER = sh_emoa(BOX, BUDGETS, CONFIG, capacity=81, batch=1, reference=REFERENCE)


@pytest.fixture(scope="module")
def runs():
    """Last states and proposals (8, 80, 3) of eight searches."""

    def step(state, key):
        state, genomes = OPTIMIZER.ask(key, state)
        return OPTIMIZER.tell(state, genomes, evaluate(genomes)), genomes[0]

    def run(key):
        first, rest = jax.random.split(key)
        return jax.lax.scan(step, OPTIMIZER.init(first), jax.random.split(rest, 80))

    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(3), 8))


def test_quotas_by_hand():
    # 90 children over five budgets: 3 at the largest, doubling downwards; 93 + 10 first + 4 x 10 promoted are the 143
    # evaluations of the published runs.
    assert quotas(5, 100, 10, 2) == (48, 24, 12, 6, 3)
    assert sum(quotas(5, 100, 10, 2)) + 5 * 10 == 143
    assert quotas(1, 100, 10, 2) == (90,)


@pytest.mark.slow
def test_budgets_rise_on_schedule_and_survivors_are_evaluated_again(runs):
    states, proposals = jax.tree.map(np.asarray, runs)
    # 21 children: 12, 6 and 3; 5 members come first at each budget; the rest of the 80 stays at the largest.
    np.testing.assert_array_equal(proposals[:, :, 2], np.tile(np.repeat([0, 1, 2], [5 + 12, 5 + 6, 80 - 28]), (8, 1)))
    for genomes in proposals[:, :, :2].tolist():
        assert {tuple(g) for g in genomes[17:22]} <= {tuple(g) for g in genomes[:17]}
        assert {tuple(g) for g in genomes[28:33]} <= {tuple(g) for g in genomes[17:28]}
    assert np.all(states.level == 2)
    for genomes, members in zip(states.history.genomes, states.members, strict=True):
        assert np.all(genomes[members, 2] == 2)


def test_converges_to_the_front_of_the_largest_budget(runs):
    history = runs[0].history
    best = jax.vmap(lambda h: hypervolume(h.objectives, REFERENCE, h.told & (h.genomes[:, -1] == 2)))(history)
    first = np.linspace(0, 1, 33)
    whole = hypervolume(np.stack([first, 1 - first], 1) + 1 / 9, REFERENCE)
    assert np.median(best) > 0.85 * whole


def test_late_results_of_a_lower_budget_do_not_compete(runs):
    state = jax.tree.map(lambda x: x[0], runs[0])
    late = jnp.array([[0, 0, 0]], jnp.int32)
    known = bool(contains(state.history, late)[0])
    after = jax.jit(OPTIMIZER.tell)(state, late, jnp.full((1, 2), -5.0))
    np.testing.assert_array_equal(after.members, state.members)
    assert int(after.finished) == int(state.finished)
    assert int(after.history.count) == 80 + (not known)


@pytest.mark.slow
def test_budgeted_space(key):
    genomes = BUDGETED.sample(key, 200)
    assert BUDGETED.cardinalities == (33, 33, 3)
    assert genomes.dtype == jnp.int32
    assert set(np.unique(genomes[:, -1])) == {0, 1, 2}
    moved = jax.vmap(BUDGETED.mutate)(jax.random.split(key, 200), genomes)
    changed = np.asarray(moved != genomes)
    np.testing.assert_array_equal(changed.sum(1), 1)
    assert 0.2 < changed[:, -1].mean() < 0.5  # one in three
    np.testing.assert_array_equal(BUDGETED.features(jnp.array([[32, 0, 1]])), [[1.0, 0.0, 0.5]])
    np.testing.assert_array_equal(BUDGETED.split(jnp.array([[4, 5, 2]]))[1], [9.0])


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="budgets must be positive and rise"):
        Budgeted(space=BOX, budgets=(4, 4))
    with pytest.raises(ValueError, match="population must be at least 2"):
        ShEmoaConfig(population=1)
    with pytest.raises(ValueError, match="population must be at most the capacity: got 9, capacity 8"):
        sh_emoa(BOX, BUDGETS, ShEmoaConfig(population=9), capacity=8, batch=1, reference=REFERENCE)
