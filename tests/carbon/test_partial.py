"""What providers know of a period in part, by hand; and traces that are recorded from them."""

import datetime

import numpy as np
import pytest

from jcenas.carbon.providers import partial
from jcenas.carbon.providers import record as recording
from jcenas.carbon.providers.base import NoAnswerError, ProviderError, RefusedError, cover
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.trace_file import read_trace
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, 6, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


def trace_of(start, values, step_seconds=3600, estimated=None, **more):
    return CarbonTrace(
        start=start, intensity_g_per_kwh=values, step_seconds=step_seconds, estimated=estimated, zone="DE", **more
    )


class Scripted:
    """A provider with a past and an expectation by hand; None: it fails."""

    name = "scripted"

    def __init__(self, past=None, ahead=None, failure=None):
        self.past, self.ahead, self.asked = past, ahead, []
        self.failure = failure or ProviderError("nothing there")

    def history(self, zone, start, end):
        self.asked.append("history")
        return self.answer(self.past, start, end)

    def forecast(self, zone, start, hours):
        self.asked.append("forecast")
        return self.answer(self.ahead, start, start + hours * HOUR)

    def answer(self, trace, start, end):
        if trace is None:
            raise self.failure
        return cover(trace, start, end, self.name)


def test_an_hour_that_the_service_has_is_its_mean_with_its_flag():
    known = trace_of(START, [100.0, 300.0, 7.0], 1800, np.array([False, True, False]))
    hour = partial.present(Scripted(known), "DE", START)
    assert (hour.mean(), hour.hours, hour.estimated.tolist()) == (200.0, 1, [True])


def test_the_rest_of_an_hour_is_what_is_expected_and_marked():
    past = trace_of(START - HOUR, [50.0] * 12 + [100.0] * 3, 300)  # a quarter of the hour has passed
    ahead = trace_of(START + 5 * MINUTE, [500.0] * 24, 300, kind="average")  # begins five minutes into the hour
    hour = partial.present(Scripted(past, ahead), "DE", START)
    assert hour.mean() == pytest.approx((3 * 100 + 9 * 500) / 12)  # what was measured rules over what was expected
    assert hour.estimated.tolist() == [True]
    gap = partial.present(Scripted(None, ahead), "DE", START)
    assert gap.mean() == pytest.approx(500.0)  # of the eleven twelfths that are expected


def test_an_hour_of_which_too_little_is_known_is_unknown():
    past = trace_of(START - HOUR, [50.0] * 12 + [100.0] * 5, 300)
    with pytest.raises(ProviderError, match="knows too little of the hour from 2024-03-01 06:00 UTC on"):
        partial.present(Scripted(past), "DE", START)


@pytest.mark.parametrize("kind", [NoAnswerError, RefusedError])
def test_a_service_that_is_down_or_refuses_is_not_asked_twice(kind):
    provider = Scripted(None, None, kind("gone"))
    with pytest.raises(kind, match="gone"):
        partial.present(provider, "DE", START)
    assert provider.asked == ["history"]


def test_coming_hours_are_as_far_as_the_forecast_goes():
    ahead = trace_of(START + HOUR / 2, [10.0, 20.0, 30.0, 40.0, 50.0], 1800)
    values = partial.coming(Scripted(None, ahead), "DE", START, 4)
    np.testing.assert_array_equal(values, [np.nan, 25.0, 45.0, np.nan])
    with pytest.raises(ProviderError, match="has no hours but"):
        partial.coming(Scripted(None, ahead), "DE", START + 9 * HOUR, 2)


def test_a_period_is_recorded_as_far_as_it_is_there():
    known = trace_of(START, [1.0, 2.0, 3.0, 4.0], 1800)
    part = partial.recorded(Scripted(known), "DE", START - HOUR, START + HOUR)
    assert (part.start, part.intensity_g_per_kwh.tolist()) == (START, [1.0, 2.0])
    values, estimated = partial.by_hour(part, START - HOUR, 3)
    np.testing.assert_array_equal(values, [np.nan, 1.5, np.nan])
    assert not estimated.any()


@pytest.mark.parametrize("kind", ["average", "marginal"])
@pytest.mark.parametrize("factors", ["direct", "life-cycle"])
@pytest.mark.parametrize("step_seconds", [300, 3600])
def test_a_written_trace_is_read_back_with_its_accounting(tmp_path, kind, factors, step_seconds):
    flags = np.array([True, False, True])
    written = trace_of(START, [0.1 + 0.2, 1e-9, 700.0], step_seconds, flags, kind=kind, factors=factors)
    recording.write_csv(written, tmp_path / "out.csv")
    again = read_trace(tmp_path / "out.csv")
    for name in ("start", "step_seconds", "zone", "kind", "factors"):
        assert getattr(again, name) == getattr(written, name), name
    np.testing.assert_array_equal(again.intensity_g_per_kwh, written.intensity_g_per_kwh)
    np.testing.assert_array_equal(again.estimated, flags)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_trace_that_cannot_be_written_leaves_nothing(tmp_path):
    trace = trace_of(START, [1.0])
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "out.csv", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"--out {path}: cannot be written"):
            recording.write_csv(trace, path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_periods_end_with_the_last_hour_that_is_over(monkeypatch):
    monkeypatch.setattr(recording, "this_hour", lambda: START)
    asked = recording.record("typical-year", "DE", days=2, warn=pytest.fail)
    assert (asked.trace.start, asked.trace.hours, asked.service) == (START - 48 * HOUR, 48, False)
    cut = recording.record("typical-year", "", days=2, start=START - 5 * HOUR, warn=pytest.fail)
    assert (cut.trace.start, cut.trace.hours, cut.trace.zone) == (START - 5 * HOUR, 5, "US-CAL-CISO")
    with pytest.raises(InputError, match=r"--start 2024-03-01T06:00Z: is not past"):
        recording.record("typical-year", "DE", days=2, start=START, warn=pytest.fail)
    with pytest.raises(InputError, match="--provider gb,typical-year needs a --zone"):
        recording.record("gb,typical-year", "", days=2, warn=pytest.fail)
