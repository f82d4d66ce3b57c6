import jax.numpy as jnp
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


def test_a_failed_row_is_neither_knee_nor_extreme():
    # Row 0 failed in the first objective and leads the second; row 5 is the other way round.
    points = [(np.nan, 0), (1, 3), (2, 2), (6, 1), (10, 0.5), (0, np.inf)]
    np.testing.assert_array_equal(extremes(points), [1, 4])
    assert knee(points) == knee(points[1:5]) + 1
    assert knee([(2, 1), (-np.inf, 3), (2, 9)]) == 1  # infinitely better in one, and no NaN


def test_lists_and_arrays_are_alike_and_empty_sets_are_named():
    rows = [tuple(map(float, row)) for row in FRONT]
    target = [[0.0, 0.0]]
    assert additive_epsilon(rows, target) == additive_epsilon(FRONT, np.zeros((1, 2)))
    assert igd_plus(rows, target) == igd_plus(FRONT, np.zeros((1, 2)))
    assert additive_epsilon(np.zeros((0, 2)), target) == np.inf
    for function in (extremes, knee):
        with pytest.raises(ValueError, match=r"at least 1 row\(s\): got shape \(0, 2\)"):
            function(np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"at least one row: got \(0, 2\) for objectives \(6, 2\)"):
        igd_plus(FRONT, np.zeros((0, 2)))


def test_infinities_and_integers_have_exact_distances():
    # Against (-inf, 1) the point (-inf, 2) is worse by 1 in the second objective only, and (0, 1) infinitely worse.
    target = [(-np.inf, 1.0)]
    assert igd_plus([(-np.inf, 2.0)], target) == additive_epsilon([(-np.inf, 2.0)], target) == 1
    assert igd_plus([(0.0, 1.0)], target) == additive_epsilon([(0.0, 1.0)], target) == np.inf
    assert igd_plus([(0.0, 1.0), (np.nan, 0.0)], [(0.0, 1.0)]) == 0
    # As float32 the first two are equal: 20,000,000.
    rows = np.array([(20_000_001, 1), (20_000_000, 3), (20_000_004, 0)])
    np.testing.assert_array_equal(extremes(rows), [1, 2])
    assert additive_epsilon(rows[:1], rows[1:2]) == igd_plus(rows[:1], rows[1:2]) == 1
    assert knee(jnp.asarray(rows)) == 0  # normalised sums 7/12, 1, 1
    assert knee(np.array([(-(2**31), 4), (0, 1), (2**31 - 1, 0)])) == 1  # whose differences are no int32
