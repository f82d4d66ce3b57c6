import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, LamooConfig, history, lamoo, partition, svm

REFERENCE = np.array([2.0, 2.0], np.float32)


@pytest.mark.slow
def test_rejection_stays_in_the_good_half_of_a_continuous_box(key):
    # Samples with a small second variable dominate the others, so the good region is its lower half.
    box = Box(variables=2)
    config = LamooConfig(height=1, exploration=0.0, svm=svm.SvmConfig(kernel="linear"))
    optimizer = lamoo(box, config, capacity=80, batch=16, reference=REFERENCE)
    genomes = box.sample(key, 40)
    x = box.features(genomes)
    values = jnp.stack([0.1 * x[:, 0] + x[:, 1], 0.1 * (1 - x[:, 0]) + x[:, 1]], axis=1)
    state = optimizer.tell(optimizer.init(key), genomes, values)
    state, proposed = jax.jit(optimizer.ask)(jax.random.fold_in(key, 1), state)
    assert box.features(proposed)[:, 1].max() < 0.75
    assert len({tuple(g) for g in np.asarray(proposed).tolist()}) == 16
    assert int(jnp.sum(state.status == history.History.PENDING)) == 16


def test_bound_and_selection_by_hand():
    # Root of 8 samples with children of 4 and 4; the bad child has the larger volume, and wins.
    tree = partition.Tree(
        machines=(None,),
        count=jnp.array([8, 4, 4]),
        volume=jnp.array([6.0, 2.0, 5.0]),
        split=jnp.array([True, False, False]),
        exists=jnp.ones(3, bool),
    )
    expected = 2.0 + 2 * 0.5 * np.sqrt(2 * np.log(8) / 4)
    np.testing.assert_allclose(partition.upper_confidence(tree, jnp.float32(0.5))[1], expected, rtol=1e-6)
    assert partition.best_leaf(tree, jnp.float32(0.5)) == 2
    assert partition.descend(tree, jnp.float32(0.5)) == 2


def test_labels_halve_by_dominance():
    objectives = jnp.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0], [0.0, 9.0], [0.0, 0.0]])
    mask = jnp.array([True, True, True, True, False])
    _, labels = partition.labels_by_dominance(objectives, mask)
    # Dominance numbers 2, 0, 1, 0: rows 1 and 3 are the better half.
    np.testing.assert_array_equal(labels[:4], [-1, 1, -1, 1])


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="selection must be 'leaf' or 'mcts'"):
        LamooConfig(selection="best")
    with pytest.raises(ValueError, match="reference must be finite"):
        lamoo(Box(variables=1), capacity=4, batch=1, reference=[np.inf, 1.0])
