import dataclasses
import datetime
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.carbon.csv_file import read_csv
from jcenas.carbon.trace import CarbonTrace, align
from jcenas.errors import InputError

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def trace(values, **more):
    return CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), **more)


def test_mean_window_and_slice_by_hand():
    t = trace([100, 300, 200, 400], zone="X")
    assert t.mean() == 250
    assert t.at_hour(1) == 300
    np.testing.assert_array_equal(t.window(1, 2), [300, 200])
    part = t.slice(2)
    assert part.start == START + datetime.timedelta(hours=2)
    np.testing.assert_array_equal(part.intensity_g_per_kwh, [200, 400])
    assert str(part.times[1]) == "2024-01-01T03:00:00"


def test_finer_steps_are_averaged_by_the_hour():
    t = trace([100, 300, 200, 400, 5], step_seconds=1800)
    assert t.hours == 2
    np.testing.assert_array_equal(t.hourly(), [200, 300])
    assert t.index_of(START + datetime.timedelta(minutes=59)) == 1


def test_offset_start_is_kept_in_utc_and_values_are_read_only():
    berlin = datetime.datetime(2024, 1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    t = CarbonTrace(start=berlin, intensity_g_per_kwh=np.ones(3))
    assert t.start == START
    assert t.start.utcoffset() == datetime.timedelta(0)
    with pytest.raises(ValueError, match="read-only"):
        t.intensity_g_per_kwh[0] = 2
    assert t.to_array().dtype == np.float32


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ([], {}, "non-empty"),
        ([1, np.nan, -1], {}, "2 missing, infinite or negative intensities, the first at step 1"),
        ([1], {"step_seconds": 7000}, "does not divide an hour"),
        ([1], {"kind": "median"}, "kind must be"),
        ([1], {"estimated": np.zeros(2)}, "estimated has 2 values for 1 intensities"),
    ],
)
def test_bad_fields_are_refused(values, more, message):
    with pytest.raises(InputError, match=message):
        trace(values, **more)


@pytest.mark.parametrize("call", [lambda t: t.window(2, 2), lambda t: t.at_hour(-1), lambda t: t.slice(1, 9)])
def test_nothing_outside_the_trace(call):
    with pytest.raises(InputError, match=r"asked|not in"):
        call(trace([1, 2, 3]))


def test_a_trace_followed_by_more_keeps_its_labels_and_steps():
    t = CarbonTrace(
        start=START, intensity_g_per_kwh=np.array([1.0, 2.0]), step_seconds=1800, zone="DE", kind="marginal",
        factors="direct", source="here", estimated=np.array([True, False]), notes=("odd",),
    )  # fmt: skip
    longer = t.followed_by(np.array([5.0, 7.0]))
    np.testing.assert_array_equal(longer.intensity_g_per_kwh, [1, 2, 5, 7])
    assert (longer.start, longer.step_seconds, longer.zone) == (t.start, 1800, "DE")
    assert (longer.kind, longer.factors, longer.source) == ("marginal", "direct", "here")
    assert longer.estimated is None
    assert longer.notes == ()


def test_resample_by_hand():
    t = trace([100, 300, 200, 400, 5], step_seconds=1800, estimated=[0, 1, 0, 0, 1], weather={"wind": [1, 3, 5, 7, 9]})
    hourly = t.resample(3600)
    np.testing.assert_array_equal(hourly.intensity_g_per_kwh, [200, 300])
    np.testing.assert_array_equal(hourly.estimated, [True, False])
    np.testing.assert_array_equal(hourly.weather["wind"], [2, 6])
    np.testing.assert_array_equal(hourly.resample(1200).intensity_g_per_kwh, [200, 200, 200, 300, 300, 300])
    with pytest.raises(InputError, match="not a multiple"):
        t.resample(1200)
    with pytest.raises(InputError, match="do not fill"):
        t.slice(4).resample(3600)


def test_align_by_hand():
    hour = datetime.timedelta(hours=1)
    long = trace([1, 2, 3, 4])
    late = dataclasses.replace(trace([10, 20, 30, 40], step_seconds=1800), start=START + 0.5 * hour)
    first, second = align([long, late])
    assert first.start == second.start == START + hour
    assert (first.intensity_g_per_kwh.tolist(), second.intensity_g_per_kwh.tolist()) == ([2.0], [25.0])
    with pytest.raises(InputError, match="no common period"):
        align([long, dataclasses.replace(late, start=START + 5 * hour)])


def test_extras_are_sliced_with_the_trace():
    t = trace([1, 2, 3], generation_mw={"gas": [4, 5, 6]}, marginal_g_per_kwh=[7, 8, 9]).slice(1)
    assert (t.generation_mw["gas"].tolist(), t.marginal_g_per_kwh.tolist()) == ([5, 6], [8, 9])


def write(tmp_path, text, name="zone.csv"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


GOOD = "datetime_utc,intensity_g_per_kwh\n2024-01-01 00:00:00,100.5\n2024-01-01 01:00:00,200\n2024-01-01 02:00:00,0\n"
EXPORT = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated\n"
    "2024-01-01 00:00:00,Germany,Germany,DE,300.1,350.2,entsoe,false\n"
    "2024-01-01 01:00:00,Germany,Germany,DE,310.1,360.2,entsoe,true\n"
)


@pytest.mark.parametrize("name", ["zone.csv", "zone.csv.gz"])
def test_reads_two_plain_columns(tmp_path, name):
    t = read_csv(write(tmp_path, GOOD, name))
    np.testing.assert_array_equal(t.intensity_g_per_kwh, [100.5, 200, 0])
    assert (t.start, t.step_seconds, t.zone) == (START, 3600, "zone")


