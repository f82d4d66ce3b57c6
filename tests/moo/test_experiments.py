import subprocess

import numpy as np
import pytest

from experiments.moo import hypervolume_speed as benchmark_hypervolume
from experiments.moo import lamoo_speed as benchmark_lamoo
from experiments.moo import nasbench201 as lamoo_nasbench201
from experiments.moo import peers as moo_peers
from experiments.moo import tables as moo_tables


@pytest.mark.slow
def test_hypervolume_benchmark_at_smoke_size(monkeypatch):
    monkeypatch.setattr(moo_peers, "install", lambda *packages: None)  # moocore is a test dependency already
    rows = benchmark_hypervolume.main(["--smoke"])
    assert {len(row) for row in rows} == {len(benchmark_hypervolume.COLUMNS)}
    assert {row[0] for row in rows} == {"hypervolume", "dominance number", "non-dominated mask"}


def test_a_peer_that_cannot_be_installed_is_left_out(monkeypatch, capsys):
    def fail(*packages):
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(moo_peers, "install", fail)
    assert moo_peers.hypervolume_of("pygmo") is None
    assert "pygmo is not measured" in capsys.readouterr().err
    points = np.zeros((2, 3, 2))
    assert benchmark_hypervolume.peer_ms(None, points, np.ones(2), np.zeros(2), 1) is None


def test_a_peer_is_compared_before_it_is_timed():
    points, reference = np.full((2, 1, 2), 0.5), np.ones(2)

    def measure(front, reference):
        return float(np.prod(reference - front[0]))

    assert benchmark_hypervolume.peer_ms(measure, points, reference, np.full(2, 0.25), 1) > 0
    with pytest.raises(AssertionError):
        benchmark_hypervolume.peer_ms(measure, points, reference, np.full(2, 0.3), 1)


@pytest.mark.slow
@pytest.mark.data
def test_quality_study_at_smoke_size(data, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(data))
    [row] = lamoo_nasbench201.main(["--smoke"])
    assert row[:3] == ["nsga2", 100, 2]
    assert 0 < row[3] < 8  # below the log of the whole hypervolume, 5792, which is 8.66


@pytest.mark.study
def test_lamoo_benchmark_at_smoke_size():
    rows = benchmark_lamoo.main(["--smoke"])
    assert {len(row) for row in rows} == {len(benchmark_lamoo.COLUMNS)}
    assert min(rows[0][-2:]) >= 0.98


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.study
def test_table_study_at_smoke_size(data, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(data))
    rows = moo_tables.main(["ecnas4v", "--smoke"])
    assert [row[:3] for row in rows] == [["random", 20, 2], ["sh-emoa", 20, 2]]
    assert all(0 < row[3] < 50 for row in rows)
