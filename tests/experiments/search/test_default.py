"""The smoke size runs real searches; the rows are theirs, and nothing is recorded."""

import subprocess
import sys

import pytest

from experiments.lib import recording
from experiments.search import default as benchmark_search


@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    searches, start_up = benchmark_search.main(["--smoke"])
    assert [row[0] for row in searches] == ["cold", "warm"]
    for row in searches:
        figures = dict(zip(benchmark_search.COLUMNS, row, strict=True))
        assert figures["networks trained"] + figures["failed"] == 1
        assert 0 < figures["first training chunk done after, s"] < figures["wall, s"]
        assert 0.1 < figures["peak memory, GB"] < 8
        assert figures["gCO2eq"] > 0
    cold, warm = (row[benchmark_search.COLUMNS.index("first training chunk done after, s")] for row in searches)
    assert warm < cold  # the cache of the first run serves the second
    for row in start_up:
        median, low, high = row[1:4]
        assert 0 < low <= median <= high


def process(code):
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_time_until_training_is_that_of_the_first_progress():
    code = 'import time; print(\'{"event": "log"}\', flush=True); time.sleep(0.3); print(\'{"event": "progress"}\')'
    with process(code) as running:
        began = benchmark_search.time.perf_counter()
        assert benchmark_search.until_training(running, began) >= 0.2


def test_a_search_that_never_trains_is_an_error():
    with process("import sys; sys.exit(2)") as running, pytest.raises(RuntimeError, match="code 2"):
        benchmark_search.until_training(running, 0.0)


def test_quartiles():
    assert benchmark_search.quartiles([4.0, 1.0, 2.0, 3.0, 5.0]) == [3.0, 2.0, 4.0]
