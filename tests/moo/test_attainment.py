import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.moo import attainment_surface


def test_by_hand():
    runs = np.array([[(1, 3), (3, 1)], [(2, 2), (2, 2)], [(0, 4), (4, 0)]], float)
    # Two of three runs: at x = 1 they reach 3 (first) and 4 (third); from 2 on the first and second reach 2 and 3.
    np.testing.assert_array_equal(attainment_surface(runs), [(1, 4), (2, 3), (3, 2), (4, 1)])
    np.testing.assert_array_equal(attainment_surface(runs, quantile=1.0), [(2, 4), (4, 2)])
    np.testing.assert_array_equal(attainment_surface(runs, quantile=1 / 3), [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)])


def test_masked_and_missing_points_do_not_count():
    runs = np.array([[(0, 0), (2, 2)], [(np.nan, 0), (1, 3)]], float)
    mask = np.array([[False, True], [True, True]])
    np.testing.assert_array_equal(attainment_surface(runs, mask, quantile=1.0), [(2, 3)])
    assert attainment_surface(runs, np.array([[True, True], [False, False]]), quantile=1.0).shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.booleans(), st.integers(0, 2**32 - 1))
def test_against_moocore(r, ties, seed):
    random = np.random.default_rng(seed)
    runs = random.integers(0, 8, (r, 9, 2)).astype(float) if ties else random.random((r, 9, 2))
    for percent in (25, 50, 100):
        expected = moocore.eaf(runs.reshape(-1, 2), np.repeat(np.arange(r), 9), percentiles=[percent])[:, :2]
        got = attainment_surface(runs, quantile=percent / 100)
        np.testing.assert_allclose(got, expected[np.argsort(expected[:, 0])])


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"objectives must have shape \(r, n, 2\).* got \(4, 2\)"):
        attainment_surface(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"mask must have shape \(r, n\): got \(4,\) for objectives \(3, 4, 2\)"):
        attainment_surface(np.zeros((3, 4, 2)), np.ones(4, bool))
    with pytest.raises(ValueError, match="quantile must be in"):
        attainment_surface(np.zeros((3, 4, 2)), quantile=0.0)


def test_minus_infinity_is_a_value_and_plus_infinity_a_failure():
    runs = [[(-np.inf, 1), (0, 0.5)], [(-np.inf, 1), (np.inf, 0)]]
    np.testing.assert_array_equal(attainment_surface(runs, quantile=1.0), [(-np.inf, 1)])
    np.testing.assert_array_equal(attainment_surface(runs), [(-np.inf, 1), (0, 0.5)])
