import datetime

import numpy as np
import pytest

from jcenas.carbon import CarbonTrace
from jcenas.live import trace_source
from jcenas.live.config import SearchConfig
from jcenas.live.outlook import MODEL, TRACE, Outlook

START = datetime.datetime(2024, 3, 1, 5, tzinfo=datetime.UTC)


def daily(hours, seed=None, step_s=3600):
    steps = np.arange(hours * 3600 // step_s) * step_s / 3600
    noise = 0 if seed is None else np.random.default_rng(seed).normal(scale=5, size=len(steps))
    return 200 + 80 * np.sin(2 * np.pi * steps / 24) + noise


def trace_of(values, start=START, step_s=3600):
    return CarbonTrace(start=start, intensity_g_per_kwh=values, step_seconds=step_s)


@pytest.fixture(scope="module")
def parts():
    values = daily(168 + 48)
    return trace_of(values[168:], START + datetime.timedelta(hours=168)), trace_of(values[:168])


def test_without_a_past_the_policy_is_told_the_trace(parts):
    outlook = Outlook(parts[0], None, 24)
    np.testing.assert_array_equal(outlook.window(3), parts[0].window(3, 24))
    assert outlook.source == TRACE


def test_a_daily_wave_is_foreseen(parts):
    outlook = Outlook(*parts, 24)
    assert outlook.source == MODEL
    for hour in (0, 7):
        np.testing.assert_allclose(outlook.window(hour), parts[0].window(hour, 24), rtol=0.2)


def test_the_future_does_not_leak(parts):
    trace, past = parts
    changed = trace.intensity_g_per_kwh.copy()
    changed[7:] *= 3
    other = Outlook(trace_of(changed, trace.start), past, 24)
    np.testing.assert_array_equal(other.window(7), Outlook(trace, past, 24).window(7))
    assert np.abs(other.window(9) - Outlook(trace, past, 24).window(9)).max() > 1


def test_it_looks_beyond_the_end_of_the_trace_and_at_half_hours(parts):
    assert Outlook(*parts, 24).window(48).shape == (24,)
    half = trace_of(daily(168, step_s=1800), START, 1800)
    end = trace_of(daily(24, step_s=1800), START + datetime.timedelta(hours=168), 1800)
    np.testing.assert_allclose(Outlook(end, half, 6).window(2), Outlook(*parts, 6).window(2), rtol=0.15)


def test_the_past_of_a_file_and_of_a_typical_year(tmp_path):
    path = tmp_path / "grid.csv"
    rows = [f"{t:%Y-%m-%dT%H:%M}Z,{v}" for t, v in zip(hours_from(START, 200), daily(200), strict=True)]
    path.write_text("time_utc,intensity_g_per_kwh\n" + "\n".join(rows) + "\n")
    late = SearchConfig(trace=path, hours=10, start=f"{START + datetime.timedelta(hours=170):%Y-%m-%dT%H:%MZ}")
    trace, _ = trace_source.choose(late)
    past = trace_source.choose_past(late, trace)
    assert past is not None
    assert (past.hours, past.start) == (168, START + datetime.timedelta(hours=2))
    early = SearchConfig(trace=path, hours=10)
    assert trace_source.choose_past(early, trace_source.choose(early)[0]) is None
    config = SearchConfig()
    typical, _ = trace_source.choose(config)
    week = trace_source.choose_past(config, typical)
    assert week is not None
    assert week.start + datetime.timedelta(hours=168) == typical.start
    trace_source.keep(trace, tmp_path, past)
    again = trace_source.recall_past(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.intensity_g_per_kwh, past.intensity_g_per_kwh)


def hours_from(start, n):
    return [start + datetime.timedelta(hours=h) for h in range(n)]
