"""The recipe by hand, and on a small network without batch norm, where micro-batches must change nothing."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jcenas.errors import InputError
from jcenas.train import images, recipe
from jcenas.train.recipe import TrainConfig
from jcenas.train.training import make_trainer

GENOME = jnp.zeros((2, 6), jnp.int32)


class Perceptron(nn.Module):
    """One hidden layer beside a skip; dropping its path leaves the skip. Records dtypes and the rate."""

    see: Callable | None = None

    @nn.compact
    def __call__(self, images, genome, *, statistics="running", drop_path=0.0):
        x = nn.Dense(16, name="stem")(images.reshape(images.shape[0], -1))
        if self.see:
            self.see((images.dtype, self.variables["params"]["stem"]["kernel"].dtype))
        y = nn.relu(nn.Dense(16, name="path")(x))
        if self.has_rng("drop_path"):
            keep = jax.random.bernoulli(self.make_rng("drop_path"), 1 - drop_path, (x.shape[0], 1))
            y = jnp.where(keep, y / (1 - drop_path), 0)
        rate = self.variable("batch_stats", "rate", jnp.zeros, ())
        if self.is_mutable_collection("batch_stats"):
            rate.value = jnp.asarray(drop_path, jnp.float32)
        return nn.Dense(10, name="classifier")(x + y)


@pytest.fixture(scope="module")
def digits():
    return images.load_images("digits", [])


def train(digits, chunks=1, total=8, **options):
    trainer = make_trainer(Perceptron(), TrainConfig(batch_size=512, chunk_steps=2, **options), digits)
    state = jax.jit(trainer.init)(jax.random.key(0), jnp.int32(total))
    chunk, losses = jax.jit(trainer.chunk), []
    for _ in range(chunks):
        state, loss = chunk(state, GENOME, digits)
        losses.append(float(loss))
    return trainer, state, losses


def test_label_smoothing_by_hand():
    logits, labels = jnp.log(jnp.array([[0.7, 0.2, 0.1]])), jnp.array([0])
    np.testing.assert_allclose(recipe.cross_entropy(logits, labels), -np.log(0.7), rtol=1e-6)
    target = np.array([0.8 + 0.2 / 3, 0.2 / 3, 0.2 / 3])  # 0.2 spread over three classes
    expected = -(target * np.log([0.7, 0.2, 0.1])).sum()
    np.testing.assert_allclose(recipe.cross_entropy(logits, labels, 0.2), expected, rtol=1e-6)
    smoothed = optax.smooth_labels(jax.nn.one_hot(labels, 3), 0.2)
    np.testing.assert_allclose(expected, optax.softmax_cross_entropy(logits, smoothed)[0], rtol=1e-6)


def test_schedules_by_hand():
    def at(step, **options):
        return float(recipe.learning_rate(1.0, jnp.int32(step), jnp.int32(100), **options))

    def cosine(t):
        return 0.5 * (1 + np.cos(np.pi * t))

    np.testing.assert_allclose([at(0, warmup=0), at(49, warmup=0)], [cosine(0.01), 0.5], rtol=1e-5)
    np.testing.assert_allclose([at(9, warmup=0.2), at(19, warmup=0.2)], [0.5 * cosine(0.1), cosine(0.2)], rtol=1e-5)
    rates = [float(recipe.drop_path_rate(0.2, jnp.int32(s), jnp.int32(100))) for s in (0, 50, 100)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.2], rtol=1e-6)


def test_moving_average_by_hand():
    average = jnp.float32(0)
    for step, expected in enumerate([9.0, 9.818182, 9.954545]):  # decays 1/10, 2/11, 3/12 towards 10
        average = recipe.moving_average(0.9, average, jnp.float32(10), jnp.int32(step))
        np.testing.assert_allclose(average, expected, rtol=1e-6)
    np.testing.assert_allclose(recipe.moving_average(0.5, jnp.float32(0), jnp.float32(10), jnp.int32(1000)), 5)


@pytest.mark.parametrize(("name", "oracle"), [("sgd", "coupled"), ("adamw", "decoupled")])
def test_optimisers_equal_those_of_optax(name, oracle):
    config = TrainConfig(optimizer=name, clip_norm=1e9, weight_decay=0.1)
    ours, rate = recipe.make_optimizer(config), 0.03
    if oracle == "coupled":
        theirs = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate, 0.9, nesterov=True))
    else:
        theirs = optax.adamw(rate, 0.9, 0.999, weight_decay=0.1)
    params = other = jnp.array([1.0, -2.0, 0.5])
    state, other_state = ours.init(params), theirs.init(other)
    for step in range(5):
        gradient = jnp.sin(params + step)
        direction, state = ours.update(gradient, state, params)
        params = params - rate * direction
        updates, other_state = theirs.update(gradient, other_state, other)
        other = optax.apply_updates(other, updates)
        np.testing.assert_allclose(params, other, rtol=1e-5)


@pytest.mark.slow
def test_micro_batches_give_the_step_of_the_whole_batch(digits):
    _, whole, (loss,) = train(digits)
    _, parts, (same,) = train(digits, accumulate=4)
    np.testing.assert_allclose(loss, same, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), whole.params, parts.params)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"optimizer": "adamw", "learning_rate": 0.01}, {"label_smoothing": 0.1}])
def test_each_recipe_learns(digits, options):
    trainer, state, losses = train(digits, chunks=20, total=40, **options)
    assert losses[-1] < 0.6 * losses[0]
    assert float(jax.jit(trainer.accuracy)(state, GENOME[0], digits.validation, digits)) > 0.8  # 0.1 by chance


@pytest.mark.slow
def test_the_averaged_weights_are_the_evaluated_ones(digits):
    trainer, state, _ = train(digits, chunks=3, total=6, average=0.99)
    # by hand: step s moves the average from the initial weights by 1 - (1 + s) / (10 + s)
    _, first, _ = train(digits, chunks=0, average=0.99)
    single = make_trainer(Perceptron(), TrainConfig(batch_size=512, chunk_steps=1), digits)
    current, average = first.replace(average=None, total=jnp.int32(6)), first.params
    step = jax.jit(single.chunk)
    for s in range(6):
        current, _ = step(current, GENOME[:1], digits)
        decay = (1 + s) / (10 + s)
        average = jax.tree.map(lambda a, p, d=decay: d * a + (1 - d) * p, average, current.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), state.average["params"], average)
    assert state.variables is state.average
    spoiled = state.replace(params=jax.tree.map(lambda p: p * jnp.nan, state.params))
    accuracy = jax.jit(trainer.accuracy)
    np.testing.assert_array_equal(
        accuracy(state, GENOME[0], digits.validation, digits), accuracy(spoiled, GENOME[0], digits.validation, digits)
    )
    assert current.variables["params"] is current.params


@pytest.mark.slow
def test_bf16_computes_in_bf16_and_keeps_float32_weights(digits):
    seen: list = []
    network = Perceptron(see=seen.append)
    trainer = make_trainer(network, TrainConfig(batch_size=512, chunk_steps=2, dtype="bfloat16"), digits)
    state = jax.jit(trainer.init)(jax.random.key(0), jnp.int32(8))
    seen.clear()
    state, loss = jax.jit(trainer.chunk)(state, GENOME, digits)
    assert set(seen) == {(jnp.dtype("bfloat16"), jnp.dtype("bfloat16"))}
    assert {leaf.dtype for leaf in jax.tree.leaves((state.params, state.momentum))} == {jnp.dtype("float32")}
    _, exact, (same,) = train(digits)
    np.testing.assert_allclose(loss, same, rtol=0.02)  # eight bits of mantissa
    moved = jax.tree.map(lambda a, b: jnp.linalg.norm(a - b) / jnp.linalg.norm(b), state.params, exact.params)
    assert max(float(x) for x in jax.tree.leaves(moved)) < 0.1


def test_norms_and_biases_stay_in_float32():
    params = {"cell": {"scale": jnp.ones((6, 2, 4)), "conv": jnp.ones((3, 3, 4, 4))}, "dense": {"bias": jnp.ones(4)}}
    cast = recipe.in_precision(params, "bfloat16")
    assert cast["cell"]["conv"].dtype == jnp.bfloat16
    assert cast["cell"]["scale"].dtype == cast["dense"]["bias"].dtype == jnp.float32
    assert recipe.in_precision(params, "float32") is params


@pytest.mark.slow
def test_a_network_that_drops_paths_gets_the_rising_rate(digits):
    _, state, _ = train(digits, chunks=2, total=8, drop_path=0.4)
    np.testing.assert_allclose(state.batch_stats["rate"], 0.4 * 3 / 8, rtol=1e-6)  # of the fourth step
    _, calm, _ = train(digits, chunks=2, total=8)
    assert float(calm.batch_stats["rate"]) == 0
    assert not np.allclose(state.params["path"]["kernel"], calm.params["path"]["kernel"])


class Biases(nn.Module):
    """Logits that do not depend on the images, from two heads alike."""

    auxiliary: bool = True

    @nn.compact
    def __call__(self, images, genome, *, statistics="running"):
        for name in ("auxiliary", "main"):
            logits = jnp.zeros((images.shape[0], 10)) + self.param(f"{name}_bias", nn.initializers.zeros, (10,))[None]
            if name == "auxiliary":
                self.sow("intermediates", name, logits)
        return logits


def test_the_auxiliary_loss_is_added_with_its_weight_by_hand(digits):
    config = TrainConfig(batch_size=512, chunk_steps=1, weight_decay=0, auxiliary=0.4)
    trainer = make_trainer(Biases(), config, digits)
    state, loss = jax.jit(trainer.chunk)(jax.jit(trainer.init)(jax.random.key(0), jnp.int32(8)), GENOME[:1], digits)
    np.testing.assert_allclose(loss, 1.4 * np.log(10), rtol=1e-6)
    assert state.params["main_bias"].any()
    np.testing.assert_allclose(state.params["auxiliary_bias"], 0.4 * state.params["main_bias"], rtol=1e-4, atol=1e-7)
    for network in (Biases(auxiliary=False), Perceptron()):
        with pytest.raises(InputError, match=f"auxiliary is 0.4, but {type(network).__name__} has no auxiliary head"):
            make_trainer(network, config, digits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auxiliary": -0.4}, "auxiliary is -0.4; it must be finite and at least 0"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; use one of sgd, adamw"),
        ({"dtype": "float16"}, "use one of float32, bfloat16"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 50, "accumulate": 8}, "batch_size 50 does not divide into 8 equal micro-batches; use 48"),
    ],
)
def test_bad_recipes_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**options)
