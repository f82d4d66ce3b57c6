"""The hours of a run and what is known of them in advance, on traces made by hand."""

import dataclasses
import datetime
import pickle

import numpy as np
import pytest

from jcenas.carbon.trace import CarbonTrace
from jcenas.engine import grid
from jcenas.engine.grid import GridHours, choose
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)


def hours_of(ahead, before=(), step_seconds=3600, start=START):
    """A grid from plain numbers."""
    trace = CarbonTrace(start=start, intensity_g_per_kwh=np.array(ahead, float), step_seconds=step_seconds, zone="DE")
    return GridHours(trace, np.array(before, float), float(trace.mean()))


def write_csv(path, values, start=START, minutes=60):
    """A trace file of equal steps."""
    times = [start + datetime.timedelta(minutes=minutes * i) for i in range(len(values))]
    rows = [f"{time:%Y-%m-%dT%H:%M}Z,{value}" for time, value in zip(times, values, strict=True)]
    path.write_text("time_utc,intensity_g_per_kwh\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def csv(tmp_path):
    """Ten hours: 100, 110, ..., 190."""
    return write_csv(tmp_path / "grid.csv", [100 + 10 * hour for hour in range(10)])


def of_file(path, hours, start="", wrap=False):
    return choose(trace=path, zone="", start=start, hours=hours, wrap=wrap)


# Which hours.


def test_a_file_from_its_beginning_or_a_start(csv):
    whole = of_file(csv, 10)
    np.testing.assert_array_equal(whole.intensity(10), np.arange(100, 200, 10))
    assert (whole.mean_g_per_kwh, len(whole.before)) == (145, 0)
    later = of_file(csv, 4, "2024-03-01T05:00Z")
    np.testing.assert_array_equal(later.intensity(4), [150, 160, 170, 180])
    np.testing.assert_array_equal(later.before, [100, 110, 120, 130, 140])
    assert later.mean_g_per_kwh == 145  # of all that is known, not of the part
    assert later.trace.start == START + datetime.timedelta(hours=5)


def test_a_time_with_another_zone_is_the_same_moment(csv):
    assert of_file(csv, 1, "2024-03-01T06:00+01:00").intensity(1) == [150]


@pytest.mark.parametrize(
    ("hours", "start", "message"),
    [
        (11, "", r"grid\.csv: 10 h from 2024-03-01T00:00Z on, but --hours 11; run shorter, start earlier or give"),
        (6, "2024-03-01T05:00Z", r"5 h from 2024-03-01T05:00Z on, but --hours 6"),
        (1, "2024-03-02T05:00Z", "is outside"),
        (1, "2024-02-29T23:00Z", "is outside"),
        (1, "0001-01-01T00:00Z", "is not between the years"),
        (1, "9999-12-31T23:00Z", "is not between the years"),
        (1, "2024-03-01T05:00", r"--start 2024-03-01T05:00: has no time zone; write 2024-03-01T05:00Z for UTC"),
        (1, "noon", "--start noon: not a time; write it like 2023-06-01T00:00Z"),
    ],
)
def test_what_does_not_fit_a_file_is_one_line(csv, hours, start, message):
    with pytest.raises(InputError, match=message) as refused:
        of_file(csv, hours, start)
    assert "\n" not in str(refused.value)


def test_a_short_file_repeats_where_that_is_asked_for(csv):
    whole = of_file(csv, 25, "2024-03-01T07:00Z", wrap=True)
    values = np.arange(100, 200, 10)
    np.testing.assert_array_equal(whole.intensity(25), [170, 180, 190, *values, *values, 100, 110])
    np.testing.assert_array_equal(whole.before, values[:7])  # the past does not
    np.testing.assert_array_equal(of_file(csv, 9, wrap=True).intensity(9), values[:9])


def test_half_hours_are_averaged_and_kept(tmp_path):
    path = write_csv(tmp_path / "half.csv", np.arange(100.0, 116.0), minutes=30)
    half = of_file(path, 3, "2024-03-01T02:30Z")
    assert half.trace.step_seconds == 1800
    np.testing.assert_array_equal(half.intensity(3), [105.5, 107.5, 109.5])
    np.testing.assert_array_equal(half.before, [101.5, 103.5])  # whole hours that end with the start
    assert of_file(path, 3, "2024-03-01T00:30Z").before.size == 0  # half an hour is none


def test_the_typical_year_has_a_week_before_and_a_day_behind():
    year = choose(trace=None, zone="US-CAL-CISO", start="", hours=100)
    assert year.trace.start == grid.TYPICAL_START
    assert year.trace.hours == 100 + grid.LEAD_H
    assert len(year.before) == grid.WEEK_H
    assert 100 < year.mean_g_per_kwh < 400
    # The week before is the model's own week, not another: a run that begins a week earlier sees it as its hours.
    earlier = choose(trace=None, zone="US-CAL-CISO", start="2023-05-25T12:00Z", hours=grid.WEEK_H)
    np.testing.assert_allclose(year.before, earlier.trace.hourly()[: grid.WEEK_H])
    assert earlier.mean_g_per_kwh == year.mean_g_per_kwh
    with pytest.raises(InputError, match="unknown zone"):
        choose(trace=None, zone="ATLANTIS", start="", hours=1)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("0001-01-03T00:00Z", "not between the years 1900 and 2200"),
        ("0001-01-01T00:00+05:00", "not between the years 1900 and 2200"),
        ("9999-12-31T23:00-05:00", "not between the years 1900 and 2200"),
        ("9999-12-31T23:00Z", "not between the years 1900 and 2200"),
        ("1812-06-24T00:00Z", "not between the years 1900 and 2200"),
        ("2023-06-01", "has no time zone; write 2023-06-01T00:00Z for UTC"),
    ],
)
def test_dates_at_both_ends_of_the_calendar_are_one_line(start, message):
    with pytest.raises(InputError, match=message) as refused:
        choose(trace=None, zone="US-CAL-CISO", start=start, hours=5)
    assert "\n" not in str(refused.value)


