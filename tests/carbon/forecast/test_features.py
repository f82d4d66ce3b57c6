import dataclasses
import datetime

import numpy as np
import pytest

from jcenas.carbon.forecast import features
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

START = datetime.datetime(2024, 1, 5, 12, tzinfo=datetime.UTC)  # a Friday


def trace(**fields):
    return CarbonTrace(start=START, intensity_g_per_kwh=np.arange(1.0, 49.0), **fields)


def test_widths_are_those_of_the_issue():
    assert len(features.HISTORY) == 16
    assert len(features.KNOWN) == 12


def test_calendar_by_hand():
    midnight, six, saturday = features.calendar(
        np.array(["2024-01-05T00", "2024-01-05T06", "2024-01-06T12"], "datetime64[h]")
    )
    np.testing.assert_allclose(midnight[:4], [0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(six[:4], [1, 0, 0, -1], atol=1e-6)
    assert (midnight[6], saturday[6]) == (1, 0)


def test_mix_becomes_shares_and_unknown_sources_count_as_other():
    power = {"nat_gas": np.full(48, 60.0), "wind": np.full(48, 30.0), "biomass": np.full(48, 10.0)}
    history, _ = features.columns(trace(generation_mw=power))
    row = dict(zip(features.HISTORY, history[0], strict=True))
    assert (row["gas"], row["wind"], row["other"], row["generation"]) == pytest.approx((0.6, 0.3, 0.1, 100.0))
    assert row["coal"] == 0


def test_what_is_not_given_is_nan():
    history, known = features.columns(trace())
    assert np.isnan(history[:, features.MIX]).all()
    assert np.isnan(history[:, features.PAST_WEATHER]).all()
    assert np.isnan(known[:, features.FUTURE_WEATHER]).all()
    np.testing.assert_array_equal(history[:, features.INTENSITY], np.arange(1.0, 49.0))


def test_rows_of_zeros_are_no_weather():
    weather = {name: np.where(np.arange(48) < 24, 1.0, 0.0) for name in features.WEATHER}
    _, known = features.columns(trace(weather=weather))
    assert np.isfinite(known[:24, features.FUTURE_WEATHER]).all()
    assert np.isnan(known[24:, features.FUTURE_WEATHER]).all()


def test_hours_after_continue_the_calendar():
    _, known = features.columns(trace())
    after = features.hours_after(START + datetime.timedelta(hours=24), 24)
    np.testing.assert_array_equal(after, known[24:])


def test_only_hours():
    with pytest.raises(InputError, match="resample to 3600 s"):
        features.columns(dataclasses.replace(trace(), step_seconds=1800))
