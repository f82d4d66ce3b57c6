"""The published forecasters in our harness: factors recovered, shapes, and that both tiers learn."""

import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.forecast import source_tiers
from jcenas.carbon.forecast import features, windows
from jcenas.carbon.forecast.losses import mape_by_day
from jcenas.carbon.trace import CarbonTrace


def windy_trace(days=150):
    """A grid of gas and wind with a new wind every six hours; only the weather tells of it."""
    gusts = np.repeat(np.random.default_rng(0).uniform(-1, 1, 4 * days), 6)
    still = {"temperature": 285.0, "dewpoint": 278.0, "dswrf": 200.0, "precipitation": 0.0}
    return CarbonTrace(
        start=datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        intensity_g_per_kwh=300 - 50 * gusts,
        weather={"wind_speed": 5 + 3 * gusts} | {name: np.full(gusts.size, value) for name, value in still.items()},
        generation_mw={"gas": 1000 - 100 * gusts, "wind": 500 + 100 * gusts},
    )


@pytest.fixture(scope="module")
def daily():
    table, (span,) = windows.make_table([windy_trace()], [1])
    gas, wind = (table.history[:, features.HISTORY.index(name)] for name in ("gas", "wind"))
    table = table.replace(history=table.history.at[:, features.INTENSITY].set(400 * gas + 10 * wind))
    rows = windows.origins(span, None, None, every_h=24)
    batch = windows.cut(table, jnp.asarray(rows))
    mix = table.history[rows[:, None] + np.arange(96)][..., features.MIX]
    return batch, mix[..., :-1] * mix[..., -1:]


def test_effective_factors_are_those_of_the_mix(daily):
    batch, _ = daily
    shares = np.zeros((*batch.history.shape[:2], 9), np.float32)
    shares[..., 1] = np.linspace(0.2, 0.9, 168)[None]  # gas
    shares[..., 6] = 1 - shares[..., 1]  # wind
    shares[..., 8] = 1000.0
    intensity = 400 * shares[..., 1] + 10 * shares[..., 6]
    history = batch.history.at[..., features.MIX].set(shares).at[..., features.INTENSITY].set(intensity)
    factors = source_tiers.describe_region(batch._replace(history=history)).factors
    np.testing.assert_allclose(factors[jnp.asarray([1, 6])], [400, 10], atol=1.0)


@pytest.mark.slow
@pytest.mark.study
def test_both_tiers_learn(daily):
    batch, ahead = daily
    train, test = (jax.tree.map(lambda x, part=part: x[part], batch) for part in (slice(0, 110), slice(114, None)))
    fit = jax.jit(lambda key: source_tiers.fit(key, train, ahead[:110], steps=200))
    params, region = fit(jax.random.key(0))
    loss = jax.jit(source_tiers.loss)
    before, after = (float(loss(p, train, region, ahead[:110])) for p in (source_tiers.init(jax.random.key(0)), params))
    assert after < 0.95 * before  # much of the toy is noise that only the weather tells of
    for forecast in (source_tiers.dacf, source_tiers.carboncast):
        found = np.asarray(forecast(params, test, region))
        assert found.shape == test.target.shape
        assert float(mape_by_day(found, test.target).mean()) < 15
    first = source_tiers.source_forecast(params, test, region) * region.power[None, None]
    np.testing.assert_allclose(first[..., 1].mean(), ahead[114:, :, 1].mean(), rtol=0.05)


@pytest.mark.slow
def test_weather_reaches_hydro_sun_and_wind_only(daily):
    batch, _ = daily
    region = source_tiers.describe_region(batch)
    params = source_tiers.init(jax.random.key(0))
    windy = batch._replace(known=batch.known.at[..., features.FUTURE_WEATHER.start].add(3.0))
    change = source_tiers.source_forecast(params, windy, region) - source_tiers.source_forecast(params, batch, region)
    moved = np.abs(np.asarray(change)).max(axis=(0, 1)) > 0
    assert moved.tolist() == [source in {"hydro", "solar", "wind"} for source in features.SOURCES]
