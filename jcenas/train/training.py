"""Train a network whose architecture is data: one compiled chunk of steps serves every candidate and the supernet.

A chunk is a scan over `chunk_steps` steps. Everything that differs between two trainings (weights, genomes, schedule
length, key, step) is an array, so the second candidate compiles nothing. Step s of a training depends only on its key
and s: a training that was cut and resumed from a checkpoint equals one that was never cut.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas.train.augment import augment, scale
from jcenas.train.images import ImageSet, Split


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Recipe of every training of a run: SGD with Nesterov momentum and a cosine schedule (NAS-Bench-201, table 2).

    Attributes:
        batch_size: images per step.
        learning_rate: peak rate, reached after one twentieth of the steps.
        momentum: Nesterov momentum.
        weight_decay: L2 coefficient on every parameter.
        clip_norm: largest global norm of a gradient.
        chunk_steps: at most so many steps per call; a training can be cut between calls.
    """

    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float = 5.0
    chunk_steps: int = 50


class TrainState(struct.PyTreeNode):
    """Everything that a training carries from step to step."""

    params: Any
    batch_stats: Any
    momentum: Any  # optax state
    step: jax.Array  # () int32, steps done
    total: jax.Array  # () int32, steps of the whole cosine schedule
    key: jax.Array  # () typed key of this training


class Trainer(NamedTuple):
    """Pure functions of one recipe, network and data shape; `jax.jit` them at the edge.

    Attributes:
        init: (key, total steps) -> TrainState.
        chunk: (state, genomes (chunk_steps, 6), data) -> (state, mean loss over the chunk); NaN stays NaN.
        accuracy: (state, genome (6,), split, data) -> share of right answers with running statistics, float32.
        steps_per_epoch: a multiple of chunk_steps; the last incomplete batch of an epoch is left out.
        chunk_steps: steps per chunk.
    """

    init: Callable[[jax.Array, jax.Array], TrainState]
    chunk: Callable[[TrainState, jax.Array, ImageSet], tuple[TrainState, jax.Array]]
    accuracy: Callable[[TrainState, jax.Array, Split, ImageSet], jax.Array]
    steps_per_epoch: int
    chunk_steps: int


def make_trainer(
    network: nn.Module, config: TrainConfig, data: ImageSet, *, batch_sharding: jax.sharding.Sharding | None = None
) -> Trainer:
    """Bind a network `(images, genome, statistics=...) -> logits` and a recipe to the shapes of a data set.

    Args:
        network: the module.
        config: the recipe.
        data: the data set; only its shapes are used here.
        batch_sharding: how the images of a step lie on several devices; None trains on one.

    Raises:
        ValueError: the training part holds less than one batch.
    """
    size = data.train.images.shape[0]
    batches = size // config.batch_size
    if batches < 1:
        raise ValueError(f"batch_size {config.batch_size} is larger than the {size} training images; lower it")
    chunks = -(-batches // config.chunk_steps)
    chunk_steps = batches // chunks
    steps_per_epoch = chunk_steps * chunks
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.add_decayed_weights(config.weight_decay),
        optax.trace(config.momentum, nesterov=True),
    )

    def init(key: jax.Array, total: jax.Array) -> TrainState:
        images = jnp.zeros((1, *data.image_shape), jnp.float32)
        variables = network.init(_rbg(key), images, jnp.zeros(6, jnp.int32))
        params = variables["params"]
        return TrainState(
            params=params,
            batch_stats=variables["batch_stats"],
            momentum=optimizer.init(params),
            step=jnp.zeros((), jnp.int32),
            total=jnp.asarray(total, jnp.int32),
            key=key,
        )

    def loss(params, batch_stats, images, labels, genome):
        variables = {"params": params, "batch_stats": batch_stats}
        logits, updated = network.apply(variables, images, genome, statistics="batch", mutable=["batch_stats"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), updated["batch_stats"]

    def step(state: TrainState, genome: jax.Array, rows: jax.Array, data: ImageSet):
        images, labels = data.train.images[rows], data.train.labels[rows]
        images = augment(jax.random.fold_in(state.key, state.step), scale(images, data), flip=data.flip)
        if batch_sharding is not None:
            images = jax.lax.with_sharding_constraint(images, batch_sharding)
        (value, batch_stats), gradient = jax.value_and_grad(loss, has_aux=True)(
            state.params, state.batch_stats, images, labels, genome
        )
        updates, momentum = optimizer.update(gradient, state.momentum, state.params)
        rate = learning_rate(config.learning_rate, state.step, state.total)
        params = jax.tree.map(lambda p, u: p - rate * u, state.params, updates)
        state = state.replace(params=params, batch_stats=batch_stats, momentum=momentum, step=state.step + 1)
        return state, value

    def chunk(state: TrainState, genomes: jax.Array, data: ImageSet) -> tuple[TrainState, jax.Array]:
        epoch, first = state.step // steps_per_epoch, state.step % steps_per_epoch
        order = jax.random.permutation(jax.random.fold_in(state.key, -1 - epoch), size)  # steps use keys >= 0
        rows = jax.lax.dynamic_slice(order, (first * config.batch_size,), (chunk_steps * config.batch_size,))
        rows = rows.reshape(chunk_steps, config.batch_size)
        state, losses = jax.lax.scan(lambda s, xs: step(s, *xs, data), state, (genomes, rows))
        return state, losses.mean()

    def accuracy(state: TrainState, genome: jax.Array, split: Split, data: ImageSet) -> jax.Array:
        variables = {"params": state.params, "batch_stats": state.batch_stats}

        def right(batch: Split) -> jax.Array:
            logits: Any = network.apply(variables, scale(batch.images, data), genome, statistics="running")
            return jnp.sum(jnp.argmax(logits, -1) == batch.labels)

        return _sum_over_batches(right, split).astype(jnp.float32) / split.labels.shape[0]

    return Trainer(init, chunk, accuracy, steps_per_epoch, chunk_steps)


def learning_rate(peak: float, step: jax.Array, total: jax.Array) -> jax.Array:
    """Linear warm-up over a twentieth of `total` steps, then a half cosine to zero; `total` is data, not a constant."""
    done = (step.astype(jnp.float32) + 1) / total.astype(jnp.float32)
    cosine = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(done, 1.0)))
    return peak * jnp.minimum(1.0, 20 * done) * cosine


def _rbg(key: jax.Array) -> jax.Array:
    """The same seed for XLA's own generator: twenty threefry draws cost XLA:CPU some ten seconds of compilation."""
    return jax.random.wrap_key_data(jnp.tile(jax.random.key_data(key), 2), impl="rbg")


def _sum_over_batches(count: Callable[[Split], jax.Array], split: Split, batch: int = 500) -> jax.Array:
    """Sum `count` over a split, in batches that keep the memory of large splits bounded."""
    n = split.labels.shape[0]
    whole = n // batch
    total = jnp.zeros((), jnp.int32)
    if whole:
        head = jax.tree.map(lambda x: x[: whole * batch].reshape(whole, batch, *x.shape[1:]), split)
        total += jnp.sum(jax.lax.map(count, head)).astype(jnp.int32)
    if n % batch:
        total += count(jax.tree.map(lambda x: x[whole * batch :], split)).astype(jnp.int32)
    return total
