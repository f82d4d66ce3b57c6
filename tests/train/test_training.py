import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import CellNetwork
from jcenas.runtime import checkpoint, sharding
from jcenas.train import images
from jcenas.train.training import TrainConfig, learning_rate, make_trainer

GENOME = jnp.array([3, 1, 2, 1, 3, 4], jnp.int32)


@pytest.fixture(scope="module")
def digits():
    return images.load_images("digits", [])


class Bound:
    """A trainer whose functions are jitted once for the module, and count their traces."""

    def __init__(self, data, **options):
        self.traces = 0
        network = CellNetwork(10, channels=4, cells=1)
        self.trainer = make_trainer(network, TrainConfig(batch_size=128, chunk_steps=4), data, **options)

        def chunk(state, genomes, data):
            self.traces += 1
            return self.trainer.chunk(state, genomes, data)

        self.init = jax.jit(self.trainer.init)
        self.chunk = jax.jit(chunk)
        self.accuracy = jax.jit(self.trainer.accuracy)
        self.data = data

    def train(self, state, genome, chunks):
        genomes = jnp.tile(genome, (self.trainer.chunk_steps, 1))
        losses = []
        for _ in range(chunks):
            state, loss = self.chunk(state, genomes, self.data)
            losses.append(float(loss))
        return state, losses


@pytest.fixture(scope="module")
def bound(digits):
    return Bound(digits)


def test_chunks_divide_the_epoch(bound, digits):
    assert bound.trainer.steps_per_epoch == 8  # 1151 images: eight whole batches of 128
    assert bound.trainer.chunk_steps == 4


def test_learning_rate_by_hand():
    rates = [float(learning_rate(0.1, jnp.int32(s), jnp.int32(100))) for s in (0, 4, 49, 99)]

    def cosine(t):
        return 0.5 * (1 + np.cos(np.pi * t))

    np.testing.assert_allclose(rates, [0.1 * 0.2 * cosine(0.01), 0.1 * cosine(0.05), 0.05, 0.0], atol=1e-6)


@pytest.mark.accelerator
@pytest.mark.slow
def test_the_second_cell_compiles_nothing_and_both_learn(bound, digits):
    for i, genome in enumerate([GENOME, jnp.array([1, 2, 3, 3, 0, 1], jnp.int32)]):
        state = bound.init(jax.random.key(i), jnp.int32(96))
        state, losses = bound.train(state, genome, 24)
        assert losses[-1] < 0.6 * losses[0]
        assert float(bound.accuracy(state, genome, digits.validation, digits)) > 0.8  # 0.1 by chance
    assert bound.traces == 1


@pytest.mark.slow
def test_a_training_that_was_cut_and_restored_equals_one_that_was_not(bound, tmp_path):
    whole, _ = bound.train(bound.init(jax.random.key(5), jnp.int32(24)), GENOME, 6)
    half, _ = bound.train(bound.init(jax.random.key(5), jnp.int32(24)), GENOME, 3)
    checkpoint.save(tmp_path / "cut", half)
    restored = checkpoint.load(tmp_path / "cut", bound.init(jax.random.key(6), jnp.int32(1)))
    again, _ = bound.train(restored, GENOME, 3)
    assert int(again.step) == 24
    jax.tree.map(np.testing.assert_array_equal, whole.params, again.params)
    jax.tree.map(np.testing.assert_array_equal, whole.batch_stats, again.batch_stats)


@pytest.mark.accelerator
@pytest.mark.devices(4)
@pytest.mark.slow
def test_data_parallel_training_equals_that_on_one_device(bound, digits):
    mesh = sharding.data_mesh(sharding.local_devices(4))
    spread = Bound(jax.device_put(digits, sharding.replicated(mesh)), batch_sharding=sharding.split(mesh))
    one, _ = bound.train(bound.init(jax.random.key(3), jnp.int32(16)), GENOME, 1)
    start = jax.device_put(bound.init(jax.random.key(3), jnp.int32(16)), sharding.replicated(mesh))
    four, _ = spread.train(start, GENOME, 1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), one.params, four.params)


@pytest.mark.slow
def test_a_diverging_training_reports_it_and_harms_no_other(bound):
    state = bound.init(jax.random.key(0), jnp.int32(16))
    poisoned = state.replace(params=jax.tree.map(lambda p: p * jnp.nan, state.params))
    _, losses = bound.train(poisoned, GENOME, 1)
    assert np.isnan(losses).all()


@pytest.mark.slow
def test_accuracy_counts_every_image_once(bound, digits):
    state = bound.init(jax.random.key(0), jnp.int32(8))
    big = jax.tree.map(lambda x: jnp.concatenate([x] * 3), digits.validation)  # 861 images: one batch of 500 and a rest
    ones = bound.accuracy(state, GENOME, digits.validation, digits)
    np.testing.assert_allclose(bound.accuracy(state, GENOME, big, digits), ones, rtol=1e-6)


def test_paths_are_dropped_only_by_a_network_that_can(digits):
    with pytest.raises(ValueError, match=r"drop_path is 0.2, but CellNetwork drops no paths"):
        make_trainer(CellNetwork(10), TrainConfig(drop_path=0.2), digits)


def test_a_batch_larger_than_the_set_is_refused(digits):
    with pytest.raises(ValueError, match="batch_size 5000 is larger than the 1151"):
        make_trainer(CellNetwork(10), TrainConfig(batch_size=5000), digits)
