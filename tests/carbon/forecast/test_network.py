import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.carbon.forecast import features, network, windows
from jcenas.carbon.forecast.network import LEVELS, MEDIAN, base_forecast, ordered, seasonal


def test_base_forecast_by_hand():
    # Six days at e^1 and yesterday at e^8: the week's mean is 2.
    log_past = np.repeat([1.0, 1, 1, 1, 1, 1, 8], 24).astype(np.float32)
    yesterday, week = seasonal(jnp.asarray(log_past))
    assert (float(yesterday[0]), float(week[0])) == (8.0, 2.0)
    base = np.asarray(base_forecast(jnp.asarray(log_past))).reshape(4, 24)
    np.testing.assert_allclose(base[:, 0], [8 - 0.4 * 6, 8 - 0.6 * 6, 8 - 0.7 * 6, 8 - 0.8 * 6], rtol=1e-6)


def test_base_keeps_the_hour_of_the_day():
    log_past = np.tile(np.arange(24.0), 7).astype(np.float32)
    np.testing.assert_allclose(base_forecast(jnp.asarray(log_past)), np.tile(np.arange(24.0), 4), atol=1e-5)


@given(st.lists(st.floats(-20, 20, width=32), min_size=7, max_size=7))
@settings(max_examples=50, deadline=None)
def test_quantiles_never_cross(raw):
    quantiles = np.asarray(ordered(jnp.asarray(raw, jnp.float32)))
    assert (np.diff(quantiles) >= 0).all()
    assert quantiles[MEDIAN] == np.float32(raw[MEDIAN])


@pytest.fixture(scope="module")
def small(toy, drawn):
    table, span = toy
    module = network.ForecastNetwork(zones=1, width=16, layers=1, heads=2)
    window = jax.tree.map(lambda x: x[0], windows.cut(table, jnp.asarray(windows.origins(span, None, None)[:1])))
    # Random weights, so that nothing that ought to matter is multiplied by an initial zero.
    return window, jax.jit(lambda *w: module.apply({"params": drawn}, *w))


def test_shape_order_and_dtype(small):
    window, apply = small
    quantiles = apply(window.history, window.known, window.zone)
    assert quantiles.shape == (features.HORIZON_H, len(LEVELS))
    assert quantiles.dtype == jnp.float32
    assert (np.diff(quantiles) >= 0).all()


@pytest.mark.parametrize("part", ["MIX", "PAST_WEATHER", "FUTURE_WEATHER"])
def test_unknown_inputs_are_masked(small, part):
    window, apply = small
    columns = getattr(features, part)
    history, known = window.history, window.known
    if part == "FUTURE_WEATHER":
        known = known.at[:, columns].set(jnp.nan)
    else:
        history = history.at[:, columns].set(jnp.nan)
    masked = apply(history, known, window.zone)
    assert np.isfinite(masked).all()
    assert not np.allclose(masked, apply(window.history, window.known, window.zone))


def test_every_known_input_matters(small):
    window, apply = small
    gradient = jax.grad(lambda h, k: apply(h, k, window.zone).sum(), argnums=(0, 1))(window.history, window.known)
    for part, names in zip(gradient, (features.HISTORY, features.KNOWN), strict=True):
        moved = np.abs(np.asarray(part)).max(axis=0) > 0
        fixed = {"coal", "oil", "nuclear", "hydro", "solar", "other"}  # zero here, but zero can move
        assert [name for name, moves in zip(names, moved, strict=True) if not moves and name not in fixed] == []


def test_scaling_the_history_scales_the_forecast(small):
    window, apply = small
    doubled = window.history.at[:, features.INTENSITY].multiply(2.0)
    once, twice = (apply(history, window.known, window.zone) for history in (window.history, doubled))
    np.testing.assert_allclose(twice - once, np.log(2.0), atol=2e-4)


def test_zones_have_their_own_embedding(small):
    window, apply = small
    assert not np.allclose(apply(window.history, window.known, 0), apply(window.history, window.known, 1))
