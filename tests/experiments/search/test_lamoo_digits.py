"""The comparison by hand, and the smoke size."""

import numpy as np
import pandas as pd
import pytest

from experiments.lib import recording
from experiments.search import lamoo_digits
from jcenas.report.run import costs_of


def test_comparison_by_hand():
    lamoo = np.array([[1.0, 4.0], [3.0, 6.0]])
    random = np.array([[1.0, 1.0], [1.0, 5.0]])
    rows = lamoo_digits.compare(0.1, lamoo, random, (8, 16))
    root2 = 2**0.5
    np.testing.assert_allclose(rows[0][:-1], [0.1, 8, 2, root2, 1, 0, 1, root2 / root2])
    np.testing.assert_allclose(rows[1][:-1], [0.1, 16, 5, root2, 3, 2 * root2, 2, 1])
    assert [row[-1] for row in rows] == ["1 of 2", "2 of 2"]  # a draw is not won
    assert len(rows[0]) == len(lamoo_digits.COLUMNS)


def test_hypervolume_by_hand_of_finished_trainings_only():
    class Run:
        meta = {"reference": [1.0, 10.0]}  # noqa: RUF012
        costs = costs_of(meta)
        evaluations = pd.DataFrame(
            {
                "ordinal": [3, 1, 2],
                "status": ["done", "done", "failed"],
                "validation_error": [0.02, 0.05, np.nan],
                "cost": [8.0, 4.0, 1.0],
            }
        )

    # At reference 0.1: (0.5, 0.4) dominates 0.5 * 0.6; then (0.2, 0.8) adds 0.3 * 0.2.
    np.testing.assert_allclose(lamoo_digits.hypervolumes(Run, (1, 2), 0.1), [0.3, 0.36], rtol=1e-6)
    np.testing.assert_allclose(lamoo_digits.hypervolumes(Run, (1, 2), 1.0), [0.57, 0.576], rtol=1e-6)
    with pytest.raises(RuntimeError, match="2 trainings, not 3"):
        lamoo_digits.hypervolumes(Run, (3,), 0.1)


@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = lamoo_digits.main(["--smoke"])
    assert [row[:2] for row in rows] == [[0.1, 1], [0.1, 2], [1.0, 1], [1.0, 2]]
    for _, count, lamoo, _, random, _, gain, _, won in rows:
        assert 0 <= lamoo <= 1
        assert gain == pytest.approx(lamoo - random, abs=1e-6), count
        assert won in {"0 of 1", "1 of 1"}
