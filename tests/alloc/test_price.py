"""The policy by a price of carbon: decisions by hand, and what it spends over whole runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc import price as module
from jcenas.alloc.price import SHARPNESS

HALF = jnp.float32(0.5)
price, priced, expected_hours = (jax.jit(f) for f in (module.price, module.priced, module.expected_hours))


def quantiles(median):
    return np.repeat(np.asarray(median, float)[:, None], 3, axis=1)


def test_one_device_takes_the_cleanest_hours(key, observe):
    # As `plan`: 150 pay the hour at 100 and a quarter of this one at 200.
    seen = {"forecast": quantiles([200, 100, 300]), "hours_left": 3.0, "devices": 1}

    def share(**more):
        return float(price(key, HALF, observe(200.0, [200.0], **seen, **more)))

    assert share(affordable=150.0) == pytest.approx(0.25, abs=1e-3)
    assert share(affordable=90.0) == 0
    assert share(affordable=600.0) == 1
    assert share(affordable=0.0) == 0


def test_more_devices_in_cleaner_hours_by_hand():
    # At a price of 240 the hour at 200 has (240 / 200 / 1.1)^k devices, that at 100 has (240 / 100 / 1.1)^k.
    few, many = (1.2 / 1.1) ** SHARPNESS, (2.4 / 1.1) ** SHARPNESS
    assert 1 < few < many < 8
    c, w = jnp.array([200.0, 100.0, 300.0]), jnp.ones(3)
    x = priced(c, w, jnp.float32((200 * few + 100 * many) / 8), jnp.float32(8))
    np.testing.assert_allclose(x, [few / 8, many / 8, 0], rtol=2e-3)
    np.testing.assert_allclose(priced(c, w, jnp.float32(600), jnp.float32(8)), 1)
    np.testing.assert_allclose(priced(c, w, jnp.float32(-1), jnp.float32(8)), 0)
    np.testing.assert_allclose(
        priced(jnp.full(4, 100.0), jnp.ones(4), jnp.float32(200), jnp.float32(8)), 0.5, rtol=1e-3
    )


def test_idling_is_paid_for_by_hand(key, observe):
    # 300 and 100 with half the power for idling; the numbers are those of the plan (tests/alloc/test_planning.py).
    seen = {"forecast": quantiles([300, 100]), "hours_left": 2.0, "idle_share": 0.5, "devices": 1}

    def share(affordable):
        return float(price(key, HALF, observe(300.0, [300.0], **seen, affordable=affordable)))

    assert share(250.0) == 0  # waiting leaves 100, all of the clean hour; not waiting two thirds of this one
    assert share(160.0) == pytest.approx(20 / 300, rel=1e-2)  # nothing is left for the next one
    assert share(100.0) == 1  # idling takes all: train while it lasts
    assert share(0.0) == 0


def test_without_a_budget_by_hand(key, observe):
    # A day at 100 behind, a day at 300 ahead: 9600 in all. Half pays the cleaner day and a third of the other.
    seen = observe(300.0, [100.0] * 24, forecast=quantiles([300.0] * 24), hours_left=24.0, devices=1)
    known = seen.replace(forecast=seen.forecast.at[1, 1].set(301.0))  # says something
    assert float(price(key, HALF, known)) == pytest.approx(1 / 3, abs=0.01)
    assert float(price(key, jnp.float32(1.0), known)) == 1
    assert float(price(key, jnp.float32(0.0), known)) == 0


def test_a_forecast_that_says_nothing_is_replaced_by_the_day_before(key, observe):
    window = np.full(24, 400.0)
    window[1] = 100.0  # an hour from now, a day ago
    told = {"hours_left": 2.0, "affordable": 100.0, "devices": 1}
    assert float(price(key, HALF, observe(200.0, window, **told))) == 0
    blind = observe(200.0, window, window_mask=[False] * 24, **told)
    assert float(price(key, HALF, blind)) == pytest.approx(0.25, abs=1e-3)


def test_hours_beyond_the_forecast_are_the_mean_of_two_days(observe):
    seen = observe(0.0, np.arange(24) + 100, forecast=quantiles(np.arange(24) + 200), future=np.zeros(60))
    np.testing.assert_allclose(expected_hours(seen)[:30], [*np.arange(200, 224), *np.arange(150, 156)])
    unknown = seen.replace(window_mask=jnp.zeros(24, bool))
    np.testing.assert_allclose(expected_hours(unknown)[24:30], np.arange(200, 206))


@functools.partial(jax.jit, static_argnums=1)
def whole_run(template, hours, series, affordable):
    """Share and cost of every hour; the forecast is the day before, shares are paid exactly."""

    def step(left, hour):
        window = jax.lax.dynamic_slice(series, (hour,), (24,))
        now = series[hour + 24]
        told = window.at[0].set(now)
        seen = template.replace(
            intensity_now=now,
            window=window,
            forecast=jnp.repeat(told[:, None], 3, axis=1),
            hours_left=(hours - hour).astype(jnp.float32),
            affordable=left,
        )
        share = module.price(jax.random.key(0), HALF, seen)
        cost = jnp.minimum(now * (seen.idle_share + (1 - seen.idle_share) * share), left)
        return left - cost, (share, cost)

    return jax.lax.scan(step, affordable, jnp.arange(hours))[1]


@pytest.mark.parametrize(("hours", "devices"), [(12, 1), (80, 8), (336, 64)])
@pytest.mark.parametrize("idle", [0.0, 0.1])
def test_a_budget_is_spent_in_the_cleaner_hours_and_never_exceeded(observe, hours, devices, idle):
    rng = np.random.default_rng(hours)
    days = 250 + 120 * np.sin(np.arange(hours + 24) * np.pi / 12 + rng.uniform(0, 6)) + 20 * rng.normal(size=hours + 24)
    window = np.full(24, 250.0)
    template = observe(250.0, window, future=np.zeros(hours), devices=devices, idle_share=idle)
    need = days[24:].sum()
    for part in (0.15, 0.5, 0.9):
        share, cost = (
            np.asarray(x, float)
            for x in whole_run(template, hours, jnp.asarray(days, jnp.float32), jnp.float32(part * need))
        )
        assert ((share >= 0) & (share <= 1)).all()
        assert 0.97 * part * need <= cost.sum() <= part * need * (1 + 1e-5)
        if hours >= 24 and part < 0.9:
            assert cost.sum() / np.sum(cost / days[24:]) < 0.97 * days[24:].mean()
    share, _ = whole_run(template, hours, jnp.asarray(days, jnp.float32), jnp.float32(1.5 * need))
    np.testing.assert_allclose(share, 1)
    free, _ = whole_run(template, hours, jnp.asarray(days, jnp.float32), jnp.float32(np.inf))
    assert 0.2 < float(jnp.mean(free)) < 0.9
