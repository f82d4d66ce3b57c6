"""The forms of a trace file: what is read, what is refused for having two meanings, and what is said of it."""

import datetime
import gzip
import json

import numpy as np
import pytest

from jcenas.carbon import read_trace
from jcenas.carbon.times import NO_ZONE_NOTE
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
PLAIN = "datetime_utc,intensity\n2024-03-01T00:00Z,100\n2024-03-01T01:00Z,200.5\n"


def write(tmp_path, text, name="own.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


FORMS = {
    "words swapped": PLAIN.replace("datetime_utc", "UTC time").replace("Z,", ","),
    "semicolons and decimal commas": PLAIN.replace(",", ";").replace("200.5", "200,5"),
    "tabs": PLAIN.replace(",", "\t"),
    "tabs and decimal commas": PLAIN.replace(",", "\t").replace("200.5", "200,5"),
    "bars": PLAIN.replace(",", "|"),
    "date and time apart": "date,time_utc,ci\n2024-03-01,0:00,100\n2024-03-01,1:00:00,200.5\n",
    "mean": "timestamp,COL,avg_CI\n2024-03-01 00:00+00:00,5,100\n2024-03-01 01:00+00:00,nan,200.5\n",
    "epoch beside": "timestamp,datetime,ci\n1709251200,2024-03-01 00:00+00,100\n1709254800,2024-03-01 01:00+00,200.5\n",
    "epoch alone": "timestamp,ci\n1709251200,100\n1709254800,200.5\n",
    "milliseconds": "time,ci\n1709251200000,100\n1709254800000,200.5\n",
    "unnamed index": ",ci\n2024-03-01T00:00Z,100\n2024-03-01T01:00Z,200.5\n",
    "UTC behind": "time,ci\n2024-03-01 00:00:00 UTC,100\n2024-03-01 01:00:00 UTC,200.5\n",
    "year first with slashes": "time_utc,ci\n2024/3/1 0:00,100\n2024/3/1 1:00,200.5\n",
    "days with dots": "time (UTC);ci\n01.03.2024 00:00;100\n01.03.2024 01:00;200,5\n",
    "comment and byte-order mark": "\ufeff# from a friend\n" + PLAIN,
    "kilograms": "time_utc,intensity (kgCO2e/kWh)\n2024-03-01 00:00,0.1\n2024-03-01 01:00,0.2005\n",
    "kilograms per MWh": "time_utc,kg_co2_per_mwh_intensity\n2024-03-01 00:00,100\n2024-03-01 01:00,200.5\n",
    "tonnes per MWh": "time_utc,ci_tco2/mwh\n2024-03-01 00:00,0.1\n2024-03-01 01:00,0.2005\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_one_trace(tmp_path, form):
    trace = read_trace(write(tmp_path, FORMS[form]))
    np.testing.assert_allclose(trace.intensity_g_per_kwh, [100, 200.5], rtol=1e-12)
    assert (trace.start, trace.step_seconds) == (START, 3600)
    assert NO_ZONE_NOTE not in trace.notes


def test_pounds_are_converted_and_said(tmp_path):
    text = "time_utc,co2_intensity_lbs_per_mwh\n2024-03-01 00:00,1000\n2024-03-01 01:00,500\n"
    trace = read_trace(write(tmp_path, text))
    np.testing.assert_allclose(trace.intensity_g_per_kwh, [453.59237, 226.796185])
    assert "is in lb per MWh: times 0.45359237" in trace.notes[0]


@pytest.mark.parametrize("unit", ["kg", "mg/kwh", "g/mj", "ton/mwh", "per_mwh"])
def test_other_units_are_refused(tmp_path, unit):
    with pytest.raises(InputError, match=r"line 1: the unit of the column .* convert it to gCO2eq/kWh"):
        read_trace(write(tmp_path, PLAIN.replace("intensity", f"intensity_{unit}")))


def test_grams_without_a_unit_but_suspiciously_low(tmp_path):
    trace = read_trace(write(tmp_path, PLAIN.replace("100", "0.1").replace("200.5", "0.2")))
    assert trace.notes == ("no intensity above 0.2: in g, not in kg per kWh?",)


def hours_of(pattern, days):
    times = [START + datetime.timedelta(hours=i) for i in range(24 * days)]
    return "time,ci\n" + "".join(f"{t.strftime(pattern)},{i}\n" for i, t in enumerate(times))


@pytest.mark.parametrize(("pattern", "days"), [("%m/%d/%y %H:%M", 2), ("%d/%m/%Y %H:%M", 2), ("%m-%d-%Y %H:%M", 20)])
def test_the_column_tells_day_from_month(tmp_path, pattern, days):
    trace = read_trace(write(tmp_path, hours_of(pattern, days)))
    assert (trace.start, trace.hours, trace.notes[0]) == (START, 24 * days, NO_ZONE_NOTE)


def test_a_single_day_with_slashes_has_two_meanings(tmp_path):
    with pytest.raises(InputError, match="line 2: the date '03/01/24 00:00' may be day/month or month/day"):
        read_trace(write(tmp_path, hours_of("%m/%d/%y %H:%M", 1)))


ZONES = "zone,time_utc,ci\nAA,2024-03-01 00:00,1\nBB,2024-03-01 00:00,7\nAA,2024-03-01 01:00,2\nBB,2024-03-01 01:00,8\n"
WIDE = "time_utc,DE,FR\n2024-03-01 00:00,1,\n2024-03-01 01:00,2,8\n"


def test_one_zone_of_many_rows(tmp_path):
    path = write(tmp_path, ZONES)
    trace = read_trace(path, zone="bb")
    assert (trace.zone, trace.intensity_g_per_kwh.tolist()) == ("BB", [7, 8])
    with pytest.raises(InputError, match=r"several zones \(AA, BB\); choose one with --zone"):
        read_trace(path)
    with pytest.raises(InputError, match="no row of the zone 'CC'; the file has AA, BB"):
        read_trace(path, zone="CC")


def test_one_zone_of_many_columns(tmp_path):
    path = write(tmp_path, WIDE)
    trace = read_trace(path, zone="DE")  # what is missing of France does not matter
    assert (trace.zone, trace.intensity_g_per_kwh.tolist()) == ("DE", [1, 2])
    with pytest.raises(InputError, match="line 2: the intensity is missing"):
        read_trace(path, zone="FR")
    with pytest.raises(InputError, match=r"a column for each zone \(DE, FR\); choose one with --zone"):
        read_trace(path)
    with pytest.raises(InputError, match="no column of the zone 'PL'; the columns are DE, FR"):
        read_trace(path, zone="PL")


def test_a_zone_cannot_be_chosen_from_a_file_without(tmp_path):
    with pytest.raises(InputError, match="names no zone, so 'DE' cannot be chosen; leave out --zone"):
        read_trace(write(tmp_path, PLAIN), zone="DE")


def test_forecast_beside_actual_is_for_the_user_to_choose(tmp_path):
    path = write(tmp_path, "from,ci.forecast,ci.actual\n2024-03-01T00:00Z,1,3\n2024-03-01T00:30Z,2,4\n")
    with pytest.raises(InputError, match=r"several intensity columns \(ci.forecast, ci.actual\).* --column"):
        read_trace(path)
    assert read_trace(path, column="ci.actual").intensity_g_per_kwh.tolist() == [3, 4]
    with pytest.raises(InputError, match=r"no column 'ci'; the file has from, ci\.forecast"):
        read_trace(path, column="ci")


def test_of_two_columns_of_one_name_neither_is_taken(tmp_path):
    path = write(tmp_path, "from,ci,ci\n2024-03-01T00:00Z,1,3\n2024-03-01T00:30Z,2,4\n")
    for column, message in (
        (None, r"several intensity columns \(ci, ci\)"),
        ("ci", "2 columns 'ci'; rename all but one"),
    ):
        with pytest.raises(InputError, match=message):
            read_trace(path, column=column)


def test_two_times_that_differ_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"several time columns \(from, point_time\)"):
        read_trace(write(tmp_path, "from,point_time,ci\n2024-03-01T00:00Z,2024-03-01T01:00Z,1\n"))


def test_saved_answers_of_services(tmp_path):
    rows = [{"zone": z, "datetime": f"2024-03-01T0{h}:00Z", "carbonIntensity": h} for z in ("AA", "BB") for h in (1, 2)]
    text = json.dumps({"history": rows})
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(text.encode()))
    assert read_trace(path, zone="BB").zone == "BB"
    with pytest.raises(InputError, match=r"several zones \(AA, BB\)"):
        read_trace(path)
    with pytest.raises(InputError, match="is an answer for the zone AA, BB, not 'CC'"):
        read_trace(path, zone="CC")
    with pytest.raises(InputError, match="is JSON, which has no column 'x'"):
        read_trace(path, zone="BB", column="x")


