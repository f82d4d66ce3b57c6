"""The smoke size: it measures, compiles once, and records nothing."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lib import recording
from experiments.networks import training_speed as benchmark_training


@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch, capsys):
    compilations = []
    compile_timed = recording.compile_timed
    monkeypatch.setattr(recording, "compile_timed", lambda *args: compilations.append(1) or compile_timed(*args))
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = benchmark_training.main(["--smoke"])
    assert len(compilations) == 1
    assert [row[1] for row in rows] == [*benchmark_training.CELLS, "supernet, one uniform path a step"]
    for row in rows:
        assert len(row) == len(benchmark_training.COLUMNS)
        median, slow, fast, step_ms = row[2:6]
        assert 0 < slow <= median <= fast
        np.testing.assert_allclose(step_ms, 1e3 * benchmark_training.SMOKE[0].batch_size / median)
    assert rows[0][7] > 0
    assert rows[1][6:] == ["the same", "the same"]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_is_timed_that_does_not_train():
    class State(NamedTuple):
        params: np.ndarray = np.ones(3, np.float32)

    def frozen(state, paths, data):
        return state, jnp.float32(1)

    def diverged(state, paths, data):
        return state, jnp.float32(np.nan)

    with pytest.raises(RuntimeError, match="changed no weight"):
        benchmark_training._check(frozen, State, None, None)
    with pytest.raises(RuntimeError, match="loss is nan"):
        benchmark_training._check(diverged, State, None, None)
