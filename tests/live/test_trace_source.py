import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.live import trace_source
from jcenas.live.config import SearchConfig


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "grid.csv"
    rows = [f"2024-03-01T{h:02d}:00Z,{100 + 10 * h}" for h in range(10)]
    path.write_text("time_utc,intensity_g_per_kwh\n" + "\n".join(rows) + "\n")
    return path


def test_a_file_from_its_beginning_or_a_start(csv):
    trace, mean = trace_source.choose(SearchConfig(trace=csv, hours=10))
    assert trace.at_hour(0) == 100
    assert mean == 145
    later, mean = trace_source.choose(SearchConfig(trace=csv, hours=4, start="2024-03-01T05:00Z"))
    assert later.at_hour(0) == 150
    assert mean == 145  # of all that is known, not of the part


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 11}, r"grid\.csv: 10 h .* but --hours 11; set --hours 10 or less"),
        ({"hours": 6, "start": "2024-03-01T05:00Z"}, r"5 h from 2024-03-01T05:00Z on, but --hours 6"),
        ({"hours": 1, "start": "2024-03-02T05:00Z"}, "is outside"),
        ({"hours": 1, "start": "2024-03-01T05:00"}, "has no time zone"),
        ({"hours": 1, "start": "noon"}, "--start noon: not a time"),
    ],
)
def test_what_does_not_fit_is_refused(csv, options, message):
    with pytest.raises(InputError, match=message):
        trace_source.choose(SearchConfig(trace=csv, **options))


def test_the_typical_year_is_as_long_as_it_must_be():
    trace, mean = trace_source.choose(SearchConfig(hours=100))
    assert trace.hours >= 100
    assert 100 < mean < 400
    with pytest.raises(InputError, match="unknown zone"):
        trace_source.choose(SearchConfig(zone="ATLANTIS"))


def test_a_kept_trace_comes_back_to_the_last_digit(csv, tmp_path):
    trace, mean = trace_source.choose(SearchConfig(hours=30))
    trace_source.keep(trace, tmp_path)
    again, again_mean = trace_source.recall(tmp_path, trace_source.describe(trace, mean))
    np.testing.assert_array_equal(again.intensity_g_per_kwh, trace.intensity_g_per_kwh)
    assert (again.start, again.zone, again.source, again_mean) == (trace.start, trace.zone, trace.source, mean)


def test_the_window_looks_ahead_and_is_shifted_back_at_the_end(csv):
    trace, _ = trace_source.choose(SearchConfig(trace=csv, hours=10))
    np.testing.assert_array_equal(trace_source.window(trace, 2, 3), [120, 130, 140])
    np.testing.assert_array_equal(trace_source.window(trace, 9, 3), [170, 180, 190])
    assert len(trace_source.window(trace, 0, 24)) == 10


def test_behind_its_end_a_trace_keeps_its_last_intensity(csv):
    trace, _ = trace_source.choose(SearchConfig(trace=csv, hours=10))
    longer = trace_source.extended(trace)
    assert longer.at_hour(9) == longer.at_hour(500) == 190
