"""The simulated studies at their smoke sizes, and their arithmetic by hand."""

import numpy as np
import pytest

from experiments.cenas import budgets as simulate_budgets
from experiments.cenas import carbon_ratio as simulate_carbon_ratio
from experiments.cenas import ppo_speed as benchmark_ppo
from experiments.cenas import progress as simulate_progress
from experiments.cenas import settings as simulate_settings
from experiments.cenas import simulator_speed as benchmark_simulator
from experiments.cenas.common import METHODS, on_table, quartiles, run
from experiments.lib import recording

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
def test_budgets(data):
    [row] = simulate_budgets.main(["--smoke"])
    assert len(row) == len(simulate_budgets.COLUMNS)
    assert 0 < row[4] <= 1
    assert row[simulate_budgets.COLUMNS.index("share of oracle")] == 1  # the oracle's share of itself


@pytest.mark.slow
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


def test_progress_at_emissions_by_hand():
    class Result:
        class intervals:
            emissions_g = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [0.5, 0.5, 0.5]])

    missing = np.array([[9.0, 8.0, 7.0], [6.0, 5.0, 4.0], [3.0, 2.0, 1.0]])
    # 4 g: the first search is at 3 g (8.0), the second at 4 g (5.0), the third never emits so much.
    assert simulate_progress.at_emissions(Result, missing, 4.0) == pytest.approx(6.5)
    assert simulate_progress.at_emissions(Result, missing, 7.0) is None
    assert quartiles([1, 2, 3, np.nan]) == [2, 1.5, 2.5]
