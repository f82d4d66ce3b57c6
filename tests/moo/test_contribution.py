import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.moo import contributions, hypervolume, improvement

JITTED = jax.jit(contributions), jax.jit(improvement)


def test_by_hand():
    points = np.array([(1, 3), (2, 2), (3, 1), (2.5, 2.5)], np.float32)
    # Against (4, 4): (2,2) alone owns [2,3]x[2,3] but for the dominated box from (2.5, 2.5).
    np.testing.assert_allclose(contributions(points, np.array([4.0, 4.0])), [1, 0.75, 1, 0])
    np.testing.assert_allclose(contributions(points, np.array([4.0, 4.0]), np.array([1, 1, 1, 0], bool)), [1, 1, 1, 0])


def test_duplicates_own_nothing():
    np.testing.assert_allclose(contributions(np.array([(1.0, 1.0), (1.0, 1.0)]), np.array([2.0, 2.0])), [0, 0])


def test_improvement_by_hand():
    archive = np.array([(1, 3), (3, 1), (0, 0)], np.float32)
    mask = np.array([True, True, False])
    new = np.array([(2, 2), (2, 2), (3.5, 3.5), (9, 0)], np.float32)
    np.testing.assert_allclose(improvement(new, archive, np.array([4.0, 4.0]), mask), 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_against_differences_of_hypervolumes(m, ties, seed):
    random = np.random.default_rng(seed)
    points = (random.integers(0, 6, (14, m)) / 5 if ties else random.random((14, m))).astype(np.float32)
    total = moocore.hypervolume(points.astype(float), ref=np.ones(m))
    without = [moocore.hypervolume(np.delete(points, i, 0).astype(float), ref=np.ones(m)) for i in range(14)]
    np.testing.assert_allclose(JITTED[0](points, np.ones(m, np.float32)), total - np.array(without), atol=2e-6)
    old = moocore.hypervolume(points[:9].astype(float), ref=np.ones(m))
    np.testing.assert_allclose(JITTED[1](points[9:], points[:9], np.ones(m, np.float32)), total - old, atol=2e-6)


def test_sums_to_the_whole_when_boxes_do_not_meet_elsewhere():
    with jax.enable_x64(True):
        points = np.random.default_rng(1).random((200, 2))
        share = contributions(points, np.ones(2))
        kept = np.asarray(share) > 0
        alone = [hypervolume(points, np.ones(2), jnp.arange(200) != i) for i in np.flatnonzero(kept)[:5]]
        np.testing.assert_allclose(share[kept][:5], hypervolume(points, np.ones(2)) - jnp.array(alone), atol=1e-12)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"reference .* got \(2,\) for objectives \(5, 3\)"):
        improvement(jnp.zeros((5, 3)), jnp.zeros((4, 2)), jnp.zeros(2))


@pytest.mark.slow
@pytest.mark.parametrize("m", [2, 3])
def test_volumes_without_bound_are_infinite_and_the_others_stay(m):
    # The first reaches to -inf and covers the third; the second has a strip of its own.
    points = np.zeros((3, m))
    points[:, 0], points[:, 1] = [-np.inf, 0.5, 0.5], [0.5, 0.25, 0.75]
    shares = np.asarray(contributions(points, np.ones(m)))
    np.testing.assert_allclose(shares, [np.inf, 0.5 * 0.25, 0.0])
    assert improvement(points[1:2], points[:1], np.ones(m)) == 0.125
    assert improvement(points[:1], points[1:], np.ones(m)) == np.inf


def test_nothing_adds_nothing():
    assert improvement(np.zeros((0, 2)), [[0.5, 0.5]], (1, 1)) == 0
    assert improvement([[0.5, 0.5]], np.zeros((0, 2)), (1, 1)) == 0.25
    assert contributions(np.zeros((0, 2)), (1, 1)).shape == contributions(np.zeros((0, 3)), (1, 1, 1)).shape == (0,)
