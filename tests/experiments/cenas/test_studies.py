"""The simulated studies at their smoke sizes, and their arithmetic by hand."""

import json

import jax
import numpy as np
import pytest

from experiments.cenas import budgets as simulate_budgets
from experiments.cenas import carbon_ratio as simulate_carbon_ratio
from experiments.cenas import common
from experiments.cenas import ppo_speed as benchmark_ppo
from experiments.cenas import progress as simulate_progress
from experiments.cenas import settings as simulate_settings
from experiments.cenas import simulator_speed as benchmark_simulator
from experiments.cenas.common import METHODS, on_table, quartiles, run, updated
from experiments.lib import recording, write_benchmarks
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.engine.grid import HISTORY_H

pytestmark = pytest.mark.data


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))


@pytest.mark.slow
@pytest.mark.study
def test_carbon_ratio(data):
    [row] = simulate_carbon_ratio.main(["--smoke"])
    assert len(row) == len(simulate_carbon_ratio.COLUMNS)
    assert 0 <= row[3] <= 100


@pytest.mark.slow
@pytest.mark.study
def test_budgets(data):
    [row] = simulate_budgets.main(["--smoke"])
    assert len(row) == len(simulate_budgets.COLUMNS)
    assert 0 < row[4] <= 1
    assert row[simulate_budgets.OF_ORACLE] == 1  # the oracle's share of itself


@pytest.mark.slow
@pytest.mark.study
def test_settings(data):
    [row] = simulate_settings.main(["--smoke"])
    assert len(row) == len(simulate_settings.COLUMNS)
    assert 0 < row[4] <= 1
    assert row[-1] > 0  # the heuristic moves devices, and a move takes ten minutes


@pytest.mark.slow
def test_progress_and_speed(data):
    [row] = simulate_progress.main(["--smoke"])
    assert len(row) == len(simulate_progress.COLUMNS)
    assert 0 < row[-3] <= 1
    [row] = benchmark_simulator.main(["--smoke"])
    assert row[:3] == ["random search", 2, 10]


@pytest.mark.slow
def test_a_method_with_few_supernets_runs_on_the_toy_table(data):
    method = METHODS["CE-NAS heuristic"]
    assert on_table(method, "nasbench201") is method
    result, benchmark = run(method, "full", 2, 8, name="toy")
    assert (np.asarray(result.count) > 0).all()
    assert (np.asarray(result.hypervolume) <= float(benchmark.largest)).all()


@pytest.mark.slow
def test_ppo():
    [row] = benchmark_ppo.main(["--smoke"])
    assert len(row) == len(benchmark_ppo.COLUMNS)
    assert row[:3] == ["jcenas", 4, 4 * 128 * 4]


def test_forecasts_of_the_studies_are_of_weights_that_have_not_seen_their_months(monkeypatch):
    monkeypatch.setattr(common, "hourly", lambda grid: np.full(2 * common.JULY_2023_H, 300.0))
    grid = common.grid_of.__wrapped__("nowhere", common.JULY_2023_H, 4)
    assert grid.forecaster is common.forecaster()
    assert len(grid.before) == HISTORY_H
    shipped = default_forecaster()
    assert grid.forecaster.network == shipped.network
    pairs = zip(jax.tree.leaves(grid.forecaster.params), jax.tree.leaves(shipped.params), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs)


def test_progress_at_emissions_by_hand():
    class Result:
        class intervals:
            emissions_g = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [0.5, 0.5, 0.5]])

    missing = np.array([[9.0, 8.0, 7.0], [6.0, 5.0, 4.0], [3.0, 2.0, 1.0]])
    # 4 g: the first search is at 3 g (8.0), the second at 4 g (5.0), the third ends with 1.5 g (1.0) and counts too.
    assert simulate_progress.at_emissions(Result, missing, 4.0) == 5.0
    assert simulate_progress.at_emissions(Result, missing, 1.0) == 6.0  # 9, 6 (nothing yet) and 2
    assert simulate_progress.at_emissions(Result, missing, 7.0) is None
    assert quartiles([1, 2, 3, np.nan]) == [2, 1.5, 2.5]


def budget_row(kg, policy, level, searches=52):
    return [kg, policy, "actual", searches, *[0.9] * 4, level, 0.1, None]


def test_budgets_are_held_against_the_oracle_of_the_same_budget():
    rows = [budget_row(5, "PPO", 4.0), budget_row(5, "oracle", 5.0), budget_row(10, "PPO", 4.0)]
    simulate_budgets.against_the_oracle(rows)
    assert [row[simulate_budgets.OF_ORACLE] for row in rows] == [0.8, 1.0, None]
    assert rows[0][simulate_budgets.LEVEL] == 4.0
    assert len(rows[0]) == len(simulate_budgets.COLUMNS)


def test_rows_of_an_older_record_say_so_and_compare_with_the_new_ones():
    old = {
        "columns": list(simulate_budgets.COLUMNS),
        "rows": [budget_row(5, "PPO", 4.0), budget_row(5, "oracle", 5.0), budget_row(10, "PPO", 6.0)],
        "environment": {"date_utc": "2026-11-22T10:00:00+00:00"},
        "commit": "abc",
    }
    record = {"columns": simulate_budgets.COLUMNS, "rows": [budget_row(5, "oracle", 8.0), budget_row(5, "plan", 7.0)]}
    merged = updated(old, record)
    assert [(row[1], row[simulate_budgets.LEVEL]) for row in merged["rows"]] == [
        *(("PPO", 4.0), ("oracle", 8.0), ("plan", 7.0), ("PPO", 6.0))
    ]
    made = {"date_utc": "2026-11-22T10:00:00+00:00", "commit": "abc", "code": None}
    assert merged["older"] == [made, None, None, made]
    with pytest.raises(ValueError, match="of other numbers of searches, do not compare"):
        updated(old, record | {"rows": [budget_row(5, "oracle", 8.0, searches=104)]})


def test_an_update_with_other_searches_ends_before_anything_runs(capsys, monkeypatch, tmp_path):
    old = {"columns": ["policy", "searches"], "rows": [["PPO", 104]]}
    (tmp_path / "simulate_budgets.json").write_text(json.dumps(old))
    monkeypatch.setattr(write_benchmarks, "RESULTS", tmp_path)
    with pytest.raises(SystemExit):
        simulate_budgets.main(["--update", "--seeds", "52"])
    assert "rows of simulate_budgets have [104] searches" in capsys.readouterr().err
