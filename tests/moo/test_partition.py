"""The machines on the way to one leaf against those of the whole tree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import partition, svm
from jcenas.moo.svm import SvmConfig

C, F = 300, 4


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["poly", "rbf"])
def test_a_path_decides_as_the_whole_tree(kernel):
    random = np.random.default_rng(0)
    points = jnp.asarray(random.random((C, F)), jnp.float32)
    objectives = jnp.stack([points[:, 0] + points[:, 1] ** 2, 1 - points[:, 0] + points[:, 2]], axis=1)
    mask, config = jnp.arange(C) < 200, SvmConfig(kernel=kernel)
    sizes = {"height": 3, "leaf_size": 10}
    tree = jax.jit(lambda: partition.build(config, points, objectives, mask, jnp.full(2, 3.0), **sizes))()
    np.testing.assert_array_equal(tree.count, [200, 100, 100, 50, 50, 50, 50, *[25] * 8])
    first = np.asarray(tree.rows[0][0, :200])
    assert sorted(first) == list(range(200))
    np.testing.assert_array_equal(np.sort(tree.rows[1][0, :100]), np.sort(first[:100]))  # the good child's samples
    queries = svm.prepare(config, points)

    @jax.jit
    def depth(node):
        path = partition.train_path(config, tree, points, node)
        return partition.depth_inside(config, path, queries), partition.inside(config, path, queries)

    good = [np.asarray(jax.vmap(lambda m: svm.decide(config, m, queries) >= 0)(m)) for m in tree.machines]
    for node, way in ((0, []), (2, [(0, 0, False)]), (9, [(0, 0, True), (1, 0, False), (2, 1, True)])):
        expected, alive = np.zeros(C, int), np.ones(C, bool)
        for level, place, side in way:  # by hand: level, machine of the level, whether the good child is on the way
            alive &= good[level][place] == side
            expected += alive
        found, inside = depth(jnp.int32(node))
        assert np.mean(np.asarray(found) == expected) > 0.98  # rounding decides at the boundary
        np.testing.assert_array_equal(inside, np.asarray(found) == len(way))
