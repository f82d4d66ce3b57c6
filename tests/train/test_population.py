"""Several candidates at once equal each of them alone, over devices and within one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets import CellNetwork
from jcenas.runtime import sharding
from jcenas.train import images
from jcenas.train.population import make_population
from jcenas.train.training import TrainConfig, make_trainer

GENOMES = np.array([[3, 1, 2, 1, 3, 4], [1, 4, 0, 2, 1, 3], [3, 3, 0, 1, 2, 1], [2, 0, 1, 3, 4, 1]], np.int32)
KEYS = jax.random.split(jax.random.key(7), 4)
TOTAL = jnp.int32(8)


@pytest.fixture(scope="module")
def digits():
    return images.load_images("digits", [])


def trainer_of(data, choose):
    return make_trainer(
        CellNetwork(10, channels=4, cells=1, choose=choose), TrainConfig(batch_size=64, chunk_steps=3), data
    )


def paths(trainer):
    return jnp.repeat(jnp.asarray(GENOMES)[:, None], trainer.chunk_steps, axis=1)


@pytest.fixture(scope="module")
def alone(digits):
    """Each member trained by itself: first state, weights, statistics, losses and accuracies, stacked."""
    trainer = trainer_of(digits, "branch")
    init, chunk, accuracy = jax.jit(trainer.init), jax.jit(trainer.chunk), jax.jit(trainer.accuracy)
    results = []
    for key, genome, path in zip(KEYS, GENOMES, paths(trainer), strict=True):
        start = init(key, TOTAL)
        state, loss = chunk(start, path, digits)
        share = accuracy(state, genome, digits.validation, digits)
        results.append((start, state.params, state.batch_stats, loss, share))
    return jax.tree.map(lambda *members: jnp.stack(members), *results)


def assert_equal_members(found, expected, members):
    def close(a, b):
        np.testing.assert_allclose(np.asarray(a)[members], b[members], rtol=5e-3, atol=5e-4)

    jax.tree.map(close, found, expected)


@pytest.mark.devices(2)
@pytest.mark.slow
def test_over_devices_each_member_equals_itself_alone_and_one_that_diverges_says_so(digits, alone):
    mesh = sharding.data_mesh(sharding.local_devices(2))
    data = jax.device_put(digits, sharding.replicated(mesh))
    trainer = trainer_of(digits, "branch")
    population = make_population(trainer, spread=sharding.split(mesh))
    states = jax.jit(population.init)(KEYS, TOTAL)
    states = states.replace(params=jax.tree.map(lambda p: p.at[1].set(jnp.nan), states.params))
    states, losses = jax.jit(population.chunk, donate_argnums=0)(states, paths(trainer), data)
    assert len(losses.sharding.device_set) == 2
    np.testing.assert_array_equal(np.isfinite(losses), [True, False, True, True])
    found = jax.jit(population.accuracy)(states, jnp.asarray(GENOMES), data.validation, data)
    others = np.array([0, 2, 3])
    assert_equal_members((states.params, states.batch_stats, losses), alone[1:4], others)
    np.testing.assert_allclose(found[others], alone[4][others], atol=2.5 / 287)  # rounding may turn a tie


@pytest.mark.accelerator
@pytest.mark.slow  # the compilation
def test_within_a_device_all_together_each_member_equals_itself_alone_whatever_becomes_of_another(digits, alone):
    trainer = trainer_of(digits, "blend")
    chunk = jax.jit(make_population(trainer, within="vmap").chunk)
    start = jax.tree.map(jnp.asarray, alone[0])
    states, losses = chunk(start, paths(trainer), digits)
    assert_equal_members((states.params, states.batch_stats, losses), alone[1:4], slice(None))
    start = start.replace(params=jax.tree.map(lambda p: p.at[1].set(jnp.nan), start.params))
    states, losses = chunk(start, paths(trainer), digits)
    np.testing.assert_array_equal(np.isfinite(losses), [True, False, True, True])
    assert_equal_members((states.params, states.batch_stats, losses), alone[1:4], np.array([0, 2, 3]))


@pytest.mark.devices(3)
def test_members_that_do_not_divide_over_the_devices_are_refused(digits):
    mesh = sharding.data_mesh(sharding.local_devices(3))
    population = make_population(trainer_of(digits, "branch"), spread=sharding.split(mesh))
    with pytest.raises(InputError, match="4 members do not divide over 3 devices; use 3 or 6"):
        population.init(KEYS, TOTAL)
