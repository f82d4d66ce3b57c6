"""What is read from a run folder, and what is refused."""

import contextlib
import json
import shutil
import sqlite3

import numpy as np
import pandas as pd
import pytest

from jcenas.errors import InputError
from jcenas.live.database import SCHEMA_VERSION
from jcenas.report.run import last_hour, pareto_front, read_run, readable_costs, seconds_by_hour, times


def test_front_by_hand(finished):
    front = pareto_front(read_run(finished))
    assert list(front["proposal"]) == [2, 3, 1]
    assert list(front["number"]) == [1, 2, 3]
    assert list(front["cost"]) == [5000, 12000, 20000]
    np.testing.assert_allclose(front["validation_accuracy"], [0.9, 0.95, 0.975])
    np.testing.assert_allclose(front["test_accuracy"], [0.88, 0.94, 0.97])
    np.testing.assert_allclose(front["emissions_g"], [8.5, 5.0, 12.0])


def test_of_equal_points_the_first_evaluated_stays(finished):
    run = read_run(finished)
    evaluations = run.evaluations.copy()
    evaluations.loc[evaluations["proposal"] == 4, ["validation_error", "cost"]] = (0.05, 12000.0)
    assert list(pareto_front(run._replace(evaluations=evaluations))["proposal"]) == [2, 3, 1]
    evaluations.loc[evaluations["proposal"] == 4, "ordinal"] = 0
    assert list(pareto_front(run._replace(evaluations=evaluations))["proposal"]) == [2, 4, 1]


def test_an_untested_front_has_no_test_accuracy(finished):
    run = read_run(finished)
    assert pareto_front(run._replace(test=run.test.iloc[:0]))["test_accuracy"].isna().all()


def test_positions_in_the_trace_become_times(finished):
    stamps = times(read_run(finished), pd.Series([0.0, 2.5]))
    assert [stamp.isoformat() for stamp in stamps] == ["2024-06-01T06:00:00+00:00", "2024-06-01T08:30:00+00:00"]


def test_seconds_agree_with_the_hours_that_the_run_wrote(finished):
    run = read_run(finished)
    spent = seconds_by_hour(run)
    np.testing.assert_allclose(spent["supernet"] + spent["candidate"], run.hours["training_s"])
    np.testing.assert_allclose(spent["scoring"] + spent["test"], run.hours["scoring_s"])
    np.testing.assert_allclose(spent["compiling"], run.hours["compiling_s"])
    np.testing.assert_allclose(spent["idle"], run.hours["idle_s"])


def test_an_interval_over_several_hours_is_split_among_them(finished):
    run = read_run(finished)
    one = run.intervals.iloc[:1].assign(start_hour=0.5, end_hour=2.75, seconds=9.0)  # 4 s an hour
    spent = seconds_by_hour(run._replace(intervals=one))
    np.testing.assert_allclose(spent["supernet"], [2, 4, 3, 0])
    assert last_hour(run._replace(intervals=one)) == 2.75


@pytest.mark.parametrize(("at", "hour"), [(0.0, 0), (1.0, 1), (2.5, 2), (4.0, 3)])
def test_a_charge_outside_the_hours_belongs_to_the_hour_in_which_it_stands(finished, at, hour):
    run = read_run(finished)
    one = run.intervals.iloc[:1].assign(start_hour=at, end_hour=at, seconds=7.0)
    np.testing.assert_array_equal(
        seconds_by_hour(run._replace(intervals=one))["supernet"], 7.0 * (np.arange(4) == hour)
    )


def test_reads_what_a_running_search_has_committed_and_only_that(halfway):
    with contextlib.closing(sqlite3.connect(halfway / "run.db")) as writer:
        writer.execute("INSERT INTO scores VALUES (5, 0.5, 0.5, '{}', 2.0)")
        writer.commit()
        writer.execute("INSERT INTO scores VALUES (6, 0.5, 0.5, '{}', 2.0)")
        assert list(read_run(halfway).scores["proposal"]) == [1, 2, 3, 4, 5]
        writer.rollback()


def test_columns_of_nothing_but_null_stay_numbers(finished):
    with contextlib.closing(sqlite3.connect(finished / "run.db")) as writer:
        writer.execute("UPDATE evaluations SET status = 'failed', validation_error = NULL")
        writer.commit()
    run = read_run(finished)
    assert run.evaluations["validation_error"].dtype == np.float64
    assert pareto_front(run).empty


@pytest.mark.parametrize("missing", ["run.db", "config.json"])
def test_a_folder_without_a_run_is_refused(finished, missing):
    (finished / missing).unlink()
    with pytest.raises(InputError, match=f"no {missing}"):
        read_run(finished)


def test_damaged_files_are_named(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    for stale in copy.glob("run.db-*"):
        stale.unlink()
    (copy / "run.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(InputError, match=r"run\.db: cannot be read"):
        read_run(copy)
    (finished / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        read_run(finished)


def test_a_database_of_something_else_is_refused(finished, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"config": {}, "versions": {"jcenas": "0.2.0"}}))
    with contextlib.closing(sqlite3.connect(other / "run.db")) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(InputError, match="no such table"):
        read_run(other)


def test_a_run_of_another_version_is_refused_in_one_line_that_names_it(finished):
    with contextlib.closing(sqlite3.connect(finished / "run.db")) as writer:
        writer.execute("PRAGMA user_version = 0")
    with pytest.raises(
        InputError, match=rf"made by jcenas of version 0\.1\.0 \(tables of version 1; this one reads {SCHEMA_VERSION}\)"
    ):
        read_run(finished)
    (finished / "config.json").write_text("[]")
    with pytest.raises(InputError, match="no JSON object"):
        read_run(finished)


@pytest.mark.parametrize(
    ("unit", "scale", "shown", "expected"),
    [
        ("s", 1e-7, "ms", 2.0),
        ("J", 1e-9, "µJ", 20.0),
        ("s", 1e-3, "s", 20.0),
        ("parameters", 1e-7, "parameters", 0.002),
    ],
)
def test_small_costs_are_shown_in_a_smaller_unit(finished, unit, scale, shown, expected):
    run = read_run(finished)
    evaluations, scores = (frame.assign(cost=frame["cost"] * scale) for frame in (run.evaluations, run.scores))
    meta = {"costs": [{"name": "it", "unit": unit}]}
    run = readable_costs(run._replace(evaluations=evaluations, scores=scores, meta=meta))
    assert run.costs[0].unit == shown
    assert run.evaluations.set_index("proposal").loc[1, "cost"] == pytest.approx(expected)
    assert run.scores.set_index("proposal").loc[1, "cost"] == pytest.approx(expected)


def test_the_front_of_several_costs(with_costs):
    run = readable_costs(read_run(with_costs))
    front = pareto_front(run)
    assert front["proposal"].tolist() == [2, 3, 4, 1]  # 4 is quicker than 3, cheapest in the first cost first
    assert front["cost_2"].tolist() == [1.0, 3.0, 2.0, 4.0]  # ms
    assert [cost.title for cost in run.costs][:2] == ["params", "latency, ms"]
    assert [cost.column for cost in run.costs] == ["cost", "cost_2", "cost_3"][: len(run.costs)]
    if len(run.costs) == 3:
        assert front["cost_3"].tolist() == [2.0, 3.0, 4.0, 1.0]  # uJ
        assert run.costs[2].unit == "µJ"
