import datetime
import json

import numpy as np
import pytest

from jcenas.carbon.describe import describe, rows, zone_rows
from jcenas.carbon.trace import CarbonTrace

START = datetime.datetime(2024, 1, 1, 6, tzinfo=datetime.UTC)


def trace(values, **more):
    return CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), zone="X", **more)


def test_facts_by_hand():
    day = [100.0 + 10 * i for i in range(24)]  # rises from 06:00 to 05:00
    facts = describe(trace(day * 2, estimated=[True] * 12 + [False] * 36))
    assert (facts["start_utc"], facts["end_utc"], facts["days"]) == ("2024-01-01 06:00", "2024-01-03 06:00", 2)
    assert (facts["mean_g_per_kwh"], facts["min_g_per_kwh"], facts["max_g_per_kwh"]) == (215, 100, 330)
    assert facts["daily_range_g_per_kwh"] == 230
    assert (facts["cleanest_hour_utc"], facts["dirtiest_hour_utc"]) == (6, 5)
    assert facts["autocorrelation"][24] == pytest.approx(0.5)  # 24 of 48 products, all of them squares
    assert facts["autocorrelation"][168] is None
    assert facts["estimated_share"] == 0.25
    assert facts["warnings"] == []
    json.dumps(facts)


def test_a_short_trace_has_no_day():
    facts = describe(trace([1000.0]))
    assert facts["daily_range_g_per_kwh"] is None
    assert facts["autocorrelation"] == {1: None, 24: None, 168: None}


LONG = 300 + 50 * np.sin(np.arange(400) / 5)
SUSPECT = {
    "30 hours of the same value from 2024-01-01 16:00:00 UTC": np.concatenate((LONG[:10], [5] * 30, LONG[:50])),
    "2 jumps over most of the range, the first at 2024-01-05 10:00": np.where(np.arange(400) == 100, 900, LONG),
    "1 steps with intensity 0": np.where(np.arange(400) == 100, 0, LONG),
    "per MWh or pounds": LONG * 100,
    "not in kg": LONG / 1000,
}


@pytest.mark.parametrize("message", SUSPECT)
def test_suspect_data_are_pointed_out(message):
    assert any(message in warning for warning in describe(trace(SUSPECT[message]))["warnings"])


def test_rows_for_the_terminal():
    lines = dict(rows(trace(LONG, source="by hand", generation_mw={"gas": np.ones(400)})))
    assert lines["period (UTC)"] == "2024-01-01 06:00 .. 2024-01-17 22:00"
    assert lines["mean, gCO2eq/kWh"].startswith(f"{LONG.mean():.1f} (from 250.0 to 350.0")
    assert (lines["generation"], lines["steps"]) == ("gas", "400 of 3600 s, 16.67 days")
    assert "warning" not in lines
    assert ("warning", "100% of the values are estimates") in rows(trace(LONG, estimated=np.ones(400)))


def test_every_zone_has_a_row():
    table = {row[0]: row[1:] for row in zone_rows()}
    assert len(table) == 121
    assert float(table["FR"][0]) < float(table["DE-LU"][0]) < float(table["PL"][0])
    assert table["US-CAL-CISO"][2] == "2021-2024"


def test_estimates_are_pointed_out():
    assert "100% of the values are estimates" in describe(trace(LONG, estimated=np.ones(400)))["warnings"]
