"""Predictors of finished evaluations: exact where the answer is known, masked, refitted without compiling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.proxies import learning_curve, predictor
from jcenas.proxies.predictor import PredictorConfig
from jcenas.spaces import NasBench201
from jcenas.spaces.nasbench201 import CONV_3X3, POOL
from jcenas.spaces.nasbench201.paths import WORDS, cell_features

EXACT = PredictorConfig(members=4, ridge=1e-3)


def test_cell_features_by_hand():
    # Paths of 3 1 2 1 3 4: skip; (3x3, 3x3); (skip, pool) = pool; (3x3, 1x1, pool).
    counts = np.asarray(cell_features(jnp.array([[3, 1, 2, 1, 3, 4]])))[0]
    assert 2 * len(WORDS) == counts.size
    words = [(), (CONV_3X3, CONV_3X3), (POOL,), (CONV_3X3, 2, POOL)]
    expected = np.zeros(len(WORDS))
    expected[[WORDS.index(w) for w in words]] = 1
    np.testing.assert_array_equal(counts, np.concatenate([expected, expected]))
    dead, twice = np.asarray(cell_features(jnp.array([[3, 3, 3, 0, 0, 0], [1, 1, 0, 0, 3, 3]])))
    assert not dead.any()
    assert twice[WORDS.index((CONV_3X3,))] == 2
    assert twice[len(WORDS) + WORDS.index((CONV_3X3,))] == 1


def test_isomorphic_cells_look_the_same():
    one, other = cell_features(jnp.array([[3, 0, 0, 1, 2, 0], [0, 3, 0, 1, 0, 2]]))  # through node 1, through node 2
    np.testing.assert_array_equal(one, other)


def quality(genomes):
    """Something that depends on the cell: 3x3 on the paths helps, pools hurt, and both interact."""
    features = cell_features(genomes)
    threes, pools = features[:, WORDS.index((CONV_3X3,))], features[:, WORDS.index((POOL,))]
    return threes - 0.5 * pools + 0.5 * threes * pools + 0.1 * features.sum(axis=1)


@pytest.mark.slow
def test_the_ensemble_learns_a_known_function():
    genomes = NasBench201().sample(jax.random.key(0), 700)
    features, targets = cell_features(genomes), quality(genomes)
    seen = jnp.arange(500) < 400

    @jax.jit
    def run(key):
        return predictor.predict(EXACT, predictor.fit(key, EXACT, features[:500], targets[:500], seen), features[500:])

    mean, _ = run(jax.random.key(1))
    assert np.corrcoef(mean, targets[500:])[0, 1] > 0.95


@pytest.mark.slow
def test_the_ensemble_is_unsure_far_from_what_it_saw():
    x = jnp.linspace(-1, 1, 40)[:, None]

    @jax.jit
    def run(x):
        fitted = predictor.fit(jax.random.key(1), EXACT, x, jnp.sin(3 * x[:, 0]), jnp.ones(40, bool))
        return predictor.predict(EXACT, fitted, jnp.concatenate([x, 4 + x]))

    mean, spread = run(x)
    np.testing.assert_allclose(mean[:40], jnp.sin(3 * x[:, 0]), atol=0.1)
    assert float(spread[40:].mean()) > 3 * float(spread[:40].mean())


def test_a_single_regression_is_kernel_ridge():
    """Without bootstrap differences (every row drawn as often), the dual weights solve (K + ridge I) a = y."""
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    y = x[:, 0] + 2.0
    fitted = jax.jit(lambda x, y: predictor.fit(jax.random.key(0), EXACT, x, y, jnp.ones(6, bool)))(x, y)
    inputs = (x - x.mean(0)) / (x.std(0) + 0.1)
    squared = ((inputs[:, None] - inputs[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / squared.mean()) + inputs @ inputs.T / 3
    targets = (y - y.mean()) / y.std()
    drawn = jax.jit(jax.vmap(lambda key: jax.random.poisson(key, 1.0, (6,))))(jax.random.split(jax.random.key(0), 4))
    for weights, times in zip(np.asarray(fitted.weights), np.asarray(drawn), strict=True):
        rows = np.repeat(np.arange(6), times)  # the bootstrap itself, rows as often as drawn
        dual = np.linalg.solve(kernel[np.ix_(rows, rows)] + 1e-3 * np.eye(len(rows)), targets[rows])
        expected = np.zeros(6)
        np.add.at(expected, rows, dual)
        np.testing.assert_allclose(weights, expected, rtol=2e-2, atol=2e-2)


def test_refitting_compiles_nothing_and_padding_changes_nothing():
    genomes = NasBench201().sample(jax.random.key(2), 40)
    features, targets = cell_features(genomes), quality(genomes)
    traces = 0

    @jax.jit
    def refit(targets, mask):
        nonlocal traces
        traces += 1
        fitted = predictor.fit(jax.random.key(0), EXACT, features, targets, mask)
        return predictor.predict(EXACT, fitted, features)[0]

    twenty = jnp.arange(40) < 20
    clean = refit(jnp.where(twenty, targets, 0), twenty)
    np.testing.assert_array_equal(clean, refit(jnp.where(twenty, targets, jnp.nan), twenty))
    assert not np.allclose(clean, refit(targets, jnp.arange(40) < 30))
    assert np.isfinite(refit(targets, jnp.arange(40) < 1)).all()
    assert traces == 1


def test_curve_features_by_hand():
    np.testing.assert_array_equal(
        learning_curve.curve_features(jnp.array([[1.0, 3.0, 4.0]])), [[1.0, 3.0, 4.0, 2.0, 1.0, -1.0]]
    )
    assert learning_curve.curve_features(jnp.ones((5, 1))).shape == (5, 1)


def test_curves_with_a_known_law_are_continued_exactly():
    random = np.random.default_rng(0)
    end, drop, speed = random.uniform(0.1, 0.9, 60), random.uniform(0.1, 0.5, 60), 0.5

    def at(t):
        return end - drop * speed**t  # a geometric approach: the end is linear in any two values

    curves = jnp.asarray(np.stack([at(t) for t in range(4)], axis=1), jnp.float32)
    finals, mask = jnp.asarray(end, jnp.float32), jnp.arange(60) < 40
    model = learning_curve.fit(curves, jnp.where(mask, finals, jnp.nan), mask, ridge=1e-6)
    np.testing.assert_allclose(learning_curve.predict(model, curves), finals, atol=2e-3)
    assert np.abs(np.asarray(curves[:, -1]) - finals).mean() > 0.02  # the last value alone is off


def test_rows_must_agree():
    with pytest.raises(InputError, match=r"features \(4, 2\), targets \(3,\), mask \(4,\)"):
        predictor.fit(jax.random.key(0), EXACT, jnp.ones((4, 2)), jnp.ones(3), jnp.ones(4, bool))
    with pytest.raises(InputError, match=r"curves \(4, 2\), finals \(3,\), mask \(4,\)"):
        learning_curve.fit(jnp.ones((4, 2)), jnp.ones(3), jnp.ones(4, bool))
