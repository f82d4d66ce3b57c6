"""The observation of one hour, every field by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.observation import Observation
from jcenas.engine.observe import Budget, Outlook, Status, observe

STATUS = {"queued": 7, "capacity": 16, "half_finished": 2, "evaluations": 31, "hypervolume": 0.625}
FORECAST = [[90.0, 100.0, 130.0], [110.0, 150.0, 170.0]]
OUTLOOK = {
    "intensity": 100.0,
    "past": [0.0, 300.0, 200.0],
    "past_known": [False, True, True],
    "forecast": FORECAST,
    "future": [100.0, 140.0, 190.0, 180.0],
}
# 10 h of 3600 s, 4 of them left; 8 devices that together take 2 kW training and half of one idle; 500 of 2000 g left.
BUDGET = {
    "duration_s": 36_000.0,
    "left_s": 14_400.0,
    "hour_s": 3600.0,
    "carbon_g": 2000.0,
    "carbon_left_g": 500.0,
    "training_kw": 2.0,
    "idle_kw": 0.5,
    "devices": 8,
}


def arrays(values):
    """Fields as the clusters give them: float32, int32, bool."""
    kinds = {int: jnp.int32, bool: bool, float: jnp.float32}

    def first(value):
        return first(value[0]) if isinstance(value, list) else value

    return {name: jnp.asarray(value, kinds[type(first(value))]) for name, value in values.items()}


def seen(**budget):
    status, outlook = Status(**arrays(STATUS)), Outlook(**arrays(OUTLOOK))
    return jax.jit(observe)(status, outlook, Budget(**arrays(BUDGET | budget)))


def test_every_field_by_hand():
    expected = {
        "intensity_now": 100.0,
        "window": [0.0, 300.0, 200.0],
        "window_mask": [False, True, True],
        "queue": 7,
        "capacity": 16,
        "half_finished": 2,
        "time_left": 0.4,
        "carbon_left": 0.25,
        "hypervolume": 0.625,
        "evaluations": 31,
        "forecast": FORECAST,
        "future": [100.0, 140.0, 190.0, 180.0],
        "hours_left": 4.0,
        "affordable": 250.0,  # 500 g / 2 kW: an hour with all devices at 250 g/kWh
        "idle_share": 0.25,
        "devices": 8,
    }
    got = seen()
    assert expected.keys() == {field.name for field in dataclasses.fields(Observation)}
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(got, name), value, rtol=1e-6, err_msg=name)
    assert (float(got.low), float(got.high)) == (100.0, 300.0)  # of this hour and the two that are known


def test_without_a_carbon_budget_everything_is_affordable():
    got = seen(carbon_g=np.inf, carbon_left_g=np.inf)
    assert float(got.carbon_left) == 1.0
    assert float(got.affordable) == np.inf
    assert float(got.hours_left) == 4.0


def test_hours_are_those_of_the_trace_where_one_lasts_three_seconds():
    # The same run in 3 s an hour: the energy of an hour, and with it what it emits, is 1200 times smaller.
    got = seen(duration_s=30.0, left_s=12.0, hour_s=3.0, carbon_g=2000.0 / 1200, carbon_left_g=500.0 / 1200)
    np.testing.assert_allclose([got.hours_left, got.affordable, got.time_left], [4.0, 250.0, 0.4], rtol=1e-6)
    np.testing.assert_allclose([got.carbon_left, got.idle_share], [0.25, 0.25], rtol=1e-6)


def test_devices_without_power_cost_nothing():
    got = seen(training_kw=0.0, idle_kw=0.0)
    assert float(got.affordable) == np.inf
    assert float(got.idle_share) == 0.0


@pytest.mark.parametrize("record", [Status, Outlook, Budget])
def test_nothing_has_a_default(record):
    assert all(field.default is dataclasses.MISSING for field in dataclasses.fields(record))


def test_many_searches_at_once():
    many = jax.vmap(observe, in_axes=(None, None, 0))
    budgets = Budget(**{name: jnp.full(2, value, jnp.float32) for name, value in BUDGET.items()})
    budgets = budgets.replace(carbon_left_g=jnp.float32([500.0, 0.0]))
    got = many(Status(**arrays(STATUS)), Outlook(**arrays(OUTLOOK)), budgets)
    np.testing.assert_allclose(got.affordable, [250.0, 0.0])
