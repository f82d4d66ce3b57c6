import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.svm import SVC

from jcenas.moo import partition, svm
from jcenas.moo.svm import SvmConfig

N, F = 160, 6


@functools.cache
def compiled(config):
    train = jax.jit(lambda x, y, m: svm.fit(config, x, y, m))
    return train, jax.jit(lambda machine, q: svm.decide(config, machine, svm.prepare(config, q)))


def problem(seed):
    """Cells or real vectors, labelled by a noisy function with an interaction; half of them good."""
    random = np.random.default_rng(seed)
    n = random.integers(20, N)
    x = (random.integers(0, 5, (n, F)) + 0.5) / 5 if seed % 2 else random.random((n, F))
    value = (x - 0.5) @ random.normal(size=F) + 2 * (x[:, 0] - 0.5) * (x[:, 1] - 0.5) + 0.3 * random.normal(size=n)
    labels = np.where(np.argsort(np.argsort(value)) < n // 2, 1.0, -1.0)
    padded = np.full((N, F), 7.0, np.float32)  # padding must not matter
    padded[:n] = x
    sides = np.ones(N, np.float32)
    sides[:n] = labels
    return padded, sides, np.arange(N) < n


def agreement(config, seeds):
    train, decide = compiled(config)
    on_training, on_fresh = [], []
    for seed in seeds:
        x, y, mask = problem(seed)
        machine = train(x, y, mask)
        oracle = SVC(kernel=config.kernel, degree=config.degree, coef0=config.coef0, C=config.cost, gamma="scale")
        oracle.fit(x[mask].astype(float), y[mask])
        fresh = np.random.default_rng(seed + 10**6).random((500, F)).astype(np.float32)
        on_training.append(np.mean((np.asarray(decide(machine, x))[mask] >= 0) == (oracle.predict(x[mask]) > 0)))
        on_fresh.append(np.mean((np.asarray(decide(machine, fresh)) >= 0) == (oracle.predict(fresh) > 0)))
    return np.mean(on_training), np.mean(on_fresh)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["poly", "rbf", "linear"])
def test_decides_as_libsvm(kernel):
    training, fresh = agreement(SvmConfig(kernel=kernel), range(100))
    assert training >= 0.99
    assert fresh >= 0.98


def test_inhomogeneous_polynomial_and_another_cost():
    training, fresh = agreement(SvmConfig(degree=3, coef0=1.0, cost=5.0), range(5))
    assert training >= 0.99
    assert fresh >= 0.98


def test_two_points_by_hand():
    # Points 0 and 1 on a line, wide margin: the boundary is in the middle, the decision is -1 and +1 at the points.
    config = SvmConfig(kernel="linear", cost=100.0)
    train, decide = compiled(config)
    machine = train(jnp.array([[0.0], [1.0]]), jnp.array([-1.0, 1.0]), jnp.ones(2, bool))
    queries = jnp.array([[0.0], [0.5], [1.0], [2.0]])
    np.testing.assert_allclose(decide(machine, queries), [-1, 0, 1, 3], atol=2e-3)


def test_one_class_answers_that_class():
    train, decide = compiled(SvmConfig(kernel="rbf"))
    machine = train(np.eye(3, dtype=np.float32), -np.ones(3, np.float32), np.array([True, True, False]))
    assert np.all(np.asarray(decide(machine, np.eye(3, dtype=np.float32))) < 0)


def test_explicit_features_are_the_kernel():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        a, b, gamma = random.random((4, 3)), random.random((5, 3)), 1.7
        for coef0 in (0.0, 0.6):
            scale = svm.kernels.monomial_scale(3, gamma, 4, coef0)[None, :]
            left = svm.kernels.monomials(jnp.array(a), 4, coef0) * scale
            right = svm.kernels.monomials(jnp.array(b), 4, coef0) * scale
            np.testing.assert_allclose(left @ right.T, (gamma * a @ b.T + coef0) ** 4, rtol=1e-5)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="kernel must be one of"):
        SvmConfig(kernel="sigmoid")
    with pytest.raises(ValueError, match="cost positive"):
        SvmConfig(cost=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["poly", "rbf"])
def test_decides_as_libsvm_on_many_samples(kernel):
    # 1,500 cells of six variables of five choices, halved by dominance: more samples than the factor's least rank.
    random = np.random.default_rng(0)
    x = (random.integers(0, 5, (1500, F)) / 4).astype(np.float32)
    size = np.array([0.0, 0.5, 2.0, 6.0, 1.0])[(4 * x).astype(int)].sum(1)
    objectives = np.stack([5 + 60 * np.exp(-size / 8) + random.normal(size=1500), 10 + size], 1).astype(np.float32)
    _, labels = partition.labels_by_dominance(jnp.array(objectives), jnp.ones(1500, bool))
    fresh = (random.integers(0, 5, (3000, F)) / 4).astype(np.float32)
    train, decide = compiled(SvmConfig(kernel=kernel))
    machine = train(x, labels, np.ones(1500, bool))
    oracle = SVC(kernel=kernel, degree=4, gamma="scale").fit(x.astype(float), np.asarray(labels))
    for queries, owed in ((x, 0.99), (fresh, 0.98)):
        equal = np.mean((np.asarray(decide(machine, queries)) >= 0) == (oracle.predict(queries.astype(float)) > 0))
        assert equal >= owed, (len(queries), equal)


def test_rounding_does_not_lead_a_long_training_astray():
    random = np.random.default_rng(3)
    x = ((random.integers(0, 5, (1500, F)) + 0.5) / 5).astype(np.float32)
    labels = np.where((x - 0.5).sum(1) + 0.5 * random.normal(size=1500) < 0, 1.0, -1.0).astype(np.float32)
    decisions = []
    for steps in (15, 60):
        train, decide = compiled(SvmConfig(steps=steps))
        decisions.append(np.asarray(decide(train(x, labels, np.ones(1500, bool)), x)) >= 0)
    oracle = SVC(kernel="poly", degree=4, gamma="scale").fit(x.astype(float), labels).predict(x.astype(float)) > 0
    assert np.mean(decisions[0] == oracle) >= 0.99
    assert np.mean(decisions[1] == oracle) >= 0.99
