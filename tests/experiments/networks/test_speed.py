"""The smoke size: it measures candidates, supernets and a population, and records nothing."""

import numpy as np
import pytest

from experiments.lib import recording
from experiments.networks import speed as benchmark_networks


@pytest.mark.slow  # ten programs, compiled twice
@pytest.mark.study
def test_smoke(monkeypatch, capsys):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = benchmark_networks.main(["--smoke"])
    assert [row[0].split(":")[0] for row in rows] == [
        "candidate, as data",
        "supernet, a uniform path every step",
        "candidate, static",
        "candidate, as data, bfloat16",
        "supernet, all operations mixed",
        "DARTS supernet, all operations mixed",
        "DARTS supernet, a uniform path every step",
        "4 different cells, one after another",
        "4 different cells, within a device, all in every operation",
        "4 different cells, over 4 devices",
        "4 different cells, over 4 devices, all of one in every operation",
    ]
    for row, images in zip(rows, [16] * 7 + [64] * 4, strict=True):
        assert len(row) == len(benchmark_networks.COLUMNS)
        median, q1, q3 = row[2:5]
        assert 0 < q1 <= median <= q3
        np.testing.assert_allclose(row[1], 1e3 * images / median)
    assert len(capsys.readouterr().out.splitlines()) == 11
