import numpy as np
import pytest

from jcenas.carbon.mix_file import read_mix_csv
from jcenas.errors import InputError

GOOD = "datetime_utc,coal_MW,Wind (MW),nat_gas\n2024-01-01 00:00,100,100,\n2024-01-01 01:00,0,300,100\n"


def write(tmp_path, text):
    path = tmp_path / "XX.csv"
    path.write_text(text)
    return path


def test_mix_by_hand(tmp_path):
    trace = read_mix_csv(write(tmp_path, GOOD), factors="direct")
    np.testing.assert_allclose(trace.intensity_g_per_kwh, [380, 92.5])
    np.testing.assert_array_equal(trace.generation_mw["nat_gas"], [np.nan, 100])
    assert (trace.zone, trace.factors, list(trace.generation_mw)) == ("XX", "direct", ["coal", "wind", "nat_gas"])
    assert read_mix_csv(write(tmp_path, GOOD), overrides={"wind": 0.0}).intensity_g_per_kwh[1] == 122.5


def test_energy_of_half_hours_becomes_power(tmp_path):
    text = "time_utc,gas_MWh\n2024-01-01 00:00,50\n2024-01-01 00:30,60\n"
    np.testing.assert_array_equal(read_mix_csv(write(tmp_path, text)).generation_mw["gas"], [100, 120])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("300", "-300"), "line 3: the generation of wind is '-300'"),
        (GOOD.replace("300", "much"), "line 3: the generation of wind is 'much'"),
        (GOOD.replace("100,100,", "0,,"), "line 2: there is no generation at all"),
        (GOOD.replace("01:00", "04:00") + "2024-01-01 05:00,1,1,1\n", "line 3: a gap of 3 h"),
        (GOOD.replace("01:00", "01:00Z").replace("datetime_utc", "datetime"), "has no zone, others have"),
        (GOOD.replace("coal_MW", "magic"), "no emission factor for magic"),
        (GOOD.replace("coal_MW", "coal_MWh"), "some sources are in MW and some in MWh"),
        (GOOD.replace("coal_MW", "wind"), "are not one column each"),
        (GOOD + "2024-01-01 02:00,1\n", "line 4: 2 fields"),
        ("datetime_utc,gas\n", "no rows"),
    ],
)
def test_broken_mixes(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_mix_csv(write(tmp_path, text))
