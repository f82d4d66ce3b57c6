"""The sample of cells: different networks, the same for the same seed, and more of it begins with fewer."""

import numpy as np
import pytest

from jcenas import registry
from jcenas.errors import InputError
from jcenas.live.measure.sample import sample_cells
from jcenas.problems.network import Skeleton
from jcenas.spaces import nasbench101
from jcenas.spaces.nasbench201 import NONE, SKIP, non_isomorphic_cells


def make(name):
    usual = registry.check("problem", name).entry.options
    sizes = {"channels": usual["channels"], "cells": usual["cells"]}
    return registry.load("problem", name)(skeleton=Skeleton(image_size=8, image_channels=1, classes=10, **sizes))


@pytest.mark.parametrize("name", registry.names("problem"))
def test_cells_are_valid_and_fewer_are_the_first_of_more(name):
    problem = make(name)
    cells = sample_cells(problem, 40, seed=1)
    assert cells.dtype == np.int32
    assert problem.has(cells).all()
    assert len({problem.identity(tuple(cell)) for cell in cells.tolist()}) == 40
    np.testing.assert_array_equal(sample_cells(problem, 9, seed=1), cells[:9])
    assert not np.array_equal(sample_cells(problem, 9, seed=2), cells[:9])
    strings = [problem.to_string(tuple(cell)) for cell in cells.tolist()]
    again = [tuple(problem.space.from_string(string)) for string in strings]
    np.testing.assert_array_equal(again, cells)  # nothing is in a genome that the string does not say


def test_isomorphic_cells_are_one():
    problem = make("nasbench201")
    # Node 1 is the input itself, so that the two edges into node 2 may change places; where it is not, they may not.
    assert problem.identity((SKIP, 3, 2, 1, 4, NONE)) == problem.identity((SKIP, 2, 3, 1, 4, NONE))
    assert problem.identity((3, 3, 2, 1, 4, 2)) != problem.identity((3, 2, 3, 1, 4, 2))
    names = {problem.identity(tuple(cell)) for cell in non_isomorphic_cells().tolist()}
    assert len(names) == 6466
    graph, twin = (
        nasbench101.encode(nasbench101.from_string(f"0110000100010000:input,{labels},output"))
        for labels in ("conv3x3-bn-relu,maxpool3x3", "maxpool3x3,conv3x3-bn-relu")
    )
    assert not np.array_equal(graph, twin)
    assert make("nasbench101").identity(tuple(graph)) == make("nasbench101").identity(tuple(twin))


def test_a_space_that_has_no_more_says_how_many_there_are(monkeypatch):
    problem = make("nasbench201")
    kept = problem.space.from_string("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    other = problem.space.from_string("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
    drawn = np.resize(np.array([kept, other]), (256, 6))
    monkeypatch.setattr("jcenas.live.measure.sample._draw", lambda space: lambda key: drawn)
    np.testing.assert_array_equal(sample_cells(problem, 2, seed=0), [kept, other])
    with pytest.raises(InputError, match=r"--cells 3: 2,048 draws after 2 different .* give at most 2"):
        sample_cells(problem, 3, seed=0)
