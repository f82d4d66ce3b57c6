"""A run's folder becomes records with the environment of its own machine."""

import json

import pytest

from experiments.accelerator.importing import import_folder, without_folders
from experiments.accelerator.parts import PARTS
from experiments.lib.write_benchmarks import EXPECTED, render

ENVIRONMENT = {
    "versions": {"python": "3.12.3", "jax": "0.11.2"},
    "platform": "Linux x86_64",
    "cpu": "a processor",
    "cores": 16,
    "devices": ["gpu: a card"],
    "date_utc": "2026-01-01T00:00:00+00:00",
    "load_average_at_start": 0.5,
}
PART = {
    "part": "ppo",
    "environment": ENVIRONMENT,
    "columns": ["what", "steps/s"],
    "expected": "many",
    "notes": ["A note."],
    "rows": [{"what": "8 environments", "steps/s": 157000.0}],
    "missing": [{"what": "2,048 environments", "reason": "OSError: no /opt/somewhere/lib.so"}],
    "running": None,
}


def folder_of(path, **changes):
    entry = {"state": "cut", "reason": "longer", "tail": "", "seconds": 20.0, "rows": 1, "missing": PART["missing"]}
    left_out = entry | {"state": "left out", "rows": 0, "missing": []}
    summary = {"minutes": 9, "smoke": False, "parts": {"ppo": entry, "cifar10": left_out}} | changes
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "ppo.json").write_text(json.dumps(PART))
    return path


def test_records_hold_rows_gaps_and_the_other_machine(tmp_path):
    written = import_folder(folder_of(tmp_path), target=tmp_path / "results")
    assert [path.name for path in written] == ["accelerator_ppo.json"]
    record = json.loads(written[0].read_text())
    assert record["environment"] == ENVIRONMENT
    assert record["rows"] == [["8 environments", 157000.0], ["2,048 environments", None]]
    assert record["notes"][1] == "Not measured: 2,048 environments: OSError: no lib.so."
    assert "cut after 20 s" in record["notes"][2]
    page = render({"accelerator_ppo": record})
    assert "| 2,048 environments | not measured |" in page
    assert "16 cores, Linux x86_64 · devices: 1 × gpu: a card" in page


def test_no_run_and_a_smoke_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no summary\.json"):
        import_folder(tmp_path)
    with pytest.raises(ValueError, match="smoke"):
        import_folder(folder_of(tmp_path, smoke=True))


def test_every_part_has_a_title():
    assert {f"accelerator_{name}" for name in PARTS} == {name for name in EXPECTED if name.startswith("accelerator_")}


def test_paths_lose_their_folders_and_rates_do_not():
    assert without_folders("in /srv/a/b.py, 3 GB/s, https://a.org/b/c") == "in b.py, 3 GB/s, https://a.org/b/c"
