"""Carbon to reach a hypervolume by hand, what is not run again, and the smoke size."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments.lib import recording
from experiments.search import carbon_ratio as study
from jcenas.report.run import costs_of


class Finished:
    """A run with set-up, three trainings of which one failed, idle time, and a final test."""

    meta = {"status": "finished"}  # noqa: RUF012
    costs = costs_of(meta)
    intervals = pd.DataFrame(
        [
            ("compiling", 0.0, 0.0, 8.0),
            ("timing", 0.0, 0.0, 2.0),
            ("candidate", 0.0, 1.0, 4.0),
            ("candidate", 1.0, 3.0, 6.0),
            ("idle", 0.5, 1.5, 1.0),
            ("test", 3.0, 3.0, 5.0),
        ],
        columns=["purpose", "start_hour", "end_hour", "emissions_g"],
    )
    evaluations = pd.DataFrame(
        {
            "ordinal": [1, 2, 3],
            "status": ["done", "failed", "done"],
            "validation_error": [0.1, np.nan, 0.05],
            "cost": [4.0, 1.0, 8.0],
            "hour": [1.0, 2.0, 3.0],
            "hypervolume": [0.3, 0.3, 0.4],
        }
    )


def test_a_run_over_time_by_hand():
    done = study.outcome(Finished)
    # after hour 1: set-up 10, a training 4, half of the idle hour 0.5; the final test of 5 is always included
    np.testing.assert_allclose(done.emissions_g, [10 + 4 + 0.5 + 5, 10 + 4 + 6 + 1 + 5])
    np.testing.assert_allclose(done.hypervolume, [0.3, 0.4])
    assert (done.total_g, done.set_up_g, done.test_g, done.final) == (26, 10, 5, 0.4)


def of(hypervolume, emissions, total, set_up):
    return study.Outcome(np.array(hypervolume), np.array(emissions), total, set_up, 0.0)


BASELINE = of([0.2, 0.4], [20.0, 50.0], 60.0, 12.0)


@pytest.mark.parametrize(
    ("other", "full", "without"),
    [
        (of([0.1, 0.5, 0.6], [15.0, 20.0, 30.0], 30.0, 8.0), 60 / 20, 48 / 12),
        (of([0.4 * (1 - 1e-8)], [15.0], 15.0, 3.0), 60 / 15, 48 / 12),  # the same but for rounding
        (of([0.39], [15.0], 15.0, 3.0), 0.0, 0.0),
        (of([], [], 15.0, 3.0), 0.0, 0.0),
        (BASELINE, 60 / 50, 48 / 38),
    ],
)
def test_ratios_by_hand(other, full, without):
    assert study.ratios(BASELINE, other) == pytest.approx((full, without))


def test_a_baseline_that_found_nothing_is_not_reached():
    assert study.ratios(of([0.0], [20.0], 20.0, 5.0), BASELINE) == (0.0, 0.0)


def test_a_row_by_hand():
    others = [of([0.4], [grams], grams + 1, 10.0) for grams in (20.0, 30.0, 60.0)] + [of([0.1], [9.0], 9.0, 10.0)]
    cells = dict(zip(study.COLUMNS, study.row(study.DEFAULT, others, [BASELINE] * 4), strict=True))
    assert tuple(cells[name] for name in ("optimizer", "stage", "policy")) == study.DEFAULT
    assert cells["searches"] == 4
    assert cells["hypervolume, median"] == pytest.approx(0.4)
    assert cells["hypervolume, q1"] == pytest.approx(0.325)
    assert cells["gCO2eq, median"] == pytest.approx(26)
    assert cells["of it set-up"] == 10
    assert cells["reach it, %"] == 75
    assert cells["carbon ratio, median"] == pytest.approx((1 + 2) / 2)  # of 0, 1, 2 and 3
    assert cells["q3"] == pytest.approx(2.25)
    assert cells["ratio without set-up, median"] == pytest.approx((48 / 50 + 48 / 20) / 2)


def rows(default, other):
    blank = [None] * (len(study.COLUMNS) - 4)
    table = [[*name, 1, *blank] for name in (study.BASELINE, study.DEFAULT, ("random", "predictor", "plan"))]
    for line, value in zip(table, (1.0, default, other), strict=True):
        line[study.COLUMNS.index("carbon ratio, median")] = value
    return table


def test_the_verdict_is_about_the_default():
    assert "met (3.50); best: random, predictor, plan with 4.00" in study.verdict(rows(3.5, 4.0))
    assert "missed by 0.75 (2.25)" in study.verdict(rows(2.25, 1.0))
    assert study.verdict(rows(1.0, 2.0)[::2]).startswith("the default was not run; best: random")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A finished run in the folder; a search that starts fails the test."""
    folder = tmp_path / f"{'_'.join(study.DEFAULT)}_3"
    folder.mkdir()
    run = Finished()
    run.config = {"config": {**study.DEFAULT._asdict(), "hours": 6, "seed": 3}}  # pyright: ignore
    monkeypatch.setattr(study, "read_run", lambda path: run if path == folder else None)
    monkeypatch.setattr(study.subprocess, "run", lambda *_, **__: pytest.fail("a finished run is not repeated"))
    return tmp_path, run


def test_a_finished_run_is_not_repeated(kept):
    folder, run = kept
    assert study.finished(study.DEFAULT, 3, folder, 6, ()) is run
    with pytest.raises(RuntimeError, match="other settings"):
        study.finished(study.DEFAULT, 3, folder, 7, ())


def test_an_interrupted_run_is_resumed_and_a_new_one_started(kept, monkeypatch):
    folder, run = kept
    commands = []

    def start(command, **_):
        commands.append(command)
        return study.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(study.subprocess, "run", start)
    run.meta = {"status": "interrupted"}
    study.finished(study.DEFAULT, 3, folder, 6, ())
    study.finished(study.BASELINE, 4, folder, 6, ["--epochs", "1"])
    assert "--resume" in commands[0]
    assert "--resume" not in commands[1]
    assert {"--stage=none", "--policy=evaluate-all", "--hours=6", "--seed=4", "--epochs"} <= set(commands[1])


def test_a_failed_search_is_an_error(tmp_path, monkeypatch):
    failed = study.subprocess.CompletedProcess([], 2)
    monkeypatch.setattr(study.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="ended with code 2"):
        study.finished(study.DEFAULT, 0, tmp_path, 6, ())


@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch, capsys):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    table = study.main(["--smoke"])
    assert [tuple(line[:3]) for line in table] == [study.BASELINE, study.DEFAULT]
    for line in table:
        cells = dict(zip(study.COLUMNS, line, strict=True))
        assert 0 < cells["of it set-up"] < cells["gCO2eq, median"]
        assert cells["reach it, %"] in {0, 100}
    assert table[0][study.COLUMNS.index("reach it, %")] == 100  # the baseline reaches its own end
    assert json.dumps(table)
    assert "times less carbon with the default: m" in capsys.readouterr().out
