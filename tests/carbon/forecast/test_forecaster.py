"""The bundle: blending by hand, files, the forecaster that ships, and forecasts of traces."""

import dataclasses
import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast import forecaster as bundle
from jcenas.carbon.forecast import linear, weights, windows
from jcenas.carbon.forecast.network import MEDIAN, ForecastNetwork
from jcenas.carbon.forecast.predict import backtest, forecast_trace
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.typical_year import typical_year
from jcenas.errors import InputError


@pytest.fixture(scope="module")
def year():
    return typical_year("DE", hours=24 * 40)


@pytest.fixture(scope="module")
def full(toy, drawn):
    """A forecaster with all its parts."""
    table, span = toy
    daily = windows.cut(table, jnp.asarray(windows.origins(span, None, None, every_h=24)))
    network = ForecastNetwork(zones=1, width=16, layers=1, heads=2)
    one = bundle.uncalibrated(drawn, network)
    base = linear.fit(daily.history, daily.known, daily.target)
    return one.replace(linear=base, share=jnp.full((4,), 0.25, jnp.float32), scale=one.scale * 1.5)


def test_blend_by_hand():
    quantiles = jnp.tile(jnp.asarray([-3.0, -2, -1, 0, 1, 2, 3]), (96, 1))
    share = jnp.asarray([1.0, 0.5, 0.25, 0.0])
    moved = np.asarray(bundle.blend(quantiles, jnp.full((96,), 8.0), share))
    np.testing.assert_allclose(moved[::24, MEDIAN], [0, 4, 6, 8])
    np.testing.assert_allclose(np.diff(moved), 1.0)


def test_forecast_is_exp_of_ordered_logs(full, toy):
    table, span = toy
    window = jax.tree.map(lambda x: x[0], windows.cut(table, jnp.asarray([span.first + 500])))
    quantiles = jax.jit(bundle.forecast)(full, window.history, window.known, window.zone)
    assert quantiles.shape == (96, 7)
    assert (np.diff(quantiles) >= 0).all()
    assert (np.asarray(quantiles) > 0).all()


def test_file_round_trip(full, toy, tmp_path):
    table, span = toy
    weights.save(tmp_path / "one.npz", full, about="a test")
    again = weights.load(tmp_path / "one.npz")
    assert again.network == full.network
    window = jax.tree.map(lambda x: x[0], windows.cut(table, jnp.asarray([span.first + 500])))
    forecast = jax.jit(bundle.log_forecast)
    before, after = (forecast(f, *window[:3]) for f in (full, again))
    np.testing.assert_allclose(before, after, atol=0.02)  # weights are in half precision


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="is no forecaster"):
        weights.load(tmp_path / "bad.npz")
    with pytest.raises(InputError, match="is no forecaster"):
        weights.load(tmp_path / "missing.npz")


@pytest.mark.accelerator
def test_weights_that_do_not_fit_together_are_refused(tmp_path):
    shipped = weights.default_forecaster()
    halves = jax.tree.map(lambda x: x[: len(x) // 2], shipped.params)
    for name, broken in (("params", halves), ("scale", shipped.scale[:1]), ("params", {})):
        weights.save(tmp_path / "bad.npz", shipped.replace(**{name: broken}))
        with pytest.raises(
            InputError, match=r"bad\.npz is no forecaster \(its arrays do not fit together: .*give a file"
        ):
            weights.load(tmp_path / "bad.npz")


def test_the_shipped_forecaster_is_small_and_beats_the_naive_ones():
    assert weights.FILE.stat().st_size <= 3_000_000
    trace = typical_year("FR", key=jax.random.key(5), hours=24 * 120)
    quantiles, batch = backtest(trace, 90)
    error = jnp.abs(bundle.point(quantiles) - batch.target) / batch.target
    past = batch.history[..., 0]
    persistence = jnp.abs(jnp.tile(past[:, -24:], (1, 4)) - batch.target) / batch.target
    profile = jnp.tile(past.reshape(-1, 7, 24).mean(axis=1), (1, 4))
    assert error.mean() < persistence.mean()
    assert error.mean() < (jnp.abs(profile - batch.target) / batch.target).mean()
    inside = (jnp.exp(quantiles[..., 0]) <= batch.target) & (batch.target <= jnp.exp(quantiles[..., -1]))
    assert 0.75 < float(inside.mean()) < 0.99


def test_forecast_of_a_trace(year):
    found = forecast_trace(year)
    assert found.start == year.start + datetime.timedelta(days=40)
    assert found.quantiles_g_per_kwh.shape == (96, 7)
    assert found.trace(24).zone == "DE"
    assert len(found.trace(24)) == 24
    with pytest.raises(InputError, match="97 h were asked"):
        found.trace(97)


def test_nothing_from_the_origin_on_is_seen(year):
    origin = year.start + datetime.timedelta(days=20)
    changed = year.intensity_g_per_kwh.copy()
    changed[20 * 24 :] = 1.0
    first = forecast_trace(year, origin)
    second = forecast_trace(dataclasses.replace(year, intensity_g_per_kwh=changed), origin)
    third = forecast_trace(year.slice(0, 20 * 24))
    for other in (second, third):
        np.testing.assert_array_equal(first.quantiles_g_per_kwh, other.quantiles_g_per_kwh)


def test_bad_origins(year):
    with pytest.raises(InputError, match="needs 168 h of history"):
        forecast_trace(year, year.start + datetime.timedelta(days=6))
    with pytest.raises(InputError, match="no full hour"):
        forecast_trace(year, year.start + datetime.timedelta(days=10, minutes=5))
    with pytest.raises(InputError, match="no time zone"):
        forecast_trace(year, datetime.datetime(2023, 1, 20))


def test_finer_steps_are_averaged(year):
    fine = year.resample(900)
    np.testing.assert_allclose(forecast_trace(fine).quantiles_g_per_kwh, forecast_trace(year).quantiles_g_per_kwh)


def test_backtest_windows_end_with_the_trace(year):
    quantiles, batch = backtest(year, 5)
    assert quantiles.shape == (5, 96, 7)
    np.testing.assert_allclose(batch.target[-1], year.intensity_g_per_kwh[-96:], rtol=1e-6)
    short = CarbonTrace(start=year.start, intensity_g_per_kwh=year.intensity_g_per_kwh[:200])
    assert backtest(short, 5)[0].shape[0] == 0
