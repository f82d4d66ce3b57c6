import jax.numpy as jnp
import numpy as np

from jcenas.moo.semoa import linear_ranking
from jcenas.moo.survival import crowded_order, hypervolume_survivors


def test_the_non_dominated_survive():
    # Four mutually non-dominated rows and four dominated ones into four places.
    points = np.array([(4, 1), (14, 11), (3, 2), (13, 12), (2, 3), (12, 13), (1, 4), (11, 14)], np.float32)
    order = np.asarray(crowded_order(points, jnp.ones(8, bool)))
    assert set(order[:4]) == {0, 2, 4, 6}
    assert set(order[:2]) == {0, 6}  # the ends of the front come first


def test_padding_comes_last():
    points = np.array([(0, 0), (5, 5), (1, 1)], np.float32)
    np.testing.assert_array_equal(crowded_order(points, np.array([False, True, True])), [2, 1, 0])


def test_least_contribution_leaves_first():
    # Up to (4, 4) the row (1.5, 2.5) alone owns 0.25, less than any other of the front; the dominated row goes first.
    points = np.array([(1, 3), (2, 2), (3, 1), (1.5, 2.5), (3.5, 3.5)], np.float32)
    reference = np.array([4.0, 4.0], np.float32)
    np.testing.assert_array_equal(
        hypervolume_survivors(points, reference, jnp.ones(5, bool), 4), [True, True, True, True, False]
    )
    np.testing.assert_array_equal(
        hypervolume_survivors(points, reference, jnp.ones(5, bool), 3), [True, True, True, False, False]
    )


def test_linear_ranking_by_hand():
    # P = 3, pressure 2: 2/3, 1/3, 0 by falling share; padding gets nothing.
    share, mask = jnp.array([0.1, 0.9, 5.0, 0.5]), jnp.array([True, True, False, True])
    np.testing.assert_allclose(linear_ranking(share, mask, 2.0), [0, 2 / 3, 0, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(linear_ranking(share, mask, 1.9), [0.1 / 3, 1.9 / 3, 0, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(linear_ranking(share, jnp.arange(4) == 1, 2.0), [0, 1, 0, 0])
