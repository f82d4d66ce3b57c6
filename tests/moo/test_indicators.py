import moocore
import numpy as np
import pytest

from jcenas.moo import additive_epsilon, extremes, igd_plus, knee

FRONT = np.array([(0, 10), (1, 3), (2, 2), (6, 1), (10, 0), (9, 9)], np.float32)


def test_knee_and_extremes_by_hand():
    # Normalised sums over the front: 1, 0.4, 0.4, 0.7, 1: of the equal rows 1 and 2 the earlier one.
    assert knee(FRONT) == 1
    assert knee(FRONT, np.array([1, 0, 1, 1, 1, 1], bool)) == 2
    np.testing.assert_array_equal(extremes(FRONT), [0, 4])
    assert knee(np.array([[3.0, 4.0]])) == 0


def test_epsilon_by_hand():
    points = np.array([(1, 3), (3, 1)], np.float32)
    target = np.array([(0, 2.5), (3, 0.5)], np.float32)
    np.testing.assert_allclose(additive_epsilon(points, target), 1.0)
    assert np.isinf(additive_epsilon(points, target, np.zeros(2, bool)))


@pytest.mark.parametrize("seed", range(5))
def test_against_moocore(seed):
    random = np.random.default_rng(seed)
    points, target = random.random((12, 3)), random.random((9, 3)) / 2
    np.testing.assert_allclose(
        additive_epsilon(points, target), moocore.epsilon_additive(points, ref=target), rtol=1e-5
    )
    np.testing.assert_allclose(igd_plus(points, target), moocore.igd_plus(points, ref=target), rtol=1e-5)
