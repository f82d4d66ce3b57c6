"""The smoke sizes of the forecast experiments: they run, record nothing, and their parts are right."""

import datetime

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.forecast import adaptive as forecast_adaptive
from experiments.forecast import baselines, protocol
from experiments.forecast import error as forecast_error
from experiments.forecast import plot as forecast_plot
from experiments.forecast import speed as benchmark_forecast
from experiments.forecast import weights as forecast_weights
from experiments.forecast import zero_shot as forecast_zero_shot
from experiments.forecast.toy import toy_regions, toy_trace
from experiments.forecast.zones import group_of, until, without_test_months
from experiments.lib import recording
from jcenas.carbon.forecast import weights
from jcenas.carbon.trace import CarbonTrace


@pytest.fixture(autouse=True)
def _records_nothing(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))


@pytest.fixture(scope="module")
def toy_windows():
    table, (span,) = toy_regions()
    past = protocol.daily(table, span, None, protocol.SELECT)
    return past, protocol.daily(table, span, protocol.SELECT, protocol.TEST)


@pytest.mark.slow  # fits every method of the table; most of it is compilation
@pytest.mark.study
def test_error_table(capsys):
    errors, intervals, issued = forecast_error.main(["--smoke"])
    methods = [row[1] for row in errors]
    assert methods[0] == "goal"
    for method in ("jcenas", "persistence", "ridge", "boosting + weather", "CarbonCast-style CNN-LSTM"):
        assert method in methods
    assert all(len(row) == 6 for row in errors)
    assert len(intervals) == 1
    assert issued == []  # a toy has no issued forecasts
    assert "goal" in capsys.readouterr().out


def test_naive_forecasts_by_hand(toy_windows):
    _, test = toy_windows
    past = np.asarray(test.history[..., 0], np.float64)
    np.testing.assert_allclose(baselines.persistence(test)[:, [0, 23, 24, 95]], past[:, [-24, -1, -24, -1]])
    np.testing.assert_allclose(baselines.weekly_profile(test)[:, 5], past[:, 5::24].mean(axis=1))


def test_ridge_and_boosting_learn_the_toy(toy_windows):
    past, test = toy_windows
    naive = forecast_error.mape(baselines.persistence(test), test.target)
    ridge = forecast_error.mape(baselines.fit_ridge(past)(test), test.target)
    boosted = baselines.fit_boosting(past, weather=True, iterations=60)
    assert ridge.mean() < 0.3 * naive.mean()
    assert forecast_error.mape(boosted(test), test.target).mean() < 0.9 * naive.mean()


def test_daily_calibration_uses_only_what_is_over():
    random = np.random.default_rng(0)
    quantiles = np.sort(random.normal(5, 0.2, (40, 96, 7)), axis=-1).astype(np.float32)
    targets = np.exp(random.normal(5, 0.2, (40, 96))).astype(np.float32)
    fitted = protocol.Fitted(jnp.asarray(quantiles[:20]), jnp.asarray(quantiles[20:]), 1.0)
    first = protocol.calibrate_daily(fitted, jnp.asarray(targets[:20]), jnp.asarray(targets[20:]))
    targets[20 + 10 :] *= 3.0  # from the test origin 10 on everything is different
    second = protocol.calibrate_daily(fitted, jnp.asarray(targets[:20]), jnp.asarray(targets[20:]))
    same = [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]
    assert same[:14] == [True] * 14  # origin 10 is over when origin 14 is forecast
    assert not any(same[14:])


def test_periods_do_not_overlap():
    table, (span,) = toy_regions()
    choose = protocol.daily(table, span, protocol.SELECT, protocol.TEST)
    test = protocol.daily(table, span, protocol.TEST, protocol.END)
    assert choose.target.shape[0] == 178
    joined = np.concatenate((np.asarray(choose.target[-1]), np.asarray(test.target[0])))
    row = (protocol.TEST - span.start) // datetime.timedelta(hours=1)
    np.testing.assert_array_equal(joined, np.asarray(table.history[row - 96 : row + 96, 0]))


def test_folds_keep_countries_together():
    zones = ["SE-SE1", "SE-SE2", "DE", "FR", "US-CAL-CISO", "US-CAL-LDWP", "US-TEX-ERCO", "GB", "PL", "KR"]
    folds = forecast_zero_shot.fold_of(zones)
    assert folds["SE-SE1"] == folds["SE-SE2"]
    assert folds["US-CAL-CISO"] == folds["US-CAL-LDWP"]
    assert set(folds.values()) == {0, 1, 2, 3}
    assert group_of("US-TEX-ERCO") == "US-TEX"


