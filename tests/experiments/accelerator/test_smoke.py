"""The smoke size runs every part on a CPU; what is not there is named, and no record is made."""

import pytest

from experiments.accelerator import __main__ as accelerator
from experiments.accelerator.marked_tests import marked_files
from experiments.accelerator.parts import PARTS
from experiments.accelerator.table import LABEL, read
from experiments.lib import recording

PEER = "there is no torch in this Python"


@pytest.mark.slow  # ten processes, most of them compile
@pytest.mark.study
def test_every_part_measures_something(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    summary = accelerator.main(["--smoke", "--out", str(tmp_path), "--minutes", "20"])
    for name, entry in summary["parts"].items():
        if name in ("simulator", "cifar10") and entry["state"] == "left out":
            assert "JCENAS_DATA" in entry["reason"]
            continue
        assert entry["state"] == "done", entry
        assert entry["rows"] > 0
        assert all(PEER in missing["reason"] for missing in entry["missing"])
        content = read(tmp_path / f"{name}.json")
        assert content["environment"]["devices"]
        assert all(set(row) <= set(content["columns"]) for row in content["rows"])
    assert list(summary["parts"]) == list(PARTS)
    assert {row["outcome"] for row in read(tmp_path / "tests.json")["rows"]} == {"passed"}
    cell = read(tmp_path / "networks.json")["rows"][0]
    assert cell[LABEL] == "candidate, static, bf16, batch 8"
    assert cell["images/s"] == pytest.approx(8e3 / cell["ms a step"])


def test_marked_tests_are_found_by_their_files():
    assert "tests/moo/test_hypervolume.py" in marked_files()
    assert 5 <= len(marked_files()) < 15
