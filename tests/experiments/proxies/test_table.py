"""The table by hand, and the smoke size."""

import numpy as np
import pytest

from experiments.lib import recording
from experiments.proxies import table as proxies_table
from experiments.proxies.table import Cost, Truth


def test_ranks_by_hand():
    accuracy = np.arange(40.0)
    np.testing.assert_allclose(proxies_table.ranks(2 * accuracy, accuracy), [1, 1, 1, 1])
    turned = accuracy.copy()
    turned[36:] = turned[36:][::-1]  # the best four of forty the wrong way round
    kendall, spearman, top_kendall, top_spearman = proxies_table.ranks(turned, accuracy)
    np.testing.assert_allclose([top_kendall, top_spearman], [-1, -1])
    np.testing.assert_allclose(kendall, 1 - 2 * 6 / 780)  # six of 780 pairs are discordant
    np.testing.assert_allclose(spearman, 1 - 6 * 20 / (40 * (40**2 - 1)))
    assert proxies_table.ranks(np.zeros(40), accuracy) == [None] * 4
    lost = accuracy.copy()
    lost[0] = -np.inf  # a dead cell is the worst
    np.testing.assert_allclose(proxies_table.ranks(lost, accuracy), [1, 1, 1, 1])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_without_a_rank_ends_the_run(wrong):
    scores = np.arange(40.0)
    scores[7] = wrong
    with pytest.raises(ValueError, match=r"1 of 40 scores are NaN or \+inf, the first in row 7"):
        proxies_table.ranks(scores, np.arange(40.0))


def test_carbon_by_hand():
    truth = Truth(np.zeros((40, 6)), np.arange(40.0), np.arange(40), np.arange(0))
    cells = dict(
        zip(proxies_table.COLUMNS, proxies_table.row("x", truth, np.arange(40.0), Cost(2.0, 3.6)), strict=True)
    )
    assert cells["to start, s"] == 2.0
    assert cells["ms per cell"] == 3600
    # 1,000 scores are one hour of 167 W at PUE 1.59 and 400 g/kWh
    assert cells["g per 1,000 scores"] == pytest.approx(0.167 * 1.59 * 400)
    assert cells["Spearman with the published scores"] == "-"  # none were published


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = {row[0]: row for row in proxies_table.main(["--smoke"])}
    assert list(rows) == [
        *("synflow", "parameters", "multiply-adds", "predictor"),
        *("one-shot", "low fidelity", "learning curve", "one-shot, published", "few-shot, published"),
    ]
    assert all(len(row) == len(proxies_table.COLUMNS) for row in rows.values())
    assert rows["synflow"][-1] > 0.8
    assert rows["predictor"][1] > 0.3
    assert rows["one-shot, published"][5] is None
