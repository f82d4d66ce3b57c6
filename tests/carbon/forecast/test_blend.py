"""Online weights and intervals: by hand, against a solver, and what each origin may know."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from jcenas.carbon.forecast import blend
from jcenas.carbon.forecast.blend import Blending
from jcenas.carbon.forecast.network import LEVELS, MEDIAN

NORMAL = jnp.asarray([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
DAILY = Blending(a_day=1, half_life_days=20, prior_days=1, rate=0.2, inner_rate=0.2)

learn = jax.jit(blend.learn, static_argnames="config")
stacking = jax.jit(blend.stacking)


@pytest.mark.parametrize(
    ("gram", "prior", "weights"),
    [
        ([[1.0, 0.0], [0.0, 4.0]], 0.0, [0.8, 0.2]),  # independent errors: by inverse variance
        ([[1.0, 2.0], [2.0, 4.0]], 0.0, [1.0, 0.0]),  # twice the same error: 2 and -1 would cancel it, but are no blend
        ([[1.0, 0.0], [0.0, 0.0]], 1.0, [0.0, 1.0]),  # a perfect expert, although the other is believed at first
        ([[0.0, 0.0], [0.0, 1.0]], 1.0, [1.0, 0.0]),
        # w'w + |w - (1, 0)|^2 on w0 + w1 = 1: 2 w0 + 2 (w0 - 1) = 2 w1 + 2 w1, so w0 = 3/4.
        ([[1.0, 0.0], [0.0, 1.0]], 1.0, [0.75, 0.25]),
    ],
)
def test_weights_by_hand(gram, prior, weights):
    found = stacking(jnp.asarray(gram), jnp.float32(1.0), prior)
    np.testing.assert_allclose(found, weights, atol=2e-3)


def test_nothing_known_is_the_first_expert():
    np.testing.assert_array_equal(stacking(jnp.eye(3) * 0, jnp.float32(0), 4.0), [1, 0, 0])


def test_weights_against_a_solver():
    random = np.random.default_rng(0)
    for _ in range(20):
        errors = random.normal(size=(4, 30)) * random.uniform(0.3, 3, (4, 1)) + random.normal(size=30)
        gram = errors @ errors.T
        pull = 3.0 * np.diag(gram).min() / 30

        def loss(w, gram=gram, pull=pull):
            return w @ gram @ w + pull * ((w - np.eye(4)[0]) ** 2).sum()

        best = minimize(
            loss, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}
        )
        found = np.asarray(stacking(jnp.asarray(gram, jnp.float32), jnp.float32(30), 3.0), np.float64)
        assert found.min() >= 0
        assert found.sum() == pytest.approx(1, abs=1e-4)
        assert loss(found) <= best.fun * (1 + 1e-3)


def noise(n, key, size=1.0):
    return size * jax.random.normal(key, (n, 96))


def test_a_perfect_expert_wins(key):
    n = 40
    target = 5 + noise(n, key)
    experts = jnp.stack((target + 0.3, target, target + noise(n, jax.random.fold_in(key, 1))), axis=1)
    spread = jnp.broadcast_to(NORMAL, (n, 96, 7))
    learnt = learn(experts, spread, target, jnp.ones((n, 4), bool), DAILY)
    np.testing.assert_allclose(learnt.weights[-1], np.tile([0, 1, 0], (4, 1)), atol=1e-3)
    np.testing.assert_array_equal(learnt.weights[0], np.tile([1, 0, 0], (4, 1)))
    blended = blend.combine(experts, learnt.weights, jnp.arange(n), 1)
    np.testing.assert_allclose(blended[8:], target[8:], atol=2e-3)


def test_origins_know_days_that_are_over():
    # Day 1 of origin j is over when origin j + 1 begins, day 4 when origin j + 4 does.
    states = jnp.arange(11.0)[:, None] * jnp.ones((1, 4))  # state i is known after i origins
    known = blend._known(states, jnp.asarray([0, 1, 5, 50]), 1)
    np.testing.assert_array_equal(known, [[0, 0, 0, 0], [1, 0, 0, 0], [5, 4, 3, 2], [10, 10, 10, 10]])


def test_what_is_not_over_changes_nothing(key):
    n = 10
    over = jnp.asarray(np.arange(n)[:, None] + 1 + np.arange(4) <= 8)
    target = noise(n, key)
    experts = jnp.stack((jnp.zeros((n, 96)), target + 0.1), axis=1)
    spread = jnp.broadcast_to(NORMAL, (n, 96, 7))
    hours = jnp.repeat(over, 24, axis=1)
    first = learn(experts, spread, target, over, DAILY)
    second = learn(experts, spread, jnp.where(hours, target, 1e6), over, DAILY)
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize("width", [0.2, 1.0, 4.0])
def test_intervals_find_their_width(key, width):
    """Independent noise, and quantiles that are too narrow, right, or too wide at first."""
    n, settled = 400, 200
    target = noise(n, key)
    spread = jnp.broadcast_to(width * NORMAL, (n, 96, 7))
    experts = jnp.zeros((n, 1, 96))
    learnt = learn(experts, spread, target, jnp.ones((n, 4), bool), DAILY)
    found, weights = blend.quantiles(learnt, experts, spread, jnp.arange(n), DAILY)
    np.testing.assert_allclose(weights, 1, atol=1e-5)
    assert (np.diff(found) >= 0).all()
    below = np.asarray(target[settled:, :, None] <= found[settled:]).mean(axis=(0, 1))
    np.testing.assert_allclose(np.delete(below, MEDIAN), np.delete(LEVELS, MEDIAN), atol=0.01)
