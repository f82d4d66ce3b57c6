import pytest

from experiments.lib import recording
from experiments.networks import streaming


def test_the_verdict_says_by_how_much():
    assert streaming.verdict(-1.24) == "streamed is -1.2 % slower than resident (at most 10 %): met"
    assert streaming.verdict(12.5).endswith("missed by 2.5 points")


@pytest.mark.slow
@pytest.mark.study
def test_the_smoke_size_measures_both_and_records_nothing(monkeypatch, capsys):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    row = streaming.main(["--smoke"])
    assert len(row) == len(streaming.COLUMNS)
    assert row[3] > 0
    assert "streamed is" in capsys.readouterr().out
