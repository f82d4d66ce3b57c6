"""The adaptive forecast: what it may know, what it is with little history, and grids unlike all that it was made on."""

import datetime

import jax
import numpy as np
import pytest

from jcenas.carbon.forecast.adaptive import EXPERTS, Adaptive
from jcenas.carbon.forecast.forecaster import point
from jcenas.carbon.forecast.predict import forecast_trace
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.carbon.typical_year import typical_year
from jcenas.errors import InputError

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
DAY = 24
DAYS = 110
TESTED = np.arange(70 * DAY, (DAYS - 4) * DAY, DAY)


@pytest.fixture(scope="module")
def year():
    return typical_year("FR", key=jax.random.key(5), hours=DAYS * DAY)


def test_with_a_week_it_is_the_network(year):
    week = year.slice(0, 168)
    blended, alone = forecast_trace(week), forecast_trace(week, forecaster=default_forecaster())
    np.testing.assert_allclose(blended.quantiles_g_per_kwh, alone.quantiles_g_per_kwh, rtol=1e-5)
    np.testing.assert_array_equal(blended.weights["network"], 1)
    assert alone.weights == {}


def test_nothing_from_the_origin_on_is_seen(year):
    rows = np.array([50 * DAY, 50 * DAY + 7, 90 * DAY + 1])
    values = year.intensity_g_per_kwh
    whole = Adaptive(year.start, values).at(rows)
    for number, row in enumerate(rows):
        changed = np.where(np.arange(len(values)) < row, values, 1e5 - values)
        other = Adaptive(year.start, changed).at(rows)
        cut = Adaptive(year.start, values[:row]).at(np.array([row]))
        for mine, theirs, short in zip(whole, other, cut, strict=True):
            np.testing.assert_allclose(mine[number], theirs[number], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(mine[number], short[0], rtol=1e-5, atol=1e-6)


def test_all_experts_take_part(year):
    made = Adaptive(year.start, year.intensity_g_per_kwh).at(TESTED)
    assert made.weights.shape == (len(TESTED), 4, len(EXPERTS))
    np.testing.assert_allclose(made.weights.sum(axis=2), 1, atol=1e-4)
    assert (made.weights.mean(axis=(0, 1)) > 0.02).sum() >= 3
    past = year.intensity_g_per_kwh[TESTED[0] - 168 : TESTED[0]].reshape(7, DAY)
    np.testing.assert_allclose(np.exp(made.experts[0, 2]), np.tile(past[-1], 4), rtol=1e-5)
    np.testing.assert_allclose(np.exp(made.experts[0, 3]), np.tile(past.mean(axis=0), 4), rtol=1e-5)
    assert (np.diff(made.log_quantiles) >= 0).all()


def test_origins_outside_are_refused(year):
    adaptive = Adaptive(year.start, year.intensity_g_per_kwh[:400])
    for row in (167, 401):
        with pytest.raises(InputError, match="a forecast needs 168 h of history"):
            adaptive.at(np.array([row]))
    assert len(adaptive.at(np.array([], int)).weights) == 0


# Grids unlike any that the network or the settings were made on.

HOUR = np.arange(DAYS * DAY)


def solar(random):
    clouds = np.repeat(random.uniform(0.3, 1.0, DAYS), DAY)
    return 500 * (1 - 0.8 * clouds * np.maximum(0, np.sin(2 * np.pi * (HOUR - 6) / DAY)))


def walk(random):
    return 300 * np.exp(np.cumsum(random.normal(0, 0.02, HOUR.size)))


def reversed_days(random):
    """Every other day is the mirror of the last: yesterday misleads, the week's mean does not."""
    sign = np.where(HOUR // DAY % 2, 1, -1)
    return 300 * np.exp(0.4 * sign * np.sin(2 * np.pi * HOUR / DAY) + 0.02 * random.normal(size=HOUR.size))


def constant(random):
    del random
    return np.full(HOUR.size, 431.0)


def zeros(random):
    del random
    return np.zeros(HOUR.size)


def errors(values):
    """MAPE by day of the blend, and of the better naive forecast, in %; below 1 g/kWh both sides count as 1."""
    made = Adaptive(START, values).at(TESTED)
    target = np.maximum(values[TESTED[:, None] + np.arange(96)], 1.0)

    def mape(log_forecast):
        return 100 * np.abs(np.exp(log_forecast) / target - 1).reshape(len(TESTED), 4, DAY).mean(axis=(0, 2))

    naive = [mape(made.experts[:, EXPERTS.index(name)]) for name in ("yesterday", "7-day mean")]
    inside = (np.log(target) >= made.log_quantiles[..., 0] - 1e-3) & (
        np.log(target) <= made.log_quantiles[..., -1] + 1e-3
    )
    return mape(np.log(point(made.log_quantiles))), np.minimum(*naive), inside.mean()


@pytest.mark.parametrize("grid", [solar, walk, reversed_days, constant, zeros])
def test_strange_grids_are_forecast_no_worse_than_naively(grid):
    """By at most 10 % of the error of the better of the two, which hindsight names for each day ahead."""
    blended, naive, _ = errors(grid(np.random.default_rng(1)))
    assert (blended <= 1.1 * naive + 0.1).all(), (blended, naive)


def test_intervals_hold_where_the_network_has_never_been():
    for grid in (solar, walk):
        assert 0.86 < errors(grid(np.random.default_rng(1)))[2] < 0.94


def test_a_new_level_is_followed_within_a_week():
    """From 100 to 450 g/kWh overnight: the first week costs half more than the worse naive one, and is forgotten."""
    random, jump = np.random.default_rng(1), 80 * DAY
    swing = np.exp(0.1 * np.sin(2 * np.pi * HOUR / DAY) + 0.03 * random.normal(size=HOUR.size))
    values = np.repeat([100.0, 450.0], [jump, HOUR.size - jump]) * swing
    rows = np.arange(jump, (DAYS - 4) * DAY, DAY)
    made = Adaptive(START, values).at(rows)
    target = np.log(values[rows[:, None] + np.arange(96)])
    error, yesterday, week = (
        np.abs(one - target).mean(axis=1)
        for one in (np.log(point(made.log_quantiles)), *made.experts[:, 2:].swapaxes(0, 1))
    )
    assert error[:8].mean() <= 1.5 * np.maximum(yesterday[:8].mean(), week[:8].mean())
    assert error[8:].mean() < 1.2 * np.minimum(yesterday, week)[8:].mean()
