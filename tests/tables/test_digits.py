"""Our own measured table: columns by hand from a small file, and what the one that ships must hold."""

import json

import numpy as np
import pytest

from jcenas.spaces import nasbench201
from jcenas.tables import digits, load_table


def test_columns_by_hand(tmp_path):
    np.savez(
        tmp_path / "t.npz",
        genomes=np.array([[0, 0, 0, 0, 0, 1], [3, 0, 0, 0, 0, 0]], np.uint8),
        # Two seeds; after the short and the whole budget; on 10 validation and 20 test images.
        right=np.array([[[[4, 8], [9, 18]], [[6, 8], [7, 14]]], [[[1, 2], [1, 2]], [[1, 2], [1, 2]]]], np.uint16),
        seconds=np.array([1.5, 2.0], np.float32),
        log_synflow=np.array([np.log(3), -np.inf], np.float32),
        oneshot_right=np.array([5, 0], np.uint16),
        images=np.array([10, 20], np.uint16),
    )
    frame = digits.digits_frame(tmp_path / "t.npz")
    assert list(frame["ops"]) == ["000001", "300000"]
    np.testing.assert_allclose(frame["error"], [20, 90])
    np.testing.assert_allclose(frame["validation_error"], [20, 90])
    np.testing.assert_allclose(frame["short_error"], [50, 90])
    np.testing.assert_allclose(frame["oneshot_error"], [50, 100])
    np.testing.assert_allclose(frame["train_seconds"], [5400, 7200])
    np.testing.assert_allclose(frame["log_synflow"], [np.log(4), 0], rtol=1e-6)
    np.testing.assert_allclose(frame["noise"], [np.sqrt(200), 0], atol=1e-9)  # 10 and 30 %: variance 200


def test_noise_is_pooled_over_cells_of_like_error():
    errors = np.array([[9, 11], [50, 54], [10, 10], [51, 51.0]])
    np.testing.assert_allclose(digits.pooled_noise(errors, groups=2), np.sqrt([1, 4, 1, 4]))


@pytest.fixture(scope="module")
def table():
    return load_table("digits")


def test_the_shipped_table_is_a_sample_of_cells_that_differ(table):
    assert digits.FILE.stat().st_size <= 2e6
    assert table.size >= 2000
    assert not table.incomplete
    names = {nasbench201.isomorphism_class(genome) for genome in np.asarray(table.genomes)}
    assert len(names) == table.size
    told = digits.provenance()
    assert {"command", "date", "cells", "versions", "recipe"} <= set(told)
    assert json.dumps(told)
    assert dict(table.notes).keys() == table.columns.keys()


def test_the_shipped_table_is_plausible(table):
    columns = {name: np.asarray(values) for name, values in table.columns.items()}
    live = np.asarray(nasbench201.connected(table.genomes))
    assert columns["error"].min() < 3
    assert columns["error"].max() <= 100
    assert columns["error"][~live].min() > 80  # no path from input to output: chance
    for estimate, least in (("validation_error", 0.5), ("short_error", 0.3), ("oneshot_error", 0.15)):
        ranks = [np.argsort(np.argsort(columns[name][live])) for name in (estimate, "error")]
        assert np.corrcoef(*ranks)[0, 1] > least, estimate
    assert columns["log_synflow"][~live].max() == 0 < columns["log_synflow"][live].min()
    assert np.corrcoef(columns["seconds"], columns["flops"])[0, 1] > 0.5
