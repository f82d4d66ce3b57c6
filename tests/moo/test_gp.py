import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import expected_improvement, gp
from jcenas.moo.gp import Hyperparameters


def numpy_posterior(kernel, x, y, q, noise):
    matrix = kernel(x, x) + noise * np.eye(len(x))
    mean = kernel(q, x) @ np.linalg.solve(matrix, y)
    return mean, kernel(q, q) - kernel(q, x) @ np.linalg.solve(matrix, kernel(x, q))


def matern(a, b, scale=(0.7, 1.9)):
    r = np.sqrt(5 * (((a[:, None] - b[None]) * np.array(scale)) ** 2).sum(-1))
    return 1.3 * (1 + r + r**2 / 3) * np.exp(-r)


def categorical(a, b, scale=(0.7, 1.9)):
    return 1.3 * np.exp(-((a[:, None] != b[None]) * np.array(scale)).sum(-1))


@pytest.mark.parametrize(("kind", "kernel"), [("matern", matern), ("categorical", categorical)])
def test_posterior_against_numpy(kind, kernel):
    random = np.random.default_rng(0)
    x, q = random.integers(0, 4, (12, 2)) / 3, random.integers(0, 4, (5, 2)) / 3
    y = random.normal(size=12)

    @jax.jit
    def posterior(hyper, x, y, mask, q):
        return gp.predict(kind, gp.condition(kind, hyper, x, y, mask), q)

    with jax.enable_x64(True):
        hyper = Hyperparameters(np.log([0.7, 1.9]), np.log(np.array(1.3)), np.log(np.array(0.05)))
        padded = np.concatenate([x, np.full((3, 2), np.nan)])
        mean, matrix = posterior(hyper, padded, np.append(y, np.full(3, np.nan)), np.arange(15) < 12, q)
    expected = numpy_posterior(kernel, x, y, q, 0.05 + 1.3e-5)
    np.testing.assert_allclose(mean, expected[0], atol=1e-6)
    np.testing.assert_allclose(matrix, expected[1], atol=1e-6)


def test_fit_finds_which_variable_matters(key):
    x = jax.random.randint(key, (60, 3), 0, 4).astype(jnp.float32)
    y = jnp.array([-1.0, 0.3, 0.4, 1.2])[x[:, 0].astype(int)]
    before = gp.defaults(3)
    mask = jnp.ones(60, bool)
    after = jax.jit(lambda *data: gp.fit("categorical", *data, steps=60))(before, x, y, mask)

    @jax.jit
    def loss(hyper):
        return gp.negative_log_likelihood("categorical", hyper, x, y, mask)

    assert loss(after) < loss(before) - 10
    assert after.log_scale[0] > after.log_scale[1] + 1
    assert after.log_scale[0] > after.log_scale[2] + 1


def test_sample_has_the_moments(key):
    mean, matrix = jnp.array([1.0, -1.0]), jnp.array([[1.0, 0.8], [0.8, 2.0]])
    draws = jax.jit(lambda *posterior: gp.sample(*posterior, 40_000, 1.0))(key, mean, matrix)
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(np.asarray(draws).T), matrix, atol=0.06)


def test_draws_are_numbers_where_the_model_is_certain(key):
    # 60 noise-free samples of a smooth line leave the posterior less variance than the prior's rounding error.
    x = jnp.linspace(0, 1, 60)[:, None]
    hyper = Hyperparameters(jnp.zeros(1), jnp.log(10.0), jnp.log(1e-6))
    queries = jnp.linspace(0.01, 0.99, 200)[:, None]

    @jax.jit
    def run(key, x, queries):
        process = gp.condition("matern", hyper, x, jnp.sin(3 * x[:, 0]), jnp.ones(60, bool))
        mean, matrix = gp.predict("matern", process, queries)
        return matrix, gp.sample(key, mean, matrix, 8, 10.0)

    matrix, draws = run(key, x, queries)
    assert jnp.max(jnp.diagonal(matrix)) < 1e-3 * 10
    assert jnp.all(jnp.isfinite(draws))
    np.testing.assert_allclose(draws, np.tile(np.sin(3 * queries[:, 0]), (8, 1)), atol=0.15)  # jitter: 0.017 deviation


EXPECTED = jax.jit(expected_improvement)


def gained(draws, gain):
    """What each of draws (s, 2) adds to the staircase of gains (n, 2): column by column, left to right."""
    added = np.zeros(len(draws))
    edges = np.append(np.sort(gain[:, 0])[::-1], 0)
    right = np.full(len(draws), np.inf)
    height = 0.0
    for i, left in enumerate(edges):
        width = np.maximum(np.minimum(draws[:, 0], right) - left, 0)
        added += width * np.maximum(draws[:, 1] - height, 0)
        right, height = left, max([height, *gain[gain[:, 0] >= left, 1]]) if i < len(gain) else height
    return added


@pytest.mark.parametrize("seed", range(24))
def test_expected_improvement_against_a_million_draws(seed):
    random = np.random.default_rng(seed)
    archive = random.random((4, 2)).astype(np.float32) * (1.5 if seed % 3 == 0 else 1.0)  # some beyond the reference
    mean, deviation = random.random((1, 2)) * 1.2, np.exp(random.uniform(-3, 0, (1, 2)))
    inside = np.all(archive < 1, axis=1)
    got = EXPECTED(mean.astype(np.float32), deviation.astype(np.float32), archive, np.ones(2, np.float32))[0]
    added = gained(1 - (mean + deviation * random.normal(size=(10**6, 2))), 1.0 - archive[inside].astype(float))
    assert abs(got - added.mean()) <= 3 * added.std() / 1000 + 1e-6


def test_expected_improvement_with_certainty_is_the_improvement():
    archive = np.array([[0.5, 0.5]], np.float32)
    got = expected_improvement(np.array([[0.25, 0.25]]), np.full((1, 2), 1e-6), archive, np.ones(2, np.float32))
    np.testing.assert_allclose(got, 0.75**2 - 0.25, rtol=1e-4)


def test_expected_improvement_of_integers_is_that_of_floats():
    whole = expected_improvement([[1, 1]], [[1, 1]], [[2, 2]], (4.5, 4.5))
    assert whole == expected_improvement([[1.0, 1.0]], [[1.0, 1.0]], [[2.0, 2.0]], (4.5, 4.5))


def test_expected_improvement_at_its_limits_by_hand():
    certain = expected_improvement([[0.2, 0.2], [0.7, 0.7]], np.zeros((2, 2)), [[0.4, 0.5]], (1, 1))
    np.testing.assert_allclose(certain, [0.64 - 0.3, 0.0], atol=1e-6)  # no division by the deviation
    covered = expected_improvement([[0.2, 0.2]], [[0.0, 0.0]], [[-np.inf, 0.5]], (1, 1))
    np.testing.assert_allclose(covered, [0.8 * 0.3], rtol=1e-6)  # the archive has all that is above 0.5
    large = expected_improvement([[1e9 - 1, 0.0]], [[0.0, 0.0]], [[1e9 - 0.5, 0.5]], (1e9, 1))
    np.testing.assert_allclose(large, [1 - 0.25], rtol=1e-6)


def test_expected_improvement_needs_two_objectives():
    with pytest.raises(ValueError, match="the exact form has 2 objectives"):
        expected_improvement(jnp.zeros((1, 3)), jnp.ones((1, 3)), jnp.zeros((4, 3)), jnp.ones(3))