# The past.


def test_a_file_without_a_start_has_no_past(tmp_path):
    """The first edition gave the policy the last day of the very run: its future."""
    values = np.random.default_rng(0).integers(200, 300, 80)
    whole = of_file(write_csv(tmp_path / "long.csv", values), 80)
    past, known = whole.past()
    assert (past.shape, past.dtype) == ((24,), np.float32)
    assert not known.any()
    assert not past.any()  # nothing of the 80 hours, which all lie ahead
    np.testing.assert_array_equal(whole.forecast("persistence", 0), np.full((24, 3), values[0]))


def test_the_past_by_hand():
    run = hours_of(np.arange(200.0, 240.0), before=[171.0, 172.0, 173.0])
    past, known = run.past()
    np.testing.assert_array_equal(past, [*[0] * 21, 171, 172, 173])
    np.testing.assert_array_equal(known, np.arange(24) >= 21)
    past, known = run.past(22)
    np.testing.assert_array_equal(past, [172, 173, *range(200, 222)])
    assert known.all()
    past, known = run.past(30)
    np.testing.assert_array_equal(past, np.arange(206, 230))


# Forecasts.


def test_persistence_repeats_the_day_before():
    run = hours_of(np.arange(100.0, 130.0), before=np.arange(76.0, 100.0))
    rows = run.forecast("persistence", 0)
    assert (rows.shape, rows.dtype) == ((24, 3), np.float32)
    np.testing.assert_array_equal(rows[:, 1], [100, *range(77, 100)])
    np.testing.assert_array_equal(run.forecast("persistence", 5)[:, 1], [105, *range(82, 105)])
    assert (rows[:, :1] == rows).all()  # no spread


def test_persistence_beyond_a_day():
    run = hours_of(np.arange(100.0, 130.0), before=np.arange(76.0, 100.0))
    rows = run.forecast("persistence", 0, lead_h=26)[:, 1]
    np.testing.assert_array_equal(rows[:3], [100, 77, 78])
    np.testing.assert_array_equal(rows[24:], [100, 77])  # the same hour of the day before, of two days before
    short = hours_of([5.0, 6.0]).forecast("persistence", 1, lead_h=26)
    np.testing.assert_array_equal(short[:, 1], [6, *[5] * 23, *[6, 5]])


def test_nothing_and_the_truth():
    run = hours_of(np.arange(100.0, 130.0), before=[99.0])
    np.testing.assert_array_equal(run.forecast("none", 3), np.full((24, 3), 103))
    np.testing.assert_array_equal(run.forecast("actual", 3)[:, 0], np.arange(103, 127))
    np.testing.assert_array_equal(run.forecast("actual", 20)[:, 2], [*range(120, 130), *[129] * 14])


def wave(hours):
    return 300 + 100 * np.sin(np.arange(hours) * 2 * np.pi / 24)


