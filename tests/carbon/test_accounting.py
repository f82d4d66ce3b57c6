import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.carbon.accounting import Charge, charge, total
from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def trace(values, step_seconds=3600):
    return CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), step_seconds=step_seconds)


def test_interval_over_three_hours_by_hand():
    # 1 kW, half of hour 0 at 100, all of hour 1 at 300, a quarter of hour 2 at 200: 50 + 300 + 50 g.
    got = charge(trace([100, 300, 200]), 0.5, 2.25, 1000.0)
    assert got == pytest.approx(Charge(1.75, 400.0), rel=1e-15)


def test_pue_and_fast_hours_by_hand():
    # 200 W with PUE 1.5 for one trace hour that lasts 36 s: 0.003 kWh at 100 g/kWh.
    got = charge(trace([100, 100]), 0.5, 1.5, 200.0, pue=1.5, hour_seconds=36.0)
    assert got == pytest.approx(Charge(0.003, 0.3), rel=1e-15)


def test_half_hour_steps_arrays_and_borders():
    got = charge(trace([100, 300, 200, 400], 1800), [0.0, 0.25, 1.0, 2.0], [0.5, 0.75, 2.0, 2.0], [1000, 1000, 500, 1])
    np.testing.assert_allclose(got.energy_kwh, [0.5, 0.5, 0.5, 0.0])
    np.testing.assert_allclose(got.emissions_g, [50, 25 + 75, 50 + 100, 0])


@settings(deadline=None)
@given(data=st.data(), n=st.integers(1, 40), step=st.sampled_from([900, 1800, 3600]))
def test_cutting_an_interval_changes_nothing(data, n, step):
    values = data.draw(st.lists(st.floats(0, 1000), min_size=n, max_size=n))
    cuts = sorted(data.draw(st.lists(st.floats(0, n * step / 3600), min_size=2, max_size=9)))
    whole = charge(trace(values, step), cuts[0], cuts[-1], 300.0)
    parts = charge(trace(values, step), cuts[:-1], cuts[1:], 300.0)
    assert total([parts]) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    assert whole.emissions_g <= whole.energy_kwh * max(values) * (1 + 1e-9) + 1e-9


def test_no_intervals_at_all():
    assert charge(trace([1, 2]), [], [], 1.0).emissions_g.shape == (0,)


@pytest.mark.parametrize("interval", [(-0.1, 1), (1, 0.5), (0, 3.01), (0, float("nan"))])
def test_intervals_outside_are_refused(interval):
    with pytest.raises(InputError, match="not inside the trace"):
        charge(trace([1, 2, 3]), *interval, 1.0)


def test_a_year_of_minutes_does_not_drift():
    values = np.random.default_rng(0).uniform(50, 500, 8760)
    edges = np.arange(8760 * 60 + 1) / 60
    minutes = charge(trace(values), edges[:-1], edges[1:], 167.0, pue=1.59)
    whole = charge(trace(values), 0, 8760, 167.0, pue=1.59)
    assert total([minutes]) == pytest.approx(whole, rel=1e-13)
    assert whole.emissions_g == pytest.approx(0.167 * 1.59 * values.sum(), rel=1e-13)


def test_total_keeps_small_terms():
    many = [Charge(1e16, 1.0), Charge(1.0, 2.0), Charge(-1e16, 3.0)]
    assert total(many) == Charge(1.0, 6.0)
    assert total([]) == Charge(0.0, 0.0)


def test_a_grid_without_emissions_still_uses_energy():
    spent = charge(trace([0, 0]), 0.0, 2.0, 500.0, pue=1.5)
    assert spent == Charge(energy_kwh=1.5, emissions_g=0.0)
    assert total([spent, spent]) == Charge(3.0, 0.0)


def test_power_model_by_hand():
    power = PowerModel(training_w=200.0, scoring_w=100.0, idle_w=20.0, pue=1.5)
    # 200 * 3600 + 100 * 1800 + 20 * 1800 J = 0.26 kWh, times 1.5
    assert power.interval_energy_kwh(training_s=3600, scoring_s=1800, idle_s=1800) == pytest.approx(0.39)
    assert power.power_w("idle") == 20.0


@pytest.mark.parametrize("bad", [{"idle_w": -1}, {"training_w": float("nan")}, {"pue": 0.9}])
def test_impossible_powers_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        PowerModel(**bad)
