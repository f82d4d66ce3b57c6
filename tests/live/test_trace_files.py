"""The hours in the run folder: a run goes on with what it began with."""

import datetime

import numpy as np
import pytest

from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours, choose
from jcenas.errors import InputError
from jcenas.live import trace_files

START = datetime.datetime(2024, 3, 1, 5, 30, tzinfo=datetime.UTC)


def hours_of(ahead, before, step_seconds=3600):
    trace = CarbonTrace(
        start=START,
        intensity_g_per_kwh=np.array(ahead, float),
        step_seconds=step_seconds,
        zone="DE",
        source="by hand",
        kind="marginal",
        factors="direct",
    )
    return GridHours(trace, np.array(before, float), 123.25)


def kept(hours, folder):
    """The hours after a stay in a run folder."""
    trace_files.keep(hours, folder)
    return trace_files.recall(folder, trace_files.describe(hours))


@pytest.mark.parametrize("before", [[], [99.5], [1 / 3, 2.0], range(1, 169)], ids=len)
@pytest.mark.parametrize("ahead", [[7.25], np.random.default_rng(0).uniform(1, 900, 30)], ids=len)
@pytest.mark.parametrize("step_seconds", [1800, 3600])
def test_hours_come_back_to_the_last_digit(tmp_path, ahead, before, step_seconds):
    hours = hours_of(ahead, before, step_seconds)
    again = kept(hours, tmp_path)
    np.testing.assert_array_equal(again.trace.intensity_g_per_kwh, hours.trace.intensity_g_per_kwh)
    np.testing.assert_array_equal(again.before, hours.before)
    assert again.mean_g_per_kwh == hours.mean_g_per_kwh
    for name in ("start", "step_seconds", "zone", "source", "kind", "factors"):
        assert getattr(again.trace, name) == getattr(hours.trace, name), name


def test_a_typical_year_and_its_week_before(tmp_path):
    hours = choose(trace=None, zone="US-CAL-CISO", start="", hours=30)
    again = kept(hours, tmp_path)
    np.testing.assert_array_equal(again.series, hours.series)
    np.testing.assert_array_equal(again.forecast("model", 3), hours.forecast("model", 3))


@pytest.mark.parametrize("content", [None, "", "time_utc,intensity_g_per_kwh\n2024-03-01T05:30Z,much\n"])
def test_a_damaged_file_is_named(tmp_path, content):
    hours = hours_of([1.0, 2.0], [])
    trace_files.keep(hours, tmp_path)
    (tmp_path / "trace.csv").unlink()
    if content is not None:
        (tmp_path / "trace.csv").write_text(content)
    with pytest.raises(InputError, match=r"trace\.csv"):
        trace_files.recall(tmp_path, trace_files.describe(hours))


def test_behind_its_end_a_trace_keeps_its_last_intensity():
    longer = trace_files.extended(hours_of([100.0, 110.0, 190.0, 170.0], [], 1800).trace)
    assert longer.at_hour(0) == 105
    assert longer.at_hour(1) == 180
    assert longer.at_hour(2) == longer.at_hour(500) == 170
    assert (longer.start, longer.step_seconds) == (START, 1800)