def test_the_model_looks_back_only():
    values = wave(200)
    other = np.where(np.arange(200) >= 171, 50.0, values)  # from hour 3 of the run on
    start = START + datetime.timedelta(hours=168)
    runs = [hours_of(v[168:], before=v[:168], start=start) for v in (values, other)]
    ours, theirs = (np.stack([run.forecast("model", hour) for hour in range(5)]) for run in runs)
    assert (ours.shape, ours.dtype) == ((5, 24, 3), np.float32)
    assert (np.diff(ours, axis=2) >= 0).all()
    np.testing.assert_allclose(ours[:, 0, 1], values[168:173], rtol=1e-6)  # the hour itself is known
    np.testing.assert_array_equal(ours[:3], theirs[:3])
    assert (theirs[4, 1:, 1] < ours[4, 1:, 1] - 20).any()
    assert np.abs(ours[0, :, 1] / values[168:192] - 1).mean() < 0.15  # a day like all before it
    assert runs[0].told("model") == "the shipped forecaster, adapted to the hours up to each"


def test_the_model_waits_until_a_week_is_known():
    values = wave(240)
    run = hours_of(values[100:], before=values[:100])
    np.testing.assert_array_equal(run.forecast("model", 67), run.forecast("persistence", 67))
    later = run.forecast("model", 68)  # the 169th hour
    assert (later[1:, 2] > later[1:, 0]).all()  # quantiles, not a repeated day
    assert run.told("model").startswith("the day before repeated until a week is known (100 h of history")


def test_the_model_sees_the_hour_that_has_begun():
    calm, values = wave(200), wave(200)
    values[170:] *= 1.3  # a rise that has just begun, in hour 2 of the run
    start = START + datetime.timedelta(hours=168)
    before, rising = (hours_of(v[168:], before=v[:168], start=start).forecast("model", 2) for v in (calm, values))
    np.testing.assert_allclose(rising[0], values[170], rtol=1e-6)
    assert abs(rising[1, 1] - values[171]) < abs(before[1, 1] - values[171])


def test_the_model_learns_from_all_the_hours_before():
    """A grid whose every other day is the mirror of the last: no week tells a network that it is so."""
    hour = np.arange(24 * 90)
    values = 300 * np.exp(0.4 * np.where(hour // 24 % 2, 1, -1) * np.sin(hour * 2 * np.pi / 24))
    start = START + datetime.timedelta(hours=24 * 80)
    week, all_of_it = (
        hours_of(values[24 * 80 :], before=values[24 * 80 - n : 24 * 80], start=start).forecast("model", 0)[1:, 1]
        for n in (168, 24 * 80)
    )
    truth = values[24 * 80 + 1 : 24 * 81]
    assert np.abs(all_of_it / truth - 1).mean() < 0.5 * np.abs(week / truth - 1).mean()


def test_a_copy_forecasts_the_same():
    run = hours_of(wave(60), before=wave(168), start=START + datetime.timedelta(hours=168))
    ahead = run.forecast("model", 3)
    copy = pickle.loads(pickle.dumps(run))
    assert "_adaptive" in vars(run)
    assert "_adaptive" not in vars(copy)  # what it keeps is not sent to another process
    np.testing.assert_array_equal(copy.forecast("model", 3), ahead)


def test_another_network_may_forecast():
    from jcenas.carbon.forecast.weights import default_forecaster

    shipped = default_forecaster()
    run = hours_of(wave(30), before=wave(168), start=START + datetime.timedelta(hours=168))
    other = dataclasses.replace(run, forecaster=shipped.replace(scale=2 * shipped.scale))
    narrow, wide = (np.diff(np.log(one.forecast("model", 0)[1:])) for one in (run, other))
    np.testing.assert_allclose(wide, 2 * narrow, rtol=1e-3)


def test_the_model_repeats_its_last_day_beyond_its_four():
    run = hours_of(wave(30), before=wave(168), start=START + datetime.timedelta(hours=168))
    rows = run.forecast("model", 0, lead_h=130)
    np.testing.assert_array_equal(rows[:24], run.forecast("model", 0))
    np.testing.assert_array_equal(rows[97:121], rows[73:97])  # the hour itself, and 96 that were forecast
    np.testing.assert_array_equal(rows[121:], rows[73:82])
    assert (rows[73:97] != rows[49:73]).any()
    assert run.forecast("none", 2, lead_h=3).shape == run.forecast("actual", 29, lead_h=3).shape == (3, 3)


@pytest.mark.parametrize("kind", ["persistence", "none", "actual"])
def test_every_forecast_is_explained(kind):
    assert len(hours_of([1.0, 2.0]).told(kind)) > 10


def test_half_hours_and_the_last_hour_are_foreseen_too():
    values, start = wave(200), START + datetime.timedelta(hours=168)
    whole = hours_of(values[168:], before=values[:168], start=start)
    half = hours_of(np.repeat(values[168:], 2), before=values[:168], start=start, step_seconds=1800)
    np.testing.assert_allclose(half.forecast("model", 2), whole.forecast("model", 2), rtol=1e-6)
    assert whole.forecast("model", 31).shape == (24, 3)  # beyond the end of the trace
