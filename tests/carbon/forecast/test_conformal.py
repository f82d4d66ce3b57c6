"""Split conformal prediction: exact on exchangeable toys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast.conformal import apply_scale, fit_scale
from jcenas.carbon.forecast.network import LEVELS, MEDIAN

STEPS = jnp.asarray([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])


def forecasts(n):
    """Quantiles at -3..3 around 0, the same for every hour."""
    return jnp.broadcast_to(STEPS, (n, 96, 7))


def test_factor_by_hand():
    # One origin: 24 hours a day, at 0.1, 0.2, ..., 2.4 on all days. Level 0.75 needs ceil(25 * 0.75) = 19 of 24 hours
    # held: its distance 1 must reach the 19th value, 1.9. Level 0.90: ceil(22.5) = 23, distance 2: 2.3 / 2. Level 0.95:
    # ceil(23.75) = 24, distance 3: 2.4 / 3. Below the median nothing ever lies: factor 0.
    target = jnp.tile(jnp.arange(1, 25) / 10.0, (1, 4))
    scale = np.asarray(fit_scale(forecasts(1), target))
    np.testing.assert_allclose(scale[:, MEDIAN + 1 :], np.tile([1.9, 2.3 / 2, 2.4 / 3], (4, 1)), rtol=1e-5)
    np.testing.assert_allclose(scale[:, :MEDIAN], 0.0, atol=1e-6)
    assert (scale[:, MEDIAN] == 1).all()


def test_days_have_their_own_factors():
    target = jnp.concatenate([jnp.full((5, 24), float(day)) for day in (1, 2, 3, 4)], axis=1)
    scale = np.asarray(fit_scale(forecasts(5), target))
    np.testing.assert_allclose(scale[:, MEDIAN + 1], [1, 2, 3, 4], rtol=1e-5)


def test_coverage_is_what_was_promised_on_exchangeable_hours():
    # P(covered) of split conformal lies in [c, c + 1 / (n + 1)], n = 20 * 24 hours of a day here.
    keys = jax.random.split(jax.random.key(0), 200)

    def trial(key):
        noise = jax.random.normal(key, (40, 96)) ** 3  # far from normal, and far from the forecast's guess
        scale = fit_scale(forecasts(20), noise[:20])
        quantiles = jax.vmap(apply_scale, in_axes=(0, None))(forecasts(20), scale)
        return jnp.mean(noise[20:, :, None] <= quantiles, axis=(0, 1))

    below = np.asarray(jax.jit(jax.vmap(trial))(keys)).mean(axis=0)
    expected = np.array(LEVELS)
    expected[MEDIAN] = 0.5
    np.testing.assert_allclose(below, expected, atol=0.006)


def test_quantiles_stay_in_order():
    target = jnp.concatenate((jnp.full((2, 48), 0.9), jnp.full((2, 48), -2.5)), axis=1)
    scale = fit_scale(forecasts(2), target)
    for strange in (scale, jnp.ones((4, 7)).at[:, 4].set(9.0).at[:, 0].set(0.0)):
        assert (np.diff(apply_scale(forecasts(1)[0], strange)) >= 0).all()


def test_ones_change_nothing(key):
    quantiles = jnp.sort(jax.random.normal(key, (96, 7)), axis=1)
    np.testing.assert_allclose(apply_scale(quantiles, jnp.ones((4, 7))), quantiles, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_hours_take_the_widest(n):
    scale = fit_scale(forecasts(n), jnp.full((n, 96), 6.0))
    np.testing.assert_allclose(scale[:, -1], 2.0, rtol=1e-5)
