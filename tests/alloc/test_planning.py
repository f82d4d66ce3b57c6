import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from jcenas.alloc import planning

cheapest_first, expected_hours, oracle, pace, plan = (
    jax.jit(f)
    for f in (planning.cheapest_first, planning.expected_hours, planning.oracle, planning.pace, planning.plan)
)


def test_by_hand():
    # 200 g/kWh * h pay the hour at 50, the one at 100, and half of the second 100.
    c, w = jnp.array([100.0, 300.0, 50.0, 100.0]), jnp.ones(4)
    np.testing.assert_allclose(cheapest_first(c, w, 200.0, 4.0), [1, 0, 1, 0.5])
    np.testing.assert_allclose(cheapest_first(c, w, 200.0, 1.5), [0.5, 0, 1, 0])
    np.testing.assert_allclose(cheapest_first(c, w, jnp.inf, 4.0), [1, 1, 1, 1])
    np.testing.assert_allclose(cheapest_first(c, jnp.array([1.0, 1, 0.5, 0]), 75.0, 2.5), [0.5, 0, 1, 0])
    np.testing.assert_allclose(cheapest_first(c, w, 0.0, 4.0), [0, 0, 0, 0])


@pytest.mark.parametrize("seed", range(5))
def test_is_the_optimum_of_the_linear_program(seed):
    rng = np.random.default_rng(seed)
    c, w = rng.uniform(20, 500, 30), rng.choice([1.0, 0.4], 30)
    affordable, wanted = rng.uniform(100, 5000), rng.uniform(1, 25)
    best = linprog(-w, A_ub=np.stack([w * c, w]), b_ub=[affordable, wanted], bounds=(0, 1))
    x = np.asarray(cheapest_first(jnp.asarray(c), jnp.asarray(w), affordable, wanted), float)
    assert (w * c) @ x <= affordable * (1 + 1e-5)
    np.testing.assert_allclose(w @ x, -best.fun, rtol=1e-5)


def test_forecast_repeats_its_last_day(observe):
    forecast = np.repeat(np.arange(26.0)[:, None], 3, 1)
    seen = expected_hours(observe(0, [1], forecast=forecast, future=np.zeros(60)))
    np.testing.assert_array_equal(seen[:30], [*range(26), 2, 3, 4, 5])
    assert seen.shape == (60,)


def test_plan_waits_and_the_oracle_knows_better(observe):
    forecast = np.repeat(np.array([[200.0], [100.0], [300.0]]), 3, 1)
    seen = {"intensity_now": 200, "window": [200], "forecast": forecast, "future": [200.0, 400, 300], "hours_left": 3.0}
    key, third = jax.random.key(0), jnp.float32(1 / 3)
    assert float(plan(key, third, observe(**seen))) == 0.0
    assert float(oracle(key, third, observe(**seen))) == pytest.approx(1.0, abs=1e-6)
    assert float(plan(key, jnp.float32(1), observe(**seen, affordable=150.0))) == pytest.approx(0.25)
    assert float(oracle(key, jnp.float32(1), observe(**seen, affordable=150.0))) == 0.75
    assert float(plan(key, jnp.float32(1), observe(**seen))) == 1.0


def test_pace_by_hand(key, observe):
    forecast = np.repeat(np.array([[200.0], [100.0], [300.0]]), 3, 1)
    seen = {"intensity_now": 200, "window": [200], "forecast": forecast, "hours_left": 3.0}

    def share(least, **more):
        return float(pace(key, jnp.float32(least), observe(**seen, **more)))

    assert share(0.5, affordable=150.0) == pytest.approx(0.5)  # half of the devices in the 200 and the 100
    assert share(1.0, affordable=150.0) == pytest.approx(0.25)  # as the plan: all in the 100, then what is left
    assert share(0.5, affordable=50.0) == 0  # pays half of them in the 100 alone
    assert share(0.5, affordable=450.0) == pytest.approx(0.75)  # 600 would pay all in all three hours
    assert share(0.5) == 1
    assert share(0.5, affordable=0.0) == 0
    # 300 and 100 with half the power for idling: 200 of 250 go there, the rest pays, at half price, half of the devices
    # in the 100 and a sixth in the 300.
    two = observe(300.0, [300.0], forecast=[[300.0] * 3, [100.0] * 3], hours_left=2.0, affordable=250.0, idle_share=0.5)
    assert float(pace(key, jnp.float32(0.5), two)) == pytest.approx(1 / 6)


def test_idling_is_paid_for_by_hand(key, observe):
    # 300 and 100 g/kWh, 250 to spend. Free idling: the clean hour whole and half of this one. With half the power:
    # stopping after this hour leaves (250 - 150) / 0.5 = 200 for 2/3 of it; after the next, (250 - 200) / 0.5 = 100 for
    # the whole clean hour, which is more.
    seen = {"intensity_now": 300.0, "window": [300.0], "future": [300.0, 100.0], "hours_left": 2.0}

    def share(**more):
        return float(oracle(key, jnp.float32(1), observe(**seen, **more)))

    assert share(affordable=250.0) == pytest.approx(0.5)
    assert share(affordable=250.0, idle_share=0.5) == 0
    # 160: (160 - 150) / 0.5 = 20, a fifteenth of this hour; nothing is left for the next one.
    assert share(affordable=160.0, idle_share=0.5) == pytest.approx(20 / 300, rel=1e-3)
    assert share(affordable=100.0, idle_share=0.5) == 1  # idling takes all: train while it lasts
    assert share(idle_share=0.5) == 1
    assert share(affordable=0.0, idle_share=0.5) == 0
