"""The study of the engine's own cost."""

import pytest

from experiments.search import engine_speed


def test_the_verdict_by_hand():
    row = ["lamoo", "none", "evaluate-all", 64, 10_000, 20.0, 100.0, 10.0]
    assert engine_speed.verdict([row]) == "at most 20 ms an evaluation and 300 s: met (10.0 ms, 120 s)"
    slow = [*row[:5], 20.0, 400.0, 40.0]
    assert "missed by 2.00 times (40.0 ms, 420 s)" in engine_speed.verdict([row, slow])


@pytest.mark.study
def test_smoke():
    (row,) = engine_speed.main(["--smoke"])
    assert row[4] >= 60
