"""The front kept evaluation by evaluation is the front of all of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.live.front import Front
from jcenas.moo import non_dominated


def test_by_hand():
    front = Front(2)
    assert front.add(7, (0.5, 10.0))
    assert not front.add(8, (0.5, 11.0))  # as good and dearer
    assert front.add(9, (0.5, 10.0))  # equal ones stay side by side
    assert front.add(2, (0.4, 12.0))
    assert front.rows == [7, 9, 2]
    assert not front.add(3, (np.nan, 1.0))
    assert not front.add(4, (0.1, np.inf))
    assert front.add(5, (0.4, 10.0))  # better than all three
    assert front.rows == [5]
    np.testing.assert_array_equal(front.objectives, [[0.4, 10.0]])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_after_each_of_many_it_is_the_front_of_all(objectives):
    points = np.random.default_rng(0).integers(0, 12, (150, objectives)).astype(float)
    front = Front(objectives)
    for row, point in enumerate(points):
        on = front.add(row, point)
        seen = np.where(np.arange(len(points))[:, None] <= row, points, np.inf)
        expected = np.flatnonzero(np.asarray(non_dominated(jnp.asarray(seen), jnp.arange(len(points)) <= row)))
        assert front.rows == expected.tolist()
        assert on == (row in front.rows)
