"""A report that cannot be made never hides what a search found."""

import jcenas.report
from jcenas.cli.search import _report


def test_a_refusal_is_one_line(tmp_path, capsys):
    assert _report(tmp_path) is None
    said = capsys.readouterr().err
    assert said.startswith(f"jcenas: no report: {tmp_path}: no run.db there")
    assert said.count("\n") == 1


def test_a_fault_is_one_line_with_the_remedy(tmp_path, capsys, monkeypatch):
    def fail(folder):
        raise RuntimeError("font cache\nis gone")

    monkeypatch.setattr(jcenas.report, "write_report", fail)
    assert _report(tmp_path) is None
    expected = f"jcenas: no report (RuntimeError: font cache); make it again with: jcenas report {tmp_path}\n"
    assert capsys.readouterr().err == expected
