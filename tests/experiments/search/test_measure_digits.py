"""The measured table's script: what it makes of the trainings, and the smallest table."""

import pathlib

import numpy as np
import pytest

from experiments.search import measure_digits
from jcenas.live.measure.run import Measured
from jcenas.tables import digits


def test_right_answers_are_those_of_the_errors():
    config = measure_digits.config_of(pathlib.Path("folder"), smoke=True)
    names = ("validation_error_1", "test_error_1", "validation_error", "test_error")
    rows = [
        {"genome": "0 1 2 3 4 0", "seed": str(seed), **dict(zip(names, errors, strict=True))}
        for seed, errors in ((1, ("50", "25.0", "0", "100")), (0, ("33.3333333", "66.6666667", "8.33333333", "0.25")))
    ]
    done = Measured(pathlib.Path("cells.csv"), cells=1, wanted=1, rows=tuple(rows), failed=0)
    found = measure_digits.right_answers(done, config, [12, 400])
    assert {genome: right.tolist() for genome, right in found.items()} == {
        (0, 1, 2, 3, 4, 0): [[[8, 133], [11, 399]], [[6, 300], [12, 0]]]
    }


@pytest.mark.study
def test_the_smallest_table(tmp_path):
    file = measure_digits.main(["--smoke", "--work", str(tmp_path)])
    with np.load(file) as stored:
        assert stored["right"].shape == (4, 2, 2, 2)
        assert (stored["right"] <= stored["images"]).all()
        assert (stored["seconds"] > 0).all()
    before = file.read_bytes()
    assert measure_digits.main(["--smoke", "--work", str(tmp_path)]).read_bytes() == before  # nothing is done twice
    assert digits.digits_frame(file).shape[0] == 4
