import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.carbon.json_file import read_json
from jcenas.errors import InputError

MAPS = {
    "zone": "DE",
    "history": [
        {"carbonIntensity": 302, "datetime": "2024-01-01T00:00:00.000Z", "isEstimated": True},
        {"carbonIntensity": 310.5, "datetime": "2024-01-01T01:00:00.000Z", "emissionFactorType": "lifecycle"},
    ],
}
WATTTIME = {
    "data": [{"point_time": f"2024-01-01T00:{m:02d}:00+00:00", "value": 1000.0 + m} for m in (0, 5, 10)],
    "meta": {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"},
}
GB = {
    "data": [
        {"from": "2018-01-20T12:00Z", "to": "2018-01-20T12:30Z", "intensity": {"forecast": 266, "actual": 263}},
        {"from": "2018-01-20T12:30Z", "to": "2018-01-20T13:00Z", "intensity": {"forecast": 270, "actual": None}},
    ]
}


def write(tmp_path, document):
    path = tmp_path / "answer.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_electricity_maps(tmp_path):
    trace = read_json(write(tmp_path, MAPS))
    assert (trace.zone, trace.kind, trace.factors, trace.step_seconds) == ("DE", "average", "life-cycle", 3600)
    np.testing.assert_array_equal(trace.intensity_g_per_kwh, [302, 310.5])
    np.testing.assert_array_equal(trace.estimated, [True, False])


def test_watttime_is_turned_from_pounds_per_mwh(tmp_path):
    trace = read_json(write(tmp_path, WATTTIME))
    assert (trace.zone, trace.kind, trace.factors, trace.step_seconds) == ("CAISO_NORTH", "marginal", "direct", 300)
    np.testing.assert_allclose(trace.intensity_g_per_kwh, [453.59237, 455.86033185, 458.1282937])


def test_great_britain_prefers_what_was_measured(tmp_path):
    trace = read_json(write(tmp_path, GB))
    assert (trace.zone, trace.factors, trace.step_seconds) == ("GB", "direct", 1800)
    np.testing.assert_array_equal(trace.intensity_g_per_kwh, [263, 270])
    np.testing.assert_array_equal(trace.estimated, [False, True])


def broken(document, **changes):
    """A copy with fields of its second entry changed."""
    copy = json.loads(json.dumps(document))
    rows = copy.get("data") or copy["history"]
    rows[1].update(changes)
    return copy


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"a":\n1,}', "line 2: is no JSON"),
        ([1], "is no response of"),
        ({"error": {"code": "400 Bad Request"}}, "is no response of"),
        ({"data": []}, "has no list of entries"),
        (broken(MAPS, carbonIntensity="much"), "entry 2: 'much' is no number"),
        (broken(MAPS, carbonIntensity=[1]), "entry 2: .* is no number"),
        (broken(MAPS, carbonIntensity=-1), "entry 2: the intensity -1"),
        (broken(MAPS, zone="FR"), "entries of several zones .DE, FR.; choose one with --zone"),
        (broken(MAPS, datetime=None), "entry 2: None is no ISO 8601 time"),
        (broken(WATTTIME, point_time="2024-01-01T00:05:00"), "entry 2: the time .* has no zone"),
        (WATTTIME | {"meta": {"signal_type": "health_damage", "units": "USD"}}, "ask WattTime for co2_moer"),
        (broken(GB, **{"from": "2018-01-21T12:00Z"}), "answered in irregular steps"),
    ],
)
def test_nonsense_is_reported_by_entry(tmp_path, document, message):
    with pytest.raises(InputError, match=message):
        read_json(write(tmp_path, document))


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["2024-01-01T00:00Z", "x\ny", ""])
FIELDS = st.sampled_from(["data", "history", "meta", "signal_type", "intensity", "carbonIntensity", "datetime", "zone"])
DOCUMENTS = st.recursive(
    LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(FIELDS, x, max_size=4), max_leaves=12
)


@settings(deadline=None)
@given(document=DOCUMENTS)
def test_any_document_is_a_trace_or_one_clear_line(tmp_path_factory, document):
    path = write(tmp_path_factory.getbasetemp(), document)
    message = str(path)
    try:
        read_json(path)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message


def test_mixed_factors_are_refused(tmp_path):
    document = json.loads(json.dumps(MAPS))
    document["history"][0]["emissionFactorType"] = "direct"
    with pytest.raises(InputError, match="mixes the emission factors direct, lifecycle"):
        read_json(write(tmp_path, document))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "none.json")