BAD = {
    "year 1": ("time,ci\n0001-01-01T00:00+14:00,1\n", "line 2: the year 1 is not between"),
    "year 9999": ("time,ci\n9999-12-31T23:00-14:00,1\n", "line 2: the year 9999 is not between"),
    "digits of Python": ("time_utc,ci\n2024-03-01,1_000\n", "line 2: '1_000' is no number"),
    "long number": ("time_utc,ci\n2024-03-01,12345678901234567890\n", "line 2: the intensity 1234.* is no number of g"),
    "long time": ("time,ci\n12345678901234567890,1\n", "line 2: '12345678901234567890' is no ISO 8601 time"),
    "long name": (f"time,ci\n{'x' * 999},1\n", r"line 2: 'xxx.*\.\.\. is no ISO"),
    "huge field": ("x" * 200_000 + ",ci\n1,1\n", "line 1: is no CSV text"),
    "long JSON": (
        '{"history":[{"datetime":"2024-03-01T00:00Z","carbonIntensity":' + "9" * 5000 + "}]}",
        "no answer of",
    ),
    "deep JSON": ("[" * 100_000, "is no answer of a carbon service"),
    "year 1 in JSON": ('{"data":[{"datetime":"0001-01-01T00:00+14:00","carbonIntensity":1}]}', "entry 1: the year 1"),
    "escape": ("time,ci\n\x1b[31m,1\n", "line 2: holds the control character"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_content_is_one_short_line(tmp_path, what):
    text, message = BAD[what]
    with pytest.raises(InputError, match=message) as caught:
        read_trace(write(tmp_path, text))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_million_rows_are_the_most(tmp_path, monkeypatch):
    monkeypatch.setattr("jcenas.carbon.csv_table.MAX_ROWS", 1)
    with pytest.raises(InputError, match="line 3: more than 1 rows; cut out the period"):
        read_trace(write(tmp_path, PLAIN))
