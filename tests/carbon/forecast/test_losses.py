import jax.numpy as jnp
import numpy as np

from jcenas.carbon.forecast import losses
from jcenas.carbon.forecast.network import LEVELS


def test_pinball_by_hand():
    found = losses.pinball(jnp.asarray([[8.0, 12.0]]), jnp.asarray([10.0]), (0.25, 0.75))
    np.testing.assert_allclose(found, [[0.25 * 2, 0.25 * 2]])
    found = losses.pinball(jnp.asarray([[12.0, 8.0]]), jnp.asarray([10.0]), (0.25, 0.75))
    np.testing.assert_allclose(found, [[0.75 * 2, 0.75 * 2]])


def test_pinball_is_least_at_the_quantile():
    sample = jnp.arange(1.0, 101.0)
    grid = np.arange(1.0, 101.0, 0.5)
    mean = [float(losses.pinball(jnp.full((100, 1), value), sample, (0.9,)).mean()) for value in grid]
    assert 90 <= grid[int(np.argmin(mean))] <= 91


def test_point_minimises_the_relative_error_of_a_lognormal():
    spread = 0.3
    normal = np.random.default_rng(0).normal(size=40_000)
    actual = np.exp(5 + spread * normal)
    quantiles = 5 + spread * np.array([-1.645, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645])
    point = float(losses.point_log(jnp.asarray(quantiles, jnp.float32)))
    np.testing.assert_allclose(point, 5 - spread**2, atol=1e-3)
    grid = np.arange(4.7, 5.1, 0.01)
    errors = [np.mean(np.abs(np.exp(g) - actual) / actual) for g in grid]
    np.testing.assert_allclose(grid[int(np.argmin(errors))], point, atol=0.02)


def test_mape_by_day_by_hand():
    target = jnp.full((2, 96), 100.0)
    forecast = jnp.concatenate([jnp.full((2, 24), 100.0 + error) for error in (0, 10, -20, 50)], axis=1)
    np.testing.assert_allclose(losses.mape_by_day(forecast, target), [0, 10, 20, 50], rtol=1e-5)


def test_coverage_counts_the_borders():
    assert float(losses.coverage(jnp.asarray([1.0, 1, 1]), jnp.asarray([2.0, 2, 2]), jnp.asarray([1.0, 2, 3]))) == (
        np.float32(2 / 3)
    )


def test_training_loss_is_zero_only_for_a_sure_and_right_forecast():
    target = jnp.full((1, 96), 50.0)
    right = jnp.full((1, 96, len(LEVELS)), jnp.log(50.0))
    assert float(losses.training_loss(right, target)) < 1e-6
    assert float(losses.training_loss(right + 0.1, target)) > 0.05
