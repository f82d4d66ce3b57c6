import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, LamooConfig, cmaes, hypervolume, lamoo, problems
from jcenas.moo.svm import SvmConfig


def test_ranking_by_hand():
    # Up to (4, 4): (1, 3) and (2, 1.5) are non-dominated and dominate 3 and 5; (3, 3) and (2, 2) dominate 1 and 4.
    objectives = jnp.array([[3.0, 3.0], [1.0, 3.0], [0.0, 0.0], [2.0, 1.5], [2.0, 2.0]])
    mask = jnp.array([True, True, False, True, True])
    np.testing.assert_array_equal(cmaes.ranking(objectives, jnp.array([4.0, 4.0]), mask), [3, 1, 4, 0, 2])


def tutorial(points):
    """One generation of the tutorial's algorithm from its mean with sigma 0.15, weight by weight, in float64."""
    lam, d = points.shape
    mu = lam // 2
    weights = np.log((lam + 1) / 2) - np.log(np.arange(1, mu + 1))
    weights /= weights.sum()
    mass = 1 / (weights**2).sum()
    cs, cc = (mass + 2) / (d + mass + 5), (4 + mass / d) / (d + 4 + 2 * mass / d)
    c1 = 2 / ((d + 1.3) ** 2 + mass)
    cmu = min(1 - c1, 2 * (mass - 2 + 1 / mass) / ((d + 2) ** 2 + mass))
    damp = 1 + 2 * max(0, np.sqrt((mass - 1) / (d + 1)) - 1) + cs
    steps = (points - points.mean(0)) / 0.15
    shift = sum(w * s for w, s in zip(weights, steps, strict=False))
    ps = np.sqrt(cs * (2 - cs) * mass) * shift
    chi = np.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d))
    norm = np.linalg.norm(ps)
    calm = norm / np.sqrt(1 - (1 - cs) ** 2) < (1.4 + 2 / (d + 1)) * chi
    pc = calm * np.sqrt(cc * (2 - cc) * mass) * shift
    covariance = (1 + c1 * (1 - calm) * cc * (2 - cc) - c1 - cmu) * np.eye(d) + c1 * np.outer(pc, pc)
    for w, s in zip(weights, steps, strict=False):
        covariance += cmu * w * np.outer(s, s)
    return points.mean(0) + 0.15 * shift, 0.15 * np.exp(min(1, cs / damp * (norm / chi - 1))), covariance


UPDATE, DRAW = jax.jit(cmaes.update), jax.jit(cmaes.draw, static_argnums=(2, 3))


@pytest.mark.parametrize("seed", range(6))
def test_update_is_the_tutorials(seed):
    points = np.random.default_rng(seed).random((9, 4)).astype(np.float32)
    points[:, 1] = 0.9 * points[:, 0] if seed % 2 else points[:, 1]
    got = UPDATE(points, np.ones(9, bool))
    mean, sigma, covariance = tutorial(points.astype(float))
    np.testing.assert_allclose(got.mean, mean, atol=1e-6)
    np.testing.assert_allclose(got.sigma, sigma, rtol=1e-5)
    np.testing.assert_allclose(got.covariance, covariance, atol=1e-5)
    padded = np.concatenate([points[:4], np.full((3, 4), 9.0, np.float32), points[4:]])
    masked = UPDATE(jnp.array(padded), jnp.array([1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1], bool))
    np.testing.assert_allclose(masked.covariance, got.covariance, atol=1e-6)


def test_mean_by_hand():
    # Four points, two parents: weights log(2.5) and log(1.25), normalised 0.8042 and 0.1958.
    points = jnp.array([[0.5], [0.3], [0.1], [0.9]])
    np.testing.assert_allclose(UPDATE(points, jnp.ones(4, bool)).mean, [0.8042 * 0.5 + 0.1958 * 0.3], atol=1e-4)


def test_no_points_and_one_point_give_the_start():
    nothing = UPDATE(jnp.full((3, 2), 7.0), jnp.zeros(3, bool))
    np.testing.assert_allclose(nothing.mean, [0.5, 0.5])
    one = UPDATE(jnp.array([[0.2, 0.4], [9.0, 9.0]]), jnp.array([True, False]))
    np.testing.assert_allclose(one.mean, [0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(one.covariance, np.eye(2))


def test_draws_have_the_moments_and_stay_in_range(key):
    distribution = cmaes.Distribution(jnp.array([0.5, 0.5]), jnp.array(0.1), jnp.array([[1.0, 0.6], [0.6, 1.0]]))
    x = np.asarray(DRAW(key, distribution, (1001, 1001), 40_000)) / 1000
    np.testing.assert_allclose(x.mean(0), [0.5, 0.5], atol=0.003)
    np.testing.assert_allclose(np.cov(x.T), [[0.01, 0.006], [0.006, 0.01]], atol=3e-4)
    edge = np.asarray(DRAW(key, distribution.replace(mean=jnp.array([0.0, 1.0])), (5, 1), 2000))
    assert set(np.unique(edge[:, 0])) <= set(range(5))
    assert np.all(edge[:, 1] == 0)


def test_few_choices_are_not_frozen(key):
    # 0.3 of a choice: |z| > 1/0.6 leaves the middle choice, 9.6 % of draws, however small sigma is.
    frozen = cmaes.Distribution(jnp.array([0.5]), jnp.array(1e-6), jnp.eye(1))
    moved = np.asarray(DRAW(key, frozen, (5,), 20_000))[:, 0] != 2
    np.testing.assert_allclose(moved.mean(), 0.0956, atol=0.01)


@pytest.mark.slow
def test_beats_uniform_sampling_on_zdt1():
    box, problem, reference = Box(variables=6), problems.zdt1(6), np.array([1.1, 6.0], np.float32)

    def found(sampler):
        config = LamooConfig(sampler=sampler, draws=256, svm=SvmConfig(kernel="rbf"))
        optimizer = lamoo(box, config, capacity=160, batch=10, reference=reference)

        def step(state, key):
            state, genomes = optimizer.ask(key, state)
            values = jax.vmap(problem.evaluate)(box.features(genomes))
            return optimizer.tell(state, genomes, values), values

        def run(key):
            first, rest = jax.random.split(key)
            values = jax.lax.scan(step, optimizer.init(first), jax.random.split(rest, 16))[1]
            return hypervolume(values.reshape(-1, 2), reference)

        return np.median(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 6)))

    assert found("cmaes") > found("uniform")