def test_reads_electricity_maps_export(tmp_path):
    path = write(tmp_path, EXPORT)
    t = read_csv(path)
    assert (t.zone, t.factors) == ("DE", "life-cycle")
    np.testing.assert_array_equal(t.intensity_g_per_kwh, [350.2, 360.2])
    np.testing.assert_array_equal(t.estimated, [False, True])
    direct = read_csv(path, factors="direct")
    assert direct.factors == "direct"
    np.testing.assert_array_equal(direct.intensity_g_per_kwh, [300.1, 310.1])


def test_the_name_of_the_column_tells_marginal(tmp_path):
    t = read_csv(write(tmp_path, GOOD.replace("intensity_g", "marginal_intensity_g")))
    assert t.kind == "marginal"


def test_offsets_are_turned_into_utc(tmp_path):
    t = read_csv(write(tmp_path, "time,ci\n2024-01-01T02:00+02:00,1\n2024-01-01T00:15Z,2\n2024-01-01T00:30Z,3\n"))
    assert (t.start, t.step_seconds) == (START, 900)


BROKEN = {
    "": "is empty",
    "datetime_utc,ci\n": "no rows",
    "a,b\n1,2\n": "line 1: no time column among a, b",
    "datetime_utc,x,y\n2024-01-01,1,2\n": "line 1: no carbon-intensity column",
    GOOD.replace("datetime_utc", "datetime").replace("00,200", "00Z,200"): (
        r"line 2: the time .* has no zone, others have \(2 problems; also line 4\); add Z"
    ),
    GOOD.replace(" 01:", " 00:"): r"line 3: the time 2024-01-01 00:00 UTC comes twice",
    GOOD + "2024-01-01 05:00:00,1\n": "line 5: a gap of 2 h before 2024-01-01 05:00",
    GOOD + "2024-01-01 01:00:00,1\n2024-01-01 02:00:00,1\n": "line 5: the time 2024-01-01 01:00 UTC goes back",
    GOOD.replace("200", "-3"): "line 3: the intensity -3 is not a finite number >= 0",
    GOOD.replace("200", "nan"): "line 3: the intensity nan",
    GOOD.replace("200", ""): "line 3: the intensity is missing",
    GOOD.replace("200", "x").replace("100.5", "y"): r"line 2: 'y' is no number \(2 problems; also line 3\)",
    GOOD.replace("200", "200,7"): "line 3: 3 fields where the header has 2",
    GOOD.replace("2024-01-01 01:00:00", "noon"): "line 3: 'noon' is no ISO 8601 time",
    "datetime_utc,ci\n2024-01-01,1\n2024-01-02,2\n": "a step of 86400 s does not divide an hour",
    "datetime_utc,ci\n2024-01-01,1\n": "line 2: fewer than two rows",
    EXPORT.replace("(direct)", "(Life cycle)"): "several intensity columns",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_files_name_line_and_remedy(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=BROKEN[text]) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


CELL = st.text(alphabet='0123456789-:TZ +.,"\nnaex', max_size=12)


HEADERS = st.sampled_from(["datetime_utc,ci\n", "time,ci\n", 'utc,"a\nb"\n', '"a\nb",c\n', "utc,ci,co2eq\n", "\n"])


@settings(deadline=None)
@given(header=HEADERS, rows=st.lists(st.tuples(CELL, CELL), max_size=5))
def test_any_text_is_a_trace_or_one_clear_line(tmp_path_factory, header, rows):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_text(header + "".join(f"{a},{b}\n" for a, b in rows))
    t, message = None, str(path)
    try:
        t = read_csv(path)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message
    assert t is None or (len(t) >= 2 and np.isfinite(t.intensity_g_per_kwh).all())


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "not.csv.gz").write_text("plain")
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path / "not.csv.gz")
    (tmp_path / "binary.csv").write_bytes(b"time,ci\xff\n")
    with pytest.raises(InputError, match="line 1: is no text in UTF-8"):
        read_csv(tmp_path / "binary.csv")


def test_hours_known_before_a_time_are_never_taken_from_the_other_end():
    t = trace([100, 300, 200, 400, 500], step_seconds=1800)
    half = datetime.timedelta(minutes=30)
    assert [t.known_before(START + n * half) for n in (-4, 0, 1, 2, 4, 5, 50)] == [0, 0, 0, 1, 2, 2, 2]
    np.testing.assert_array_equal(t.before(START + 2 * half, 3), [np.nan, np.nan, 200])
    np.testing.assert_array_equal(t.before(START + 5 * half, 2), [250, 450])
    np.testing.assert_array_equal(t.before(START, 2), [np.nan, np.nan])
    np.testing.assert_array_equal(t.before(START + 7 * half, 2), [450, np.nan])
    with pytest.raises(InputError, match="no time zone"):
        t.known_before(START.replace(tzinfo=None))
    with pytest.raises(InputError, match="no border of its 1800 s steps"):
        t.before(START + half / 2, 1)


def test_notes_stay_with_the_trace_and_do_not_repeat():
    t = trace([1, 2, 3, 4], notes=("odd", "odd", "converted"))
    assert t.notes == t.slice(1).notes == t.resample(7200 // 4).notes == ("odd", "converted")


@pytest.mark.parametrize("year", [1, 1900, 2200, 9999])
def test_both_ends_of_the_calendar_are_refused(year):
    with pytest.raises(InputError, match="between the years 1900 and 2200"):
        CarbonTrace(start=datetime.datetime(year, 12, 31, 23, tzinfo=datetime.UTC), intensity_g_per_kwh=np.ones(3))
