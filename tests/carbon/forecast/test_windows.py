import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast import windows
from jcenas.carbon.forecast.features import INTENSITY
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

START = datetime.datetime(2024, 1, 1, 6, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def count_up(first, hours, zone):
    return CarbonTrace(start=START, intensity_g_per_kwh=first + np.arange(hours, dtype=float), zone=zone)


@pytest.fixture(scope="module")
def two():
    return windows.make_table([count_up(1, 300, "a"), count_up(1001, 400, "b")], [1, 2])


def test_windows_are_the_hours_around_the_origin(two):
    table, (_, second) = two
    row = second.first + 200
    window = windows.cut(table, jnp.asarray([row]))
    np.testing.assert_array_equal(window.history[0, :, INTENSITY], 1001 + np.arange(200 - 168, 200))
    np.testing.assert_array_equal(window.target[0], 1001 + np.arange(200, 296))
    assert window.zone.tolist() == [2]


def test_no_window_reaches_into_another_series(two):
    _, (first, second) = two
    assert windows.origins(first, None, None).tolist() == list(range(168, 300 - 96 + 1))
    assert windows.origins(second, None, None).tolist() == list(range(300 + 168, 300 + 400 - 96 + 1))


def test_a_split_keeps_its_targets_inside(two):
    _, (_, span) = two
    border = START + 12 * DAY
    before = windows.origins(span, None, border) - span.first
    after = windows.origins(span, border, None) - span.first
    assert before.max() + 96 == 288
    assert after.min() == 288


def test_daily_origins_are_at_midnight_utc(two):
    _, (_, span) = two
    rows = windows.origins(span, None, None, every_h=24) - span.first
    assert {(START + datetime.timedelta(hours=int(row))).hour for row in rows} == {0}
    assert rows.tolist() == [186, 210, 234, 258, 282]


def test_draws_are_of_the_split(two):
    table, (span, _) = two
    origins = jnp.asarray(windows.origins(span, None, None)[:3])
    drawn = windows.draw(jax.random.key(0), table, origins, 64)
    assert set(np.asarray(drawn.target[:, 0]).tolist()) == {169.0, 170.0, 171.0}


def test_no_trace():
    with pytest.raises(InputError, match="at least one"):
        windows.make_table([], [])
