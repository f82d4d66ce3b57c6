"""The measured table's script: what a stop leaves behind, and the smallest table."""

import numpy as np
import pytest

from experiments.search import measure_digits
from jcenas.tables import digits


def test_a_line_that_a_stop_cut_is_done_again(tmp_path):
    file = tmp_path / "cells-0-1.jsonl"
    file.write_text('{"genome": [0], "right": 1}\n{"genome": [1], "ri')
    assert measure_digits.finished(tmp_path) == [{"genome": [0], "right": 1}]
    assert measure_digits.whole_lines(tmp_path / "none.jsonl") == []


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
