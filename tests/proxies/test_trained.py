"""Proxies that train something first: one-shot, few-shot and low fidelity; on digits, with one small cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.proxies.few_shot import few_shot, split
from jcenas.proxies.low_fidelity import fewer, low_fidelity, make_curves
from jcenas.proxies.one_shot import one_shot, train_supernet
from jcenas.spaces import NasBench201
from jcenas.train.training import TrainConfig, make_trainer

SPACE = NasBench201()
CONFIG = TrainConfig(batch_size=128, chunk_steps=8)
CELLS = jnp.array([[3, 3, 1, 3, 3, 1], [2, 1, 0, 1, 2, 3], [0, 0, 0, 0, 0, 0]], jnp.int32)


@pytest.fixture(scope="module")
def network(small_cell):
    return small_cell


@pytest.fixture(scope="module")
def few_shot_scores(network, digits):
    proxy = few_shot(network, SPACE, CONFIG, digits, epochs=(8, 3), variable=1, images=200)
    memory = jax.jit(proxy.prepare)(jax.random.key(0), digits)
    return memory, np.asarray(jax.jit(proxy.score)(memory, CELLS))


@pytest.mark.slow
def test_few_shot_tells_living_from_dead(few_shot_scores):
    _, scores = few_shot_scores
    assert scores.dtype == np.float32
    assert (scores[:2] > -0.3).all()
    assert scores[2] < -0.8  # nothing reaches the classifier: a guess


def test_each_part_of_few_shot_trained_its_own_operation(few_shot_scores):
    (states, _), _ = few_shot_scores
    edge = np.asarray(states.params["kernels"])[:, 1]  # (part, operation, ...): of others, only weight decay moves them
    for operation in range(1, 5):
        unused = [part for part in range(5) if part != operation]
        np.testing.assert_allclose(edge[unused[1:], operation], edge[[unused[0]] * 3, operation], rtol=1e-4, atol=1e-7)
        assert np.abs(edge[operation, operation] - edge[unused[0], operation]).max() > 0.01


def test_a_split_inherits_the_weights_and_starts_anew(network, digits):
    trainer = make_trainer(network, CONFIG, digits)
    state = jax.jit(trainer.init)(jax.random.key(0), jnp.int32(8))
    parts = split(state.replace(step=jnp.int32(8)), jnp.int32(40), 5)
    for leaf, five in zip(jax.tree.leaves(state.params), jax.tree.leaves(parts.params), strict=True):
        np.testing.assert_array_equal(five, np.stack([leaf] * 5))
    assert not any(np.any(x) for x in jax.tree.leaves(parts.momentum))
    np.testing.assert_array_equal(parts.step, [0] * 5)
    np.testing.assert_array_equal(parts.total, [40] * 5)
    assert len(np.unique(jax.random.key_data(parts.key), axis=0)) == 5
    with pytest.raises(InputError, match="variable 6: a genome of this space has the variables 0 to 5"):
        few_shot(network, SPACE, CONFIG, digits, epochs=(1, 1), variable=6)


@pytest.mark.slow
def test_one_shot_trains_the_supernet_in_one_program(network, digits):
    proxy = one_shot(network, SPACE, CONFIG, digits, epochs=2)
    state, data = jax.jit(proxy.prepare)(jax.random.key(0), digits)
    assert int(state.step) == int(state.total) == 2 * 8
    trainer = make_trainer(network, CONFIG, digits)
    train = jax.jit(lambda key: train_supernet(trainer, SPACE, trainer.init(key, jnp.int32(16)), digits, epochs=2))
    again = train(jax.random.key(0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), state.params, again.params)
    scores = np.asarray(jax.jit(proxy.score)((state, data), CELLS))
    assert ((scores >= -1) & (scores <= 0)).all()


@pytest.mark.slow
def test_low_fidelity_curves_rise_and_dead_cells_stay_at_chance(network, digits):
    prepare, curves = make_curves(network, CONFIG, digits, epochs=6, images=512)
    memory = jax.jit(prepare)(jax.random.key(0), digits)
    found = np.asarray(jax.jit(curves)(memory, CELLS))
    assert found.shape == (3, 6)
    assert (found[:2, -1] > 0.5).all()
    assert (found[:2, -1] > found[:2, 0] + 0.05).all()
    assert found[2, -1] < 0.2
    proxy = low_fidelity(network, CONFIG, digits, epochs=6, images=512)
    np.testing.assert_array_equal(jax.jit(proxy.score)(memory, CELLS), found[:, -1])


def test_a_diverging_training_scores_zero(network, digits):
    config = TrainConfig(batch_size=128, chunk_steps=8, learning_rate=1e30)
    proxy = low_fidelity(network, config, digits, epochs=2, images=256)
    memory = proxy.prepare(jax.random.key(0), digits)
    np.testing.assert_array_equal(jax.jit(proxy.score)(memory, CELLS[:1]), [0.0])


def test_fewer_images_are_the_first(digits):
    small = fewer(digits, 100)
    np.testing.assert_array_equal(small.train.images, digits.train.images[:100])
    assert small.validation.labels.shape == (100,)
    assert small.test.labels.shape == digits.test.labels.shape
