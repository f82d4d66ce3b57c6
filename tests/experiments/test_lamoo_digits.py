"""The comparison by hand, and the smoke size."""

import numpy as np
import pandas as pd
import pytest

from experiments import lamoo_digits, recording


def test_comparison_by_hand():
    lamoo = np.array([[1.0, 4.0], [3.0, 6.0]])
    random = np.array([[1.0, 1.0], [1.0, 5.0]])
    rows = lamoo_digits.compare(lamoo, random, (8, 16))
    root2 = 2**0.5
    np.testing.assert_allclose(rows[0][:-1], [8, 2, root2, 1, 0, 1, root2 / root2])
    np.testing.assert_allclose(rows[1][:-1], [16, 5, root2, 3, 2 * root2, 2, 1])
    assert [row[-1] for row in rows] == ["1 of 2", "2 of 2"]  # a draw is not won
    assert len(rows[0]) == len(lamoo_digits.COLUMNS)


def test_hypervolume_is_taken_after_finished_trainings_only():
    class Run:
        evaluations = pd.DataFrame(
            {
                "ordinal": [3, 1, 2],
                "status": ["done", "done", "failed"],
                "validation_error": [0.1, 0.2, np.nan],
                "cost": [1.0, 1.0, 1.0],
                "hypervolume": [0.5, 0.25, 0.25],
            }
        )

    assert lamoo_digits.hypervolumes(Run, (1, 2)) == [0.25, 0.5]
    with pytest.raises(RuntimeError, match="2 trainings, not 3"):
        lamoo_digits.hypervolumes(Run, (3,))


@pytest.mark.slow
def test_smoke(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = lamoo_digits.main(["--smoke"])
    assert [row[0] for row in rows] == [1, 2]
    for count, lamoo, _, random, _, gain, _, won in rows:
        assert 0 <= lamoo <= 1
        assert gain == pytest.approx(lamoo - random), count
        assert won in {"0 of 1", "1 of 1"}
