"""The page against a text written by hand."""

import json

from experiments.lib import code_used, recording, write_benchmarks

RESULT = {
    "name": "hypervolume",
    "title": "Hypervolume",
    "command": "python -m experiments.hypervolume",
    "expected": "exact",
    "columns": ["front", "n", "ms", "exact"],
    "rows": [["2-D | sphere", 10000, 1.23456, True], ["3-D", 50, None, False], ["4-D", 50, "-", True]],
    "notes": ["medians of 10"],
    "environment": {
        "versions": {"python": "3.11.7", "jax": "0.10.2", "flax": None},
        "platform": "Linux x86_64",
        "cpu": "Some CPU",
        "cores": 2,
        "devices": ["cpu: cpu", "cpu: cpu"],
        "date_utc": "2026-11-21T10:00:00+00:00",
        "load_average_at_start": 0.1,
    },
}
HYPERVOLUME = """## Hypervolume

Expected: exact

    python -m experiments.hypervolume

| front | n | ms | exact |
| --- | ---: | ---: | ---: |
| 2-D \\| sphere | 10,000 | 1.235 | yes |
| 3-D | 50 | not measured | no |
| 4-D | 50 | - | yes |

- medians of 10

<sub>python 3.11.7, jax 0.10.2 · Some CPU, 2 cores, Linux x86_64 · devices: 2 × cpu: cpu · \
2026-11-21T10:00:00+00:00 · load average at start 0.1</sub>
"""


def test_page_by_hand(tmp_path):
    (tmp_path / "hypervolume.json").write_text(json.dumps(RESULT))
    (tmp_path / "extra.json").write_text(json.dumps(RESULT | {"name": "extra", "title": "Extra", "rows": []}))
    page = write_benchmarks.write(tmp_path, tmp_path / "PAGE.md").read_text()
    assert page.startswith(write_benchmarks.HEAD)
    assert HYPERVOLUME in page
    assert "## Start-up time\n\nnot measured\n" in page
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert headings == [*write_benchmarks.EXPECTED.values(), "Extra"]
    extra = page[page.index("## Extra") :]
    assert "not measured" in extra
    assert "|" not in extra


def test_cells():
    text = write_benchmarks.cell_text
    assert [text(cell) for cell in (1234567, 1234.5, 0.000123456, 12.3456, None, "a\nb")] == [
        "1,234,567",
        "1,234",
        "0.0001235",
        "12.35",
        "not measured",
        "a b",
    ]
    assert text(0) == "0"


def test_the_page_in_the_repository_is_current():
    # But for what it says of older code, which changes with the code.
    page, rendered = write_benchmarks.TARGET.read_text(), write_benchmarks.render(write_benchmarks.load())
    assert write_benchmarks.unmarked(page) == write_benchmarks.unmarked(rendered)


def test_what_was_recorded_with_other_code_is_marked():
    made = code_used.used()
    fresh = RESULT | {"commit": "aaa", "code": made}
    plain = write_benchmarks.render({"hypervolume": fresh})
    assert "†" not in plain
    assert "· commit aaa</sub>" in plain
    stale = made | {"digest": "0" * 16}
    row = {"date_utc": "2026-11-20T10:00:00+00:00", "commit": "bbb", "code": stale}
    some = write_benchmarks.render({"hypervolume": fresh | {"older": [None, row, row | {"code": made}]}})
    assert "| 3-D † | 50 | not measured | no |\n| 4-D | 50 | - | yes |" in some
    assert "- medians of 10\n- Recorded with older code: † on 2026-11-20, of commit bbb.\n\n<sub>" in some
    whole = write_benchmarks.render({"hypervolume": fresh | {"code": stale, "notes": []}})
    assert "\n\n- Recorded with older code than what it uses now: of commit aaa.\n\n<sub>" in whole
    assert write_benchmarks.unmarked(some) == plain
    assert write_benchmarks.unmarked(whole) == write_benchmarks.render({"hypervolume": fresh | {"notes": []}})


def test_recording_renders_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(write_benchmarks, "RESULTS", tmp_path)
    monkeypatch.setattr(write_benchmarks, "TARGET", tmp_path / "PAGE.md")
    recording.record("start_up", title="Start", command="c", columns=["s"], rows=[[2.5]], devices=["cpu"])
    page = (tmp_path / "PAGE.md").read_text()
    assert "## Start\n\n    c\n\n| s |\n| ---: |\n| 2.5 |\n" in page