def test_until_cuts_and_leaves_out():
    trace = toy_trace(hours=48)
    end = trace.start + datetime.timedelta(hours=30)
    assert [len(part) for part in until([trace], end)] == [30]
    assert until([trace], trace.start) == []


def test_months_of_the_tests_are_left_out():
    start = datetime.datetime(2020, 12, 31, tzinfo=datetime.UTC)
    hours = (datetime.datetime(2024, 2, 1, tzinfo=datetime.UTC) - start) // datetime.timedelta(hours=1)
    parts = without_test_months([CarbonTrace(start=start, intensity_g_per_kwh=np.arange(hours) * 1.0, zone="X")])
    assert [f"{part.start:%Y-%m-%d}" for part in parts] == ["2020-12-31", "2022-01-01", "2023-01-01", "2024-01-01"]
    ends = [part.start + len(part) * datetime.timedelta(hours=1) for part in parts]
    assert [f"{end:%Y-%m-%d}" for end in ends] == ["2021-07-01", "2022-07-01", "2023-07-01", "2024-02-01"]
    assert parts[1].intensity_g_per_kwh[0] == (parts[1].start - start) // datetime.timedelta(hours=1)


@pytest.mark.data
@pytest.mark.slow  # reads 123 zones twice and compiles the network for two shapes
@pytest.mark.study
def test_zero_shot_and_weights(tmp_path, data):
    rows = forecast_zero_shot.main(["--smoke"])
    assert [row[1] for row in rows[:3]] == ["persistence", "weekly profile", "jcenas, zero-shot"]
    path = forecast_weights.main(["--smoke", "--out", str(tmp_path / "toy.npz")])
    assert weights.load(path).linear is None


def result(adapted, ridge=9.0, covers=(90.0,)):
    """Of a zone in which persistence errs by 10 and the mean of the week by 12 on all days."""
    errors = {"persistence": 10.0, "7-day mean": 12.0, "ridge": ridge, "zero-shot": 8.0}
    mape = {name: np.full(4, error) for name, error in errors.items()} | {"adapted": np.array([*adapted, 99.0])}
    return forecast_adaptive.Result(mape, np.array(covers))


def test_verdicts_by_hand():
    good, bad = result((7.0, 8.0, 9.0)), result((7.0, 10.5, 11.0), ridge=8.0, covers=(86.5, 91.0))
    said = forecast_adaptive.verdict_naive({"A": good}, "adapted", "one zone")
    assert said == "adapted ahead of persistence and 7-day mean on days 1 to 3 in one zone: met."
    said = forecast_adaptive.verdict_naive({"A": good, "B": bad}, "adapted", "two zones")
    assert said.endswith("missed in 1 of 2 zones, most by B day 3 10.0 %, B day 2 5.0 %.")
    assert forecast_adaptive.verdict_ridge({"A": good}, "").endswith("met (1 of 1).")
    assert forecast_adaptive.verdict_ridge({"A": good, "B": bad}, "").endswith("missed by 1 (1 of 2).")
    assert forecast_adaptive.verdict_covers({"A": good}, "").endswith("met (90.0 to 90.0 %).")
    said = forecast_adaptive.verdict_covers({"A": good, "B": bad}, "")
    assert said.endswith("missed by 1.5 points at most; 2 of 3 zones and quarters are inside.")


@pytest.mark.data
@pytest.mark.slow  # compiles a training and the forecasts
@pytest.mark.study
def test_adaptive(data):
    rows = forecast_adaptive.main(["--smoke"])
    assert [row[2] for row in rows[:5]] == list(forecast_adaptive.FORECASTS)
    assert {row[1] for row in rows} == {"mean of 2", "DE", "FR"}


@pytest.mark.slow
@pytest.mark.study
def test_benchmark(capsys):
    rows = benchmark_forecast.main(["--smoke"])
    assert [len(row) for row in rows] == [len(benchmark_forecast.COLUMNS)] * 2
    assert all(row[2] > 0 and row[5] is None for row in rows)
    assert "one forecast" in capsys.readouterr().out


def test_plot(tmp_path):
    path = forecast_plot.main(["--smoke", "--out", str(tmp_path / "one.png")])
    assert path.read_bytes().startswith(b"\x89PNG")
