import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon import generator, process
from jcenas.carbon.typical_year import typical_year
from jcenas.carbon.year_statistics import calendar, zone_statistics
from jcenas.carbon.zones import zone_names
from jcenas.errors import InputError

SUNDAY = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)


def test_calendar_by_hand():
    month, hour, weekend = calendar(datetime.datetime(2023, 1, 31, 22, tzinfo=datetime.UTC), 4)  # a Tuesday
    np.testing.assert_array_equal(month, [0, 0, 1, 1])
    np.testing.assert_array_equal(hour, [22, 23, 0, 1])
    np.testing.assert_array_equal(weekend, [0, 0, 0, 0])
    np.testing.assert_array_equal(calendar(SUNDAY, 48)[2], [1] * 24 + [0] * 24)
    paris = datetime.datetime(2023, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    assert calendar(paris, 1)[1][0] == 0


def test_calendar_is_that_of_the_standard_library():
    start = datetime.datetime(2024, 2, 27, tzinfo=datetime.UTC)  # over a leap day
    month, hour, weekend = calendar(start, 200)
    times = [start + datetime.timedelta(hours=i) for i in range(200)]
    assert [t.month - 1 for t in times] == month.tolist()
    assert [t.hour for t in times] == hour.tolist()
    assert [t.weekday() >= 5 for t in times] == weekend.astype(bool).tolist()


def test_mean_year_reads_the_table():
    trace = typical_year("DE", start=SUNDAY, hours=72)
    table = zone_statistics("DE").mean_g_per_kwh
    np.testing.assert_array_equal(trace.intensity_g_per_kwh[:24], table[0, :, 1])
    np.testing.assert_array_equal(trace.intensity_g_per_kwh[24:48], table[0, :, 0])
    assert "Electricity Maps" in trace.source
    assert (trace.factors, trace.kind, trace.zone) == ("life-cycle", "average", "DE")


@pytest.mark.parametrize("zone", zone_names())
def test_every_zone_is_sound(zone):
    statistics = zone_statistics(zone)
    assert statistics.mean_g_per_kwh.min() > 0
    assert statistics.mean_g_per_kwh.max() < 1300
    assert statistics.weights.min() >= 0
    assert statistics.weights.sum() == pytest.approx(1, abs=1e-5)
    assert (np.diff(statistics.knots) > 0).all()
    assert (np.diff(statistics.quantiles) >= 0).all()


def test_unknown_zone():
    with pytest.raises(InputError, match="unknown zone"):
        typical_year("Atlantis")


def test_starts_and_lengths_are_checked():
    with pytest.raises(InputError, match="time zone"):
        typical_year("DE", start=SUNDAY.replace(tzinfo=None))
    with pytest.raises(InputError, match="at least one hour"):
        typical_year("DE", hours=0)


def test_residual_has_the_autocorrelation_of_its_definition():
    weights = np.full(process.N_PARTS, 1.0) * process.IS_VOLATILE
    weights /= weights.sum()

    def draw(key):
        return generator.residual(key, jnp.asarray(weights, jnp.float32), jnp.float32(0.6), 200)

    g = np.asarray(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), 2048)), float)
    lags = np.array([0, 1, 6, 24, 48])
    found = [np.mean(g[:, : 200 - lag] * g[:, lag:]) for lag in lags]
    np.testing.assert_allclose(found, process.autocovariance(lags, 0.6) @ weights, atol=0.05)
    assert abs(g.mean()) < 0.02
    np.testing.assert_allclose(np.mean(g[:, :2] ** 2, axis=0), 1, atol=0.3)  # stationary from the first hour


def test_realistic_years_differ_by_key_and_repeat_by_key():
    first, again, other = (typical_year("DE", hours=500, key=jax.random.key(i)).intensity_g_per_kwh for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_generate_maps_over_zones_and_compiles_once():
    traces = 0

    def counted(key, model, calendar):
        nonlocal traces
        traces += 1
        return generator.generate(key, model, calendar)

    models = jax.tree.map(
        lambda *x: jnp.stack(x), *(generator.year_model(zone_statistics(zone)) for zone in ("DE", "FR", "PL"))
    )
    run = jax.jit(jax.vmap(counted, (None, 0, None)))
    hours = generator.device_calendar(SUNDAY, 24 * 60)
    years = run(jax.random.key(0), models, hours)
    run(
        jax.random.key(1),
        models,
        generator.device_calendar(datetime.datetime(2020, 5, 1, tzinfo=datetime.UTC), 24 * 60),
    )
    assert traces == 1
    assert (years.shape, years.dtype) == ((3, 1440), jnp.float32)
    assert float(years.min()) > 0
    assert np.argsort(years.mean(axis=1)).tolist() == [1, 0, 2]  # France, Germany, Poland


@pytest.mark.slow
@pytest.mark.data
def test_drawn_years_match_the_real_ones():
    from experiments.forecast.typical_year_match import errors, match

    error = np.abs(errors(match(("US-CAL-CISO", "DE-LU", "US-MIDA-PJM"), years=4)))
    assert (error < [0.04, 0.06, 0.05, 0.01, 0.06, 0.12]).all(), error
