import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import CellNetwork
from jcenas.proxies.one_shot import make_score, supernet_paths
from jcenas.spaces import NasBench201
from jcenas.train import images
from jcenas.train.training import TrainConfig, make_trainer

SPACE = NasBench201()
pytestmark = pytest.mark.slow  # a supernet is trained


@pytest.fixture(scope="module")
def trained():
    data = images.load_images("digits", [])
    trainer = make_trainer(CellNetwork(10, channels=8, cells=1), TrainConfig(), data)
    state = jax.jit(trainer.init)(jax.random.key(0), jnp.int32(30 * trainer.steps_per_epoch))
    chunk = jax.jit(lambda s: trainer.chunk(s, supernet_paths(SPACE, s, trainer.chunk_steps), data))
    for _ in range(30 * trainer.steps_per_epoch // trainer.chunk_steps):
        state, _ = chunk(state)
    return data, state


GENOMES = jnp.array(
    [[3, 3, 1, 3, 3, 1], [3, 1, 0, 1, 2, 3], [3, 3, 3, 0, 0, 0], [4, 1, 0, 1, 2, 3], [1, 2, 4, 1, 0, 2], [2] * 6],
    jnp.int32,
)


@pytest.fixture(scope="module")
def errors(trained):
    """Of one genome after the other."""
    data, state = trained
    return np.asarray(jax.jit(make_score(CellNetwork(10, channels=8, cells=1)))(state, GENOMES, data))


def test_a_trained_supernet_tells_a_good_path_from_a_dead_one(errors):
    assert errors[0] < 0.3
    assert errors[1] < 0.3
    assert errors[2] > 0.8  # no path reaches the output: a guess


def test_scoring_one_by_one_or_side_by_side_is_the_same(trained, errors):
    data, state = trained
    blend = CellNetwork(10, channels=8, cells=1, choose="blend")
    together = jax.jit(make_score(blend, together=4))(state, GENOMES, data)  # four, then two
    np.testing.assert_allclose(errors, together, atol=1.5 / 287)  # rounding may turn a tie


def test_paths_depend_on_key_and_step_only_and_are_uniform(trained):
    _, state = trained
    first, again = supernet_paths(SPACE, state, 3000), supernet_paths(SPACE, state, 3000)
    np.testing.assert_array_equal(first, again)
    later = supernet_paths(SPACE, state.replace(step=state.step + 1), 3000)
    assert not np.array_equal(first, later)
    counts = np.bincount(np.asarray(first).ravel(), minlength=5)
    assert np.abs(counts / counts.sum() - 0.2).max() < 0.01  # standard deviation 0.003
