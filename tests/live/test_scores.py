"""Training-free scores that are no numbers are said to be none."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from jcenas.live import loop


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((1.0, -math.inf, 3.0), []),  # -inf is the score of what passes nothing on
        ((math.nan, math.inf, 3.0), ["synflow is no number for 2 of 3 architectures; they count as the worst"]),
    ],
)
def test_a_score_that_is_no_number_is_said_to_be_none(values, said):
    heard, kept = [], {}
    search = SimpleNamespace(
        state=SimpleNamespace(
            job=lambda row: row,
            add_scores=lambda scores, hour: kept.update(scores),
            steps=SimpleNamespace(stage=SimpleNamespace(score="synflow")),
        ),
        executor=SimpleNamespace(score_together=lambda jobs, end: dict(zip(jobs, values, strict=True))),
        observer=SimpleNamespace(log=heard.append),
        ledger=SimpleNamespace(clock=[0.0]),
        _scored=lambda rows: np.zeros(len(rows), bool),
    )
    loop.Loop._score_together(search, np.arange(3), np.ones(3, bool), 1.0)
    assert heard == said
    assert list(kept) == [0, 1, 2]
