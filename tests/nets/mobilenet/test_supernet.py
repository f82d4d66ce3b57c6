"""One program for every genome: the same logits, gradients and statistics as a network of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets.mobilenet import cost
from jcenas.nets.mobilenet.layer import Choice, Kind
from jcenas.nets.mobilenet.network import MobileNetwork
from jcenas.nets.mobilenet.supernet import Layers, MobileSupernet, extract
from jcenas.spaces.mobilenet import MobileNet
from jcenas.train.images import load_images
from jcenas.train.training import TrainConfig, make_trainer

# A stage whose layers are all equal in shape, and one that halves.
SPACE = MobileNet.small(4, expansions=(1, 2), layers=(1, 2), stage_channels=(8, 16), stage_strides=(1, 2))
GENOMES = {
    "smallest": np.zeros(10, np.int32),
    "largest": cost.largest(SPACE),
    "drawn": np.asarray(SPACE.sample(jax.random.key(5), 1)[0]),
}
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(16, 4, 4, 3)), jnp.float32)


@pytest.fixture(scope="module")
def variables():
    network = MobileSupernet(SPACE, 3)
    shapes = jax.eval_shape(network.init, jax.random.key(0), IMAGES, GENOMES["smallest"])
    rng = np.random.default_rng(1)

    # Of NumPy, as all that `extract` takes: no program for each of its slices.
    def signed(s):
        return np.asarray(rng.uniform(0.2, 0.8, s.shape) * rng.choice([-1, 1]), s.dtype)

    def positive(s):
        return np.asarray(rng.uniform(0.5, 1, s.shape), s.dtype)

    params, stats = shapes["params"], shapes["batch_stats"]
    return {"params": jax.tree.map(signed, params), "batch_stats": jax.tree.map(positive, stats)}


def training(network, v, genome):
    """Logits, statistics after them, and the gradient of a loss, of one batch."""

    def loss(params):
        now = {"params": params, "batch_stats": v["batch_stats"]}
        logits, moved = network.apply(now, IMAGES, genome, statistics="batch", mutable=["batch_stats"])
        return jnp.sum(jnp.tanh(logits)), (logits, moved["batch_stats"])

    gradient, (logits, stats) = jax.grad(loss, has_aux=True)(v["params"])
    return logits, stats, gradient


@pytest.fixture(scope="module")
def alone(variables):
    """What the network of a genome computes with the weights that it takes from the supernet: once for every name."""

    @functools.cache
    def run(name):
        network = MobileNetwork(SPACE, tuple(GENOMES[name].tolist()), 3)
        own = extract(MobileSupernet(SPACE, 3), variables, GENOMES[name])
        shapes = jax.eval_shape(network.init, jax.random.key(0), IMAGES)
        jax.tree.map(lambda a, s: np.testing.assert_equal(a.shape, s.shape), own, dict(shapes))
        return jax.jit(functools.partial(training, network))(own, None), jax.jit(network.apply)(own, IMAGES)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("choose", ["blend", "branch"])
def test_it_trains_as_the_network_of_every_genome(variables, alone, choose):
    network = MobileSupernet(SPACE, 3, choose)
    program = jax.jit(functools.partial(training, network))
    for name, genome in GENOMES.items():
        logits, stats, gradient = jax.device_get(program(variables, genome))
        own_logits, own_stats, own_gradient = alone(name)[0]
        np.testing.assert_allclose(logits, own_logits, rtol=1e-4, atol=1e-4)
        taken = extract(network, {"params": gradient, "batch_stats": stats}, genome)
        close = functools.partial(np.testing.assert_allclose, rtol=1e-2, atol=2e-3)
        jax.tree.map(close, taken["batch_stats"], own_stats)
        jax.tree.map(close, taken["params"], own_gradient)
        # Outside of what the genome takes, gradients are exactly zero and statistics stay.
        kept, before = variables["batch_stats"], extract(network, variables, genome)
        assert nonzero(gradient) == nonzero(taken["params"])
        moved, own_moved = jax.tree.map(np.subtract, (stats, taken["batch_stats"]), (kept, before["batch_stats"]))
        assert nonzero(moved) == nonzero(own_moved)
    assert program._cache_size() == 1


@pytest.mark.parametrize("choose", ["blend", "branch"])
def test_it_answers_as_the_network_of_every_genome(variables, alone, choose):
    program = jax.jit(functools.partial(MobileSupernet(SPACE, 3, choose).apply, variables, IMAGES))
    for name, genome in GENOMES.items():
        np.testing.assert_allclose(program(genome), alone(name)[1], rtol=1e-4, atol=1e-4)
    assert program._cache_size() == 1


def nonzero(tree):
    return sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(tree))


def test_blended_networks_side_by_side(variables, alone):
    genomes = np.stack(list(GENOMES.values()))
    apply = functools.partial(MobileSupernet(SPACE, 3, "blend").apply, variables, IMAGES)
    found = jax.jit(jax.vmap(apply))(genomes)
    for name, logits in zip(GENOMES, found, strict=True):
        np.testing.assert_allclose(logits, alone(name)[1], rtol=1e-4, atol=1e-4)


def test_first_weights_have_the_variance_of_their_own_fan_in():
    layers = Layers(Kind(24, 24, 1, (1, 8), (3, 5), optional=True), 2, "blend")
    choices = Choice(*(jnp.zeros(2, dtype) for dtype in (bool, jnp.int32, jnp.int32, bool)))
    key = jax.random.key(0, impl="rbg")
    weights = jax.jit(lambda: layers.init(key, jnp.zeros((1, 4, 4, 24)), choices, "batch"))()["params"]
    for name, fan_in in (("expand", 24), ("depthwise3", 9), ("depthwise5", 25), ("project", 192)):
        np.testing.assert_allclose(jnp.var(weights[name]), 2 / fan_in, rtol=0.1)
    assert not np.allclose(weights["expand"][0], weights["expand"][1])


@pytest.mark.parametrize(
    ("space", "side", "message"),
    [
        (MobileNet.small(8), 30, "multiples of 4"),
        (MobileNet.small(8, widths=(1.0, 2.0)), 8, "one width and one resolution"),
        (MobileNet.small(8, resolutions=(8, 16)), 8, "one width and one resolution"),
    ],
)
def test_what_one_program_cannot_serve_is_refused(space, side, message):
    genome = np.zeros(len(space.cardinalities), np.int32)
    with pytest.raises(InputError, match=message):
        MobileSupernet(space, 10).init(jax.random.key(0), jnp.zeros((1, side, side, 1)), genome)


def test_a_genome_of_another_space_is_refused():
    with pytest.raises(AssertionError, match="genome"):
        MobileSupernet(SPACE, 3).init(jax.random.key(0), IMAGES, np.zeros(6, np.int32))


@pytest.mark.parametrize(("side", "image_channels"), [(8, 1), (28, 1), (32, 3)])
def test_images_of_every_small_set(side, image_channels):
    network, images = MobileSupernet(MobileNet.small(side), 10), jnp.zeros((2, side, side, image_channels))
    genome = np.zeros(14, np.int32)
    variables = jax.eval_shape(network.init, jax.random.key(0), images, genome)
    assert jax.eval_shape(network.apply, variables, images, genome).shape == (2, 10)


@pytest.mark.slow
def test_one_trainer_learns_digits_with_any_genome():
    space, data = MobileNet.small(8, layers=(1,)), load_images("digits", [])
    network = MobileSupernet(space, data.classes)
    trainer = make_trainer(network, TrainConfig(batch_size=64), data, genome_size=14)
    chunk, init = jax.jit(trainer.chunk), jax.jit(trainer.init)
    for genome in (np.zeros(14, np.int32), cost.largest(space)):
        state, losses = init(jax.random.key(0), jnp.int32(4 * trainer.steps_per_epoch)), []
        for _ in range(4 * trainer.steps_per_epoch // trainer.chunk_steps):
            state, loss = chunk(state, np.tile(genome, (trainer.chunk_steps, 1)), data)
            losses.append(float(loss))
        assert losses[-1] < 0.7 * losses[0]
    assert chunk._cache_size() == 1
