"""The closed-form base: recovers what is linear, never looks ahead, and says when there is too little."""

import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast import features, linear, windows
from jcenas.carbon.forecast.losses import mape_by_day
from jcenas.errors import InputError


@pytest.fixture(scope="module")
def daily(toy):
    table, span = toy
    return windows.cut(table, jnp.asarray(windows.origins(span, None, None, every_h=24)))


@pytest.fixture(scope="module")
def base(daily):
    return linear.fit(daily.history[:110], daily.known[:110], daily.target[:110])


def test_learns_waves_and_wind(daily, base):
    test = jax.tree.map(lambda x: x[115:], daily)
    errors = mape_by_day(jnp.exp(linear.apply(base, test.history, test.known)), test.target)
    blind = test.known.at[..., features.FUTURE_WEATHER].set(jnp.nan)
    naive = mape_by_day(jnp.exp(linear.apply(base, test.history, blind)), test.target)
    assert (errors < 9).all(), errors
    assert (errors < 0.7 * naive).all(), (errors, naive)


def test_solution_solves_the_penalised_normal_equations():
    # The independent oracle: gradient of sum (y - z W)^2 + PENALTY sum (W / s)^2 must vanish at the weights.
    random = np.random.default_rng(0)
    p = linear._strengths().shape[1]
    x, y = random.normal(size=(80, p)), random.normal(size=(80, 96))
    base = linear._solve(x, y)
    z = np.clip((x - x.mean(0)) / (x.std(0) + 1e-3), -4, 4)
    strengths = np.repeat(linear._strengths(), 24, axis=0).T  # (p, 96)
    weights = np.asarray(base.weights, np.float64)
    assert (weights[strengths == 0] == 0).all()
    safe = np.where(strengths > 0, strengths, 1.0)
    gradient = z.T @ (z @ weights - (y - y.mean(0))) + linear.PENALTY * weights / safe**2
    assert np.abs(gradient[strengths > 0]).max() < 1e-3 * np.abs(z.T @ y).max()


def test_mix_tells_of_tomorrow_only():
    group = np.concatenate(
        [
            np.full(part.size, name == "mix")
            for name, _, part in linear._parts(jnp.ones((168, 16)), jnp.ones((96, 12)))[0]
        ]
    )
    strengths = linear._strengths()
    assert (strengths[0, group] > 0).all()
    assert (strengths[1:, group] == 0).all()


def test_unknown_inputs_are_no_nan(daily, base):
    history = daily.history[:2].at[..., features.MIX].set(jnp.nan).at[..., features.PAST_WEATHER].set(jnp.nan)
    known = daily.known[:2].at[..., features.FUTURE_WEATHER].set(jnp.nan)
    assert np.isfinite(linear.apply(base, history, known)).all()


def test_batch_equals_one(daily, base):
    many = linear.apply(base, daily.history[:3], daily.known[:3])
    np.testing.assert_allclose(many[1], base(daily.history[1], daily.known[1]), atol=1e-4)


def test_too_few_windows(daily):
    with pytest.raises(InputError, match="59 days are too few"):
        linear.fit(daily.history[:59], daily.known[:59], daily.target[:59])


def test_changing_the_future_changes_nothing(toy, base):
    table, span = toy
    row = int(windows.origins(span, None, None)[40])
    changed = table.replace(history=table.history.at[row:].set(777.0))
    first, second = (windows.cut(t, jnp.asarray([row])) for t in (table, changed))
    assert not np.array_equal(first.target, second.target)
    for a, b in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(span.start, datetime.datetime)
