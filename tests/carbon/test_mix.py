import numpy as np
import pytest

from jcenas.carbon.mix import DIRECT_G_PER_KWH, LIFE_CYCLE_G_PER_KWH, intensity_of_mix
from jcenas.carbon.prepared import read_prepared
from jcenas.errors import InputError


def test_mix_by_hand():
    mix = {"coal": np.array([1.0, 0.0]), "nat_gas": np.array([1.0, 3.0]), "wind": np.array([2.0, np.nan])}
    np.testing.assert_allclose(intensity_of_mix(mix, "direct"), [(760 + 370) / 4, 370])
    np.testing.assert_allclose(intensity_of_mix(mix), [(820 + 490 + 22) / 4, 490])
    np.testing.assert_allclose(intensity_of_mix({"other": np.ones(1)}, overrides={"other": 292.9}), [292.9])


def test_life_cycle_is_never_below_direct():
    assert DIRECT_G_PER_KWH.keys() == LIFE_CYCLE_G_PER_KWH.keys()
    assert all(LIFE_CYCLE_G_PER_KWH[source] >= factor for source, factor in DIRECT_G_PER_KWH.items())


@pytest.mark.parametrize(
    ("mix", "factors", "message"),
    [
        ({"magic": [1.0]}, "direct", "no emission factor for magic; the sources are coal"),
        ({"coal": [1.0]}, "total", "unknown emission factors 'total'"),
        ({"coal": [1.0, -2.0]}, "direct", "negative generation of coal at step 1"),
        ({"coal": [1.0, 0.0]}, "direct", "no generation at all at step 1"),
    ],
)
def test_bad_mixes(mix, factors, message):
    with pytest.raises(InputError, match=message):
        intensity_of_mix({source: np.array(series) for source, series in mix.items()}, factors)


def test_prepared_table_by_hand(tmp_path):
    path = tmp_path / "XX.csv"
    path.write_text(
        "datetime_utc,ci_direct_g,ci_lca_g,gas_MWh,wx_wind\n2024-01-01 00:00:00,,,1,5\n2024-01-01 01:00:00,1,10,2,6\n"
        "2024-01-01 02:00:00,2,,3,7\n2024-01-01 03:00:00,3,30,4,8\n"
    )
    trace = read_prepared(path)
    assert (trace.zone, str(trace.times[0])) == ("XX", "2024-01-01T01:00:00")
    np.testing.assert_array_equal(trace.intensity_g_per_kwh, [10, 20, 30])
    np.testing.assert_array_equal(trace.estimated, [False, True, False])
    np.testing.assert_array_equal(trace.generation_mw["gas"], [2, 3, 4])
    np.testing.assert_array_equal(trace.weather["wind"], [6, 7, 8])
    np.testing.assert_array_equal(read_prepared(path, factors="direct").intensity_g_per_kwh, [1, 2, 3])
    with pytest.raises(InputError, match="no column 'DE'"):
        read_prepared(path, column="DE")
    with pytest.raises(InputError, match="cannot be read"):
        read_prepared(tmp_path / "none.csv")
    path.write_text(path.read_text().replace("2024-01-01 02", "2024-01-01 05"))
    with pytest.raises(InputError, match="not hourly"):
        read_prepared(path)


@pytest.mark.data
@pytest.mark.parametrize("region", ["CISO", "PJM", "ERCO", "ISNE", "DE"])
@pytest.mark.parametrize("factors", ["direct", "life-cycle"])
def test_factors_give_the_published_intensities(data, region, factors):
    trace = read_prepared(data / f"carbon/carboncast_hourly/{region}.csv.gz", factors=factors)
    error = np.abs(intensity_of_mix(trace.generation_mw, factors) - trace.intensity_g_per_kwh)
    assert np.median(error) < 0.01  # rounding of the published numbers
    assert set(trace.weather) == {"wind_speed", "temperature", "dewpoint", "dswrf", "precipitation"}


@pytest.mark.data
def test_missing_hours_of_the_californian_mix_are_filled_and_flagged(data):
    trace = read_prepared(data / "carbon/emaps_US-CAL-CISO_2020-2022_hourly_mix.csv.gz")
    assert (len(trace), int(trace.estimated.sum())) == (26304, 7)
    assert trace.mean() == pytest.approx(273.8, abs=0.1)
    wide = read_prepared(data / "carbon/emaps_2022_hourly_123zones_wide.csv.gz", column="US-CAL-CISO")
    assert wide.zone == "US-CAL-CISO"
    year = trace.window(trace.index_of(wide.start), wide.hours)
    assert np.median(np.abs(year - wide.intensity_g_per_kwh)) < 0.01
