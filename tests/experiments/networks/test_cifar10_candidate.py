"""The candidates' sizes as published, the merged training images, and the smoke size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lib import recording
from experiments.networks import cifar10_candidate
from jcenas.train.images import ImageSet, Split


def test_sizes_of_the_full_run():
    cell, network = cifar10_candidate.candidates(cifar10_candidate.FULL, 10, 32)
    assert cell.parameters == 1_073_466  # the benchmark's own count
    assert cell.cells == 15
    assert cell.genome.tolist() == [3, 3, 3, 1, 3, 2]
    shapes = jax.eval_shape(network.network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == network.parameters


def test_validation_images_train_and_test_images_do_not():
    def part(first, n):
        labels = jnp.arange(first, first + n, dtype=jnp.int32)
        return Split(jnp.tile(labels.astype(jnp.uint8)[:, None, None, None], (1, 2, 2, 1)), labels)

    data = ImageSet(
        train=part(0, 5), validation=part(5, 2), test=part(7, 3), mean=jnp.zeros(1), deviation=jnp.ones(1),
        classes=10, flip=False,
    )  # fmt: skip
    merged = cifar10_candidate.whole(data)
    assert merged.train.labels.tolist() == list(range(7))
    np.testing.assert_array_equal(merged.train.images[:, 1, 1, 0], np.arange(7))
    assert merged.test.labels.tolist() == [7, 8, 9]


@pytest.mark.slow
@pytest.mark.study
def test_smoke(monkeypatch, capsys):
    monkeypatch.setattr(recording, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    rows = cifar10_candidate.main(["--smoke"])
    assert [row[0][:11] for row in rows] == ["NAS-Bench-2", "two blocks"]
    for row in rows:
        assert len(row) == len(cifar10_candidate.COLUMNS)
        assert row[6] > 20  # one epoch on digits; guessing gives 10 %
        assert 0 < row[7] < 3
        assert row[8] > 0
    assert len(capsys.readouterr().out.splitlines()) == 2
