"""The ridge of a zone's own past: against the normal equations in one piece, and on waves that it can foresee."""

import numpy as np

from jcenas.carbon.forecast import ridge

DAY = 24


def log_series(days, seed=0):
    random = np.random.default_rng(seed)
    hour = np.arange(DAY * days)
    return 5 + 0.3 * np.sin(2 * np.pi * hour / DAY) + 0.1 * (hour // DAY % 7 < 5) + 0.05 * random.normal(size=hour.size)


def test_refits_equal_one_fit_in_one_piece():
    series, ends = log_series(50), [40 * DAY, 41 * DAY, 45 * DAY + 5]
    found = ridge.fits(series, 3, ends)
    for end, weights in zip(ends, found, strict=True):
        rows = np.arange(168, end - 96 + 1)
        x, level = ridge.inputs(series, (3 + rows) % 168, rows)
        y = series[rows[:, None] + np.arange(96)] - level
        weight = 0.5 ** ((rows[-1] - rows) / DAY / ridge.HALF_LIFE_DAYS)
        gram = (x * weight[:, None]).T @ x + ridge.PENALTY * np.eye(x.shape[1])
        np.testing.assert_allclose(weights, np.linalg.solve(gram, (x * weight[:, None]).T @ y), atol=1e-8)


def test_too_short_a_past_has_no_fit():
    days = ridge.MIN_DAYS + 7 + 4
    short, enough = ridge.fits(log_series(days), 0, [days * DAY - 2, days * DAY])
    assert short is None
    assert enough is not None
    assert ridge.fits(log_series(days), 0, [days * DAY], begin=DAY) == [None]


def test_only_hours_before_the_end_are_seen():
    series = log_series(50)
    changed = np.where(np.arange(series.size) >= 45 * DAY, 0.0, series)
    np.testing.assert_array_equal(ridge.fits(series, 0, [45 * DAY]), ridge.fits(changed, 0, [45 * DAY]))


def test_the_week_is_foreseen():
    """Weekends differ, and noise is all that is not foreseen: its deviation is 0.05."""
    series = log_series(120)
    (weights,) = ridge.fits(series, 0, [110 * DAY])
    rows = np.arange(110 * DAY, 116 * DAY)
    x, level = ridge.inputs(series, rows % 168, rows)
    error = x @ weights + level - series[rows[:, None] + np.arange(96)]
    assert np.sqrt((error**2).mean()) < 0.065  # yesterday again has 0.1
