"""The predictor's Gaussian process by hand, against linear algebra in double precision, and on laws it must find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.engine import process
from jcenas.engine.candidates import Inputs
from jcenas.engine.process import Scales

SCALES = process.usual()


def inputs(rng, n, scores=2, computes=3):
    return Inputs(
        jnp.asarray(rng.normal(size=(n, scores)), jnp.float32), jnp.asarray(rng.normal(size=(n, computes)), jnp.float32)
    )


def test_quantiles_and_warp_by_hand():
    errors = jnp.array([8.0, 6.0, 30.0, 7.0, 10.0, 999.0])
    mask = jnp.arange(6) < 5
    assert float(process.quantile(errors, mask, 0.0)) == 6.0
    assert float(process.quantile(errors, mask, 0.25)) == 7.0
    scale = process.warp_of(errors, mask)
    assert float(scale.shift) == 0.5  # half the distance from the best to the lower quartile
    np.testing.assert_allclose(scale.forward(errors[1]), -1.2, rtol=1e-5)
    np.testing.assert_allclose(scale.forward(errors[0]), 0.0, atol=1e-6)  # the 40 % quantile of five is the third
    np.testing.assert_allclose(scale.backward(scale.forward(errors[:5])), errors[:5], rtol=1e-5)


def kernel(a, b, scales=SCALES):
    trend, trend_rate, local, local_rate, linear, _ = (float(np.exp(x)) for x in scales)
    apart = [((x[:, None].astype(float) - y[None].astype(float)) ** 2).sum(2) for x, y in zip(a, b, strict=True)]
    same = a[1].astype(float) @ b[1].astype(float).T
    return trend * np.exp(-trend_rate * apart[0]) + local * np.exp(-local_rate * apart[1]) + linear * same


def test_equals_a_plain_process_in_double_precision(rng):
    known, asked = inputs(rng, 9), inputs(rng, 4)
    errors, mask = jnp.asarray(rng.uniform(5, 20, 9), jnp.float32), jnp.arange(9) < 7

    @jax.jit
    def run(mask):
        made = process.condition(known, errors, mask, SCALES)
        return made, process.predict(made, asked), process.leave_one_out(made)

    made, got, without = run(mask)
    a, b = [np.asarray(x)[:7] for x in known], [np.asarray(x) for x in asked]
    noise = float(np.exp(SCALES.noise)) + 1e-5 * float(np.exp(SCALES.trend) + np.exp(SCALES.local))
    matrix = kernel(a, a) + noise * np.eye(7)
    target, cross = np.asarray(made.warp.forward(errors[:7]), float), kernel(a, b)
    np.testing.assert_allclose(got.mean, cross.T @ np.linalg.solve(matrix, target), rtol=1e-3, atol=1e-3)
    variance = np.diag(kernel(b, b)) - np.einsum("ij,ij->j", cross, np.linalg.solve(matrix, cross))
    once = float(np.exp(SCALES.noise))  # of what a training shows
    np.testing.assert_allclose(got.deviation, np.sqrt(variance + once), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(process.variance(asked, SCALES), np.diag(kernel(b, b)), rtol=1e-5)
    for i in range(7):  # each left out indeed
        rest = np.delete(np.arange(7), i)
        weights = np.linalg.solve(matrix[np.ix_(rest, rest)], target[rest])
        np.testing.assert_allclose(without[i], kernel(a, a)[i, rest] @ weights, rtol=2e-3, atol=2e-3)
    nothing = run(jnp.zeros(9, bool))[1]
    np.testing.assert_allclose(nothing.deviation, np.sqrt(np.diag(kernel(b, b)) + once), rtol=1e-5)


def test_the_posterior_of_scales_by_hand(rng):
    known = inputs(rng, 5)
    targets, mask = jnp.asarray(rng.normal(size=5), jnp.float32), jnp.ones(5, bool)
    scales = Scales(*(x + jnp.float32(0.5) for x in SCALES))  # half a deviation of the prior from its centre
    matrix = kernel(*[[np.asarray(x) for x in known]] * 2, scales) + float(np.exp(scales.noise)) * np.eye(5)
    matrix += 1e-5 * float(np.exp(scales.trend) + np.exp(scales.local)) * np.eye(5)
    t = np.asarray(targets, float)
    wanted = t @ np.linalg.solve(matrix, t) / 2 + np.linalg.slogdet(matrix)[1] / 2 + 6 * 0.5**2 / 2
    apart = process._Apart.of(known, known)
    np.testing.assert_allclose(process.negative_log_posterior(apart, targets, mask, scales), wanted, rtol=1e-3)


def one_hot(rng, n, variables=6, choices=3):
    genomes = rng.integers(0, choices, (n, variables))
    return genomes, jnp.asarray(0.7 * np.eye(choices)[genomes].reshape(n, -1), jnp.float32)


@pytest.mark.parametrize("seed", range(3))
def test_scales_that_fit_predict_better_than_the_usual_ones_on_other_laws(seed):
    """Additive in the choices, noisy, without any score."""
    rng = np.random.default_rng(seed)
    genomes, computes = one_hot(rng, 120)
    effects = rng.normal(0, 1, (6, 3))
    quality = effects[np.arange(6), genomes].sum(axis=1)
    errors = jnp.asarray(10 * np.exp(0.3 * (quality + 0.3 * rng.normal(size=120))), jnp.float32)
    known, mask = Inputs(jnp.zeros((120, 0)), computes), jnp.arange(120) < 60

    def misses(scales):
        made = process.condition(known, errors, mask, scales)
        said = process.predict(made, known.at(jnp.arange(60, 120)))
        return float(jnp.mean((said.mean - made.warp.forward(errors[60:])) ** 2)), made.scales

    fitted, scales = misses(None)
    assert fitted < 0.8 * misses(SCALES)[0]
    assert scales.linear > scales.local + SCALES.linear - SCALES.local


def test_of_many_evaluations_the_scales_see_some_from_best_to_worst(rng, monkeypatch):
    monkeypatch.setattr(process, "FIT", 4)
    seen = []
    monkeypatch.setattr(process, "descend", lambda loss, start, *_, **__: seen.append(loss) or start)
    monkeypatch.setattr(process, "negative_log_posterior", lambda apart, targets, mask, scales: (targets, mask))
    targets = jnp.array([5.0, 1.0, 3.0, 2.0, 4.0, 9.0, 0.0, 7.0, 6.0, 8.0])
    process.fit(inputs(rng, 10), targets, jnp.arange(10) != 5)
    got = seen[0](SCALES)
    np.testing.assert_array_equal(got[0], [0, 2, 4, 6])  # of 0..8, every 9/4th
    assert got[1].all()
    process.fit(inputs(rng, 10), targets, jnp.arange(10) < 3)
    got = seen[1](SCALES)
    np.testing.assert_array_equal(got[0][:3], [1, 3, 5])
    np.testing.assert_array_equal(got[1], [True, True, True, False])
