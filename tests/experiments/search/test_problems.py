"""The verdict by hand, and rows of problems that were not run again."""

import pytest

from experiments.lib import recording
from experiments.search import problems as study


def row(problem, wall_s=100.0, trained=20, failed=0):
    cells = {"problem": problem, "wall, s": wall_s, "networks trained": trained, "failed": failed}
    return [cells.get(column, 1.0) for column in study.COLUMNS]


def test_a_verdict_names_what_is_missed():
    assert study.verdict([row("darts"), row("nasnet")]).endswith(": met")
    said = study.verdict([row("darts", wall_s=312.4), row("nasnet", trained=15), row("mobilenet", failed=2)])
    assert said.endswith("missed: darts by 12 s, nasnet trained 15, mobilenet failed 2")


def test_rows_of_other_problems_stay_with_their_origin(monkeypatch, tmp_path):
    recorded = {}
    old = {"rows": [row("darts"), row("nasnet")], "environment": {"date_utc": "2026-01-02T03:04:05+00:00"}}
    monkeypatch.setattr(recording, "load", lambda: {study.NAME: old})
    monkeypatch.setattr(recording, "record", lambda name, **given: recorded.update(given))
    monkeypatch.setattr(study, "cold", lambda problem, flags: row(problem, wall_s=50.0))
    study.main(["--problems", "nasnet"])
    assert [(cells[0], cells[1]) for cells in recorded["rows"]] == [("nasnet", 50.0), ("darts", 100.0)]
    assert recorded["older"][0] is None
    assert recorded["older"][1]["date_utc"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.study
def test_the_smoke_size_searches_a_problem():
    ((name, wall_s, *_),) = study.main(["--smoke", "--problems", "mobilenet"])
    assert name == "mobilenet"
    assert wall_s > 0
