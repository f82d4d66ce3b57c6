import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.moo import crowding_distance, dominance_number, dominates, non_dominated, ranks

POINTS = np.array([[1, 4], [2, 2], [4, 1], [3, 3], [2, 2], [5, 5], [np.inf, 0]], np.float32)


def test_dominance_number_by_hand():
    # (3,3) falls to both copies of (2,2); (5,5) to all but the infinite row; copies do not dominate each other.
    np.testing.assert_array_equal(dominance_number(POINTS), [0, 0, 0, 2, 0, 5, 0])
    np.testing.assert_array_equal(ranks(POINTS), [0, 0, 0, 1, 0, 2, 0])


def test_mask_and_nan_rows():
    points = np.array([[0, 0], [1, 1], [np.nan, -1], [2, 2]], np.float32)
    mask = np.array([False, True, True, True])
    np.testing.assert_array_equal(dominance_number(points, mask), [4, 0, 0, 1])  # NaN counts as inf: (inf, -1)
    np.testing.assert_array_equal(non_dominated(points, mask), [False, True, True, False])
    np.testing.assert_array_equal(ranks(points, mask), [4, 0, 0, 1])


def test_dominates_needs_one_smaller():
    assert not dominates(jnp.array([1.0, 2.0]), jnp.array([1.0, 2.0]))
    assert dominates(jnp.array([1.0, 1.0]), jnp.array([1.0, 2.0]))
    assert not dominates(jnp.array([1.0, 3.0]), jnp.array([1.0, 2.0]))


def test_crowding_by_hand():
    points = np.array([[0, 10], [1, 6], [4, 4], [10, 0], [11, 11]], np.float32)
    fronts = ranks(points)
    # Second: (4-0)/10 + (10-4)/10; third: (10-1)/10 + (6-0)/10.
    np.testing.assert_allclose(crowding_distance(points, front=fronts), [np.inf, 1.0, 1.5, np.inf, 0.0])


def test_crowding_with_a_constant_objective_is_not_nan():
    distance = crowding_distance(np.array([[1, 1], [1, 2], [1, 3]], np.float32))
    np.testing.assert_allclose(distance, [np.inf, 1.0, np.inf])


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.int32, (24, 3), elements=st.integers(0, 5)), hnp.arrays(bool, 24))
def test_against_moocore(values, mask):
    points = values.astype(np.float32)
    got = np.asarray(non_dominated(points, mask))
    expected = np.zeros(24, bool)
    if mask.any():
        expected[mask] = moocore.is_nondominated(points[mask].astype(float), keep_weakly=True)
        expected_ranks = np.full(24, 24)
        expected_ranks[mask] = moocore.pareto_rank(points[mask].astype(float))
        np.testing.assert_array_equal(ranks(points, mask), expected_ranks)
    np.testing.assert_array_equal(got, expected)


def test_long_populations_agree_with_numpy():
    points = np.random.default_rng(0).integers(0, 100, (1100, 3)).astype(np.float32)
    le = (points[:, None] <= points[None]).all(-1) & (points[:, None] < points[None]).any(-1)
    np.testing.assert_array_equal(jax.jit(dominance_number)(points), le.sum(0))


@pytest.mark.parametrize("function", [dominance_number, non_dominated, ranks, crowding_distance])
def test_wrong_shapes_are_named(function):
    with pytest.raises(ValueError, match=r"objectives must have shape \(n, m\), got \(3,\)"):
        function(jnp.zeros(3))
    with pytest.raises(ValueError, match=r"mask .* got \(2,\) for objectives \(3, 2\)"):
        function(jnp.zeros((3, 2)), jnp.ones(2, bool))


def test_integers_compare_exactly():
    rows = np.array([[20_000_001, 0], [20_000_000, 0]])  # equal as float32
    np.testing.assert_array_equal(dominance_number(rows), [1, 0])
    np.testing.assert_array_equal(non_dominated(jnp.asarray(rows)), [False, True])
    np.testing.assert_array_equal(ranks(rows.tolist(), [True, True]), [1, 0])
    assert dominates(rows[1], rows[0])
    with jax.enable_x64(True):
        assert crowding_distance(rows).dtype == jnp.float64
    # As float32 the first two are equal; the neighbours of the first are 4 / 4 and 3 / 3 apart.
    spread = crowding_distance(np.array([[20_000_001, 1], [20_000_000, 3], [20_000_004, 0]]))
    np.testing.assert_array_equal(spread, [2, np.inf, np.inf])
    wide = dominance_number(np.array([[5 * 10**9, 0], [1, 0]]))  # would wrap round in 32 bits
    np.testing.assert_array_equal(wide, [1, 0])
    many = np.random.default_rng(0).integers(0, 50, (700, 2))
    expected = moocore.is_nondominated(many.astype(float), keep_weakly=True)
    np.testing.assert_array_equal(non_dominated(many), expected)


def test_nan_is_as_bad_as_can_be_and_lists_are_no_lists():
    assert dominates([1, 2], [1, np.nan])
    assert not dominates([1, np.nan], [1, np.inf])
    assert not dominates([1, 3], [2, 2])  # the lists themselves compare the other way


def test_no_rows_have_no_fronts():
    for function in (dominance_number, non_dominated, ranks, crowding_distance):
        assert function(np.zeros((0, 2))).shape == (0,)
