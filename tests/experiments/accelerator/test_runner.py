"""Limits end a part or a row and keep what was measured; whatever is left out, failed or cut is named."""

import json
import os
import pathlib
import time

import pytest

from experiments.accelerator import runner
from experiments.accelerator.runner import Part
from experiments.accelerator.table import Table, read

HEAD = """
import os, subprocess, sys, time
COLUMNS, EXPECTED, NOTES = ("ms",), "at most 1 ms", ("quiet",)
"""
GOOD = "def measure(table, *, smoke): table.row('a', lambda: {'ms': 1.5 if smoke else 2.5}, limit_s=60)"
SLOW = """
def measure(table, *, smoke):
    table.row("a", lambda: {"ms": os.getpid()}, limit_s=60)
    table.row("b", lambda: time.sleep(600), limit_s=LIMIT)
    table.row("c", lambda: {"ms": os.getpid()}, limit_s=60)
"""
FAILING = """
def measure(table, *, smoke):
    table.row("a", lambda: {"ms": 1}, limit_s=60)
    raise OSError("the device is gone")
"""
FAILING_ROWS = """
def measure(table, *, smoke):
    table.row("nan", lambda: {"ms": float("nan")}, limit_s=60)
    table.row("raises", lambda: {"ms": 1 / 0}, limit_s=60)
    table.row("unknown", lambda: {"s": 1}, limit_s=60)
    table.row("dies", lambda: os._exit(9), limit_s=60)
    table.row("good", lambda: {"ms": 1}, limit_s=60)
"""
PARENT = """
def measure(table, *, smoke):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    table.row("child", lambda: {"ms": child.pid}, limit_s=60)
    time.sleep(600)
"""


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Makes parts of sources; they start at once."""
    monkeypatch.setattr(runner, "START_S", 0.5)
    monkeypatch.setattr(runner, "RESERVE_S", 0.0)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(seconds=60.0, **sources):
        for name, source in sources.items():
            (tmp_path / f"part_{name}.py").write_text(HEAD + source)
        return {name: Part(f"part_{name}", seconds) for name in sources}

    return make


def states(summary):
    return {name: entry["state"] for name, entry in summary["parts"].items()}


def test_rows_summary_and_what_is_printed(parts, tmp_path, capsys):
    summary = runner.run(parts(one=GOOD), tmp_path / "out", minutes=1, smoke=True, command="this")
    assert states(summary) == {"one": "done"}
    content = read(tmp_path / "out" / "one.json")
    assert content["rows"] == [{"what": "a", "ms": 1.5}]
    assert (content["columns"], content["expected"], content["notes"]) == (["what", "ms"], "at most 1 ms", ["quiet"])
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert capsys.readouterr().out.startswith("one: done; 1 rows")


def test_a_failing_part_does_not_stop_the_others(parts, tmp_path):
    summary = runner.run(parts(bad=FAILING, one=GOOD), tmp_path / "out", minutes=1)
    assert states(summary) == {"bad": "failed", "one": "done"}
    assert summary["parts"]["bad"]["rows"] == 1
    assert summary["parts"]["bad"]["tail"].endswith("OSError: the device is gone")


def test_failing_rows_are_named_and_stop_no_other(parts, tmp_path):
    summary = runner.run(parts(bad=FAILING_ROWS), tmp_path / "out", minutes=1)
    entry = summary["parts"]["bad"]
    assert (entry["state"], entry["rows"]) == ("done", 1)
    reasons = {missing["what"]: missing["reason"] for missing in entry["missing"]}
    assert list(reasons) == ["nan", "raises", "unknown", "dies"]
    assert "nan" in reasons["nan"]
    assert reasons["raises"] == "ZeroDivisionError: division by zero"
    assert "no columns ['s']" in reasons["unknown"]
    assert reasons["dies"] == "the process ended with code 9"


def test_a_row_longer_than_its_limit_is_given_up_and_the_part_goes_on_behind_it(parts, tmp_path):
    summary = runner.run(parts(slow=SLOW.replace("LIMIT", "0.3")), tmp_path / "out", minutes=1)
    entry = summary["parts"]["slow"]
    assert (entry["state"], entry["rows"]) == ("done", 2)
    assert entry["missing"] == [{"what": "b", "reason": "longer than 0 s"}]
    first, second = read(tmp_path / "out" / "slow.json")["rows"]
    assert first["ms"] != second["ms"]  # another process


def test_the_minutes_hold_and_what_has_no_time_is_left_out(parts, tmp_path):
    began = time.monotonic()
    summary = runner.run(parts(1.0, slow=SLOW.replace("LIMIT", "600"), one=GOOD), tmp_path / "out", minutes=5 / 60)
    assert time.monotonic() - began < 7
    assert states(summary)["slow"] == "cut"
    assert summary["parts"]["slow"]["missing"][-1] == {"what": "b", "reason": "the part's time was up"}
    summary = runner.run(parts(one=GOOD), tmp_path / "out", minutes=0)
    assert states(summary) == {"one": "left out"}
    assert "0 s were left of 0 minutes" in summary["parts"]["one"]["reason"]
    assert read(tmp_path / "out" / "one.json") is None  # nothing of an earlier run


def test_a_part_gets_what_the_later_ones_leave(parts, tmp_path, monkeypatch):
    given = []

    def instead(part, path, end, smoke):
        given.append(end - time.monotonic())
        return runner.Outcome("done")

    monkeypatch.setattr(runner, "_run_part", instead)
    runner.run(parts(20.0, one=GOOD, two=GOOD, three=GOOD), tmp_path / "out", minutes=2)
    assert given == pytest.approx([80, 100, 120], abs=1)
    given.clear()
    runner.run(parts(50.0, one=GOOD, two=GOOD, three=GOOD), tmp_path / "out", minutes=2)
    assert given == pytest.approx([50, 70, 120], abs=1)


def test_a_part_without_its_data_is_left_out(parts, tmp_path, monkeypatch):
    needing = {"one": parts(one=GOOD)["one"]._replace(files=("images/a.npz",))}
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path))
    summary = runner.run(needing, tmp_path / "out", minutes=1)
    assert (states(summary)["one"], summary["parts"]["one"]["reason"]) == (
        "left out",
        "JCENAS_DATA has no images/a.npz",
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.npz").touch()
    assert states(runner.run(needing, tmp_path / "out", minutes=1)) == {"one": "done"}


def test_what_a_part_started_ends_with_it(parts, tmp_path):
    runner.run(parts(2.0, parent=PARENT), tmp_path / "out", minutes=4 / 60)
    pid = read(tmp_path / "out" / "parent.json")["rows"][0]["ms"]
    for _ in range(50):
        if not alive(pid):
            return
        time.sleep(0.1)
    pytest.fail("the child of a part outlived it")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = pathlib.Path(f"/proc/{pid}/stat")  # a zombie is dead, if nobody has looked
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_a_table_goes_on_where_it_was(tmp_path):
    table = Table(tmp_path / "part.json")
    table.describe(("ms",))
    table.row("a", lambda: {"ms": 1}, limit_s=1)
    again = Table(tmp_path / "part.json")
    assert again.row("a", lambda: pytest.fail("measured again"), limit_s=1) == {"what": "a", "ms": 1}
