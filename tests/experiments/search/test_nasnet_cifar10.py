"""The smoke size: one network trained on CIFAR-10."""

import pytest

from experiments.search import nasnet_cifar10 as study


@pytest.mark.data
@pytest.mark.study
def test_the_smoke_size_trains_one_network():
    (cells,) = study.main(["--smoke"])
    row = dict(zip(study.COLUMNS, cells, strict=True))
    assert row["networks trained"] == 1
    assert row["failed"] == 0
