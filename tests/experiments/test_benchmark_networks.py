"""The smoke size: it measures a candidate and a population, and records nothing."""

import numpy as np
import pytest

from experiments import benchmark_networks, recording


@pytest.mark.slow  # four compilations
@pytest.mark.study
def test_smoke(monkeypatch, capsys):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = benchmark_networks.main(["--smoke"])
    assert [row[0].split(":")[0] for row in rows] == [
        "candidate, as data",
        "candidate, static",
        "4 different cells, one after another",
        "4 different cells, over 4 devices",
    ]
    for row, images in zip(rows, [16, 16, 64, 64], strict=True):
        assert len(row) == len(benchmark_networks.COLUMNS)
        median, q1, q3 = row[2:5]
        assert 0 < q1 <= median <= q3
        np.testing.assert_allclose(row[1], 1e3 * images / median)
    assert len(capsys.readouterr().out.splitlines()) == 4
