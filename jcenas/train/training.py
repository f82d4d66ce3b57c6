"""Train a network whose architecture is data: one compiled chunk of steps serves every candidate and the supernet.

A chunk is a scan over `chunk_steps` steps. Everything that differs between two trainings (weights, genomes, schedule
length, key, step) is an array, so the second candidate compiles nothing. Step s of a training depends only on its key
and s: a training that was cut and resumed from a checkpoint equals one that was never cut.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas.errors import InputError
from jcenas.runtime import sharding
from jcenas.train import recipe
from jcenas.train.augment import augment, scale
from jcenas.train.host_set import HostSet
from jcenas.train.images import ImageSet, Split
from jcenas.train.recipe import TrainConfig, learning_rate

__all__ = ["TrainConfig", "TrainState", "Trainer", "learning_rate", "make_trainer"]

_DROP_PATH_KEY = 2**31 - 2  # folded into the key of a training; steps use the numbers below, epochs those below 0


class TrainState(struct.PyTreeNode):
    """Everything that a training carries from step to step."""

    params: Any
    batch_stats: Any
    momentum: Any  # optax state
    step: jax.Array  # () int32, steps done
    total: jax.Array  # () int32, steps of the whole cosine schedule
    key: jax.Array  # () typed key of this training
    average: Any = None  # moving average of params and batch_stats; None where the recipe keeps none

    @property
    def variables(self) -> dict[str, Any]:
        """The weights and statistics that are evaluated: the average where there is one, else the last ones."""
        if self.average is not None:
            return self.average
        return {"params": self.params, "batch_stats": self.batch_stats}


class Trainer(NamedTuple):
    """Pure functions of one recipe, network and data shape; `jax.jit` them at the edge.

    Attributes:
        init: (key, total steps) -> TrainState.
        chunk: (state, genomes (chunk_steps, d), data) -> (state, mean loss over the chunk); NaN stays NaN.
        accuracy: (state, genome (d,), split, data) -> share of right answers with running statistics, float32.
        steps_per_epoch: a multiple of chunk_steps; the last incomplete batch of an epoch is left out.
        chunk_steps: steps per chunk.
        order: (key of a training, epoch ()) -> rows int32 (N,) of the training images, as `chunk` takes them: step s of
            the epoch the rows s * batch_size to (s + 1) * batch_size.
        fed: (state, genomes (s, d), batches, data) -> (state, losses float32 (s,)): s steps on images that are handed
            over, a `Split` of arrays (s, batch_size, ...); of `data` only what scales and augments. With the images of
            `order` it is a part of `chunk`.
        right: (state, genome (d,), split, data) -> number of right answers, int32 (); none where the label is -1.
        on_host: whether the images stay on the host, so that only `fed` and `right` can be used.
    """

    init: Callable[[jax.Array, jax.Array], TrainState]
    chunk: Callable[[TrainState, jax.Array, ImageSet], tuple[TrainState, jax.Array]]
    accuracy: Callable[[TrainState, jax.Array, Split, ImageSet], jax.Array]
    steps_per_epoch: int
    chunk_steps: int
    order: Callable[[jax.Array, jax.Array], jax.Array]
    fed: Callable[[TrainState, jax.Array, Split, ImageSet], tuple[TrainState, jax.Array]]
    right: Callable[[TrainState, jax.Array, Split, ImageSet], jax.Array]
    on_host: bool


def make_trainer(
    network: nn.Module,
    config: TrainConfig,
    data: ImageSet | HostSet,
    *,
    batch_sharding: jax.sharding.Sharding | None = None,
    genome_size: int | tuple[int, ...] = 6,
) -> Trainer:
    """Bind a network `(images, genome, statistics=...) -> logits` and a recipe to the shapes of a data set.

    Where the recipe drops paths, the network also gets `drop_path`, their rate, float32 (), and a random stream of that
    name. Where it weighs an auxiliary loss, the network has an attribute `auxiliary` that is true, and sows the logits
    of its auxiliary head, as `GenotypeNetwork` does.

    Args:
        network: the module.
        config: the recipe.
        data: the data set; only its shapes are used here.
        batch_sharding: how the images of a step lie on several devices; None trains on one.
        genome_size: d, the length of a genome; the shape of a mixture for a network that mixes its operations.

    Raises:
        InputError: the training part holds less than one batch; a micro-batch does not divide over the devices; or
            the recipe drops paths, or weighs an auxiliary loss, and the network has none.
    """
    size = data.train.labels.shape[0]
    batches = size // config.batch_size
    if batches < 1:
        raise InputError(f"batch_size {config.batch_size} is larger than the {size} training images; lower it")
    if batch_sharding is not None:
        sharding.check_divides(config.batch_size, config.accumulate, batch_sharding)
    if config.drop_path and "drop_path" not in inspect.signature(type(network).__call__).parameters:
        raise InputError(f"drop_path is {config.drop_path}, but {type(network).__name__} drops no paths; set it to 0")
    if config.auxiliary and not getattr(network, "auxiliary", False):
        raise InputError(
            f"auxiliary is {config.auxiliary}, but {type(network).__name__} has no auxiliary head; give it one or set 0"
        )
    chunks = -(-batches // config.chunk_steps)
    shape = (genome_size,) if isinstance(genome_size, int) else tuple(genome_size)
    training = _Training(
        network, config, recipe.make_optimizer(config), batches // chunks, chunks, size, shape, batch_sharding
    )

    def init(key: jax.Array, total: jax.Array) -> TrainState:
        return training.init(key, total, data.image_shape)

    return Trainer(
        init=init,
        chunk=training.chunk,
        accuracy=training.accuracy,
        steps_per_epoch=training.steps_per_epoch,
        chunk_steps=training.chunk_steps,
        order=training.order,
        fed=training.fed,
        right=training.right,
        on_host=isinstance(data, HostSet),
    )


@dataclasses.dataclass(frozen=True)
class _Training:
    """The functions of one `Trainer`, and what they share."""

    network: nn.Module
    config: TrainConfig
    optimizer: optax.GradientTransformation
    chunk_steps: int
    chunks: int  # of an epoch
    size: int  # of the training part, images
    genome_shape: tuple[int, ...]
    batch_sharding: jax.sharding.Sharding | None

    @property
    def steps_per_epoch(self) -> int:
        return self.chunk_steps * self.chunks

    def init(self, key: jax.Array, total: jax.Array, image_shape: tuple[int, ...]) -> TrainState:
        images = jnp.zeros((1, *image_shape), jnp.float32)
        genome = jnp.zeros(self.genome_shape, jnp.int32)
        variables = self.network.init(recipe.initialisation_key(key), images, genome)
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        return TrainState(
            params=params,
            batch_stats=batch_stats,
            momentum=self.optimizer.init(params),
            step=jnp.zeros((), jnp.int32),
            total=jnp.asarray(total, jnp.int32),
            key=key,
            average={"params": params, "batch_stats": batch_stats} if self.config.average else None,
        )

    def loss(self, params, batch_stats, images, labels, genome, drop):
        """Loss of one batch, and the statistics after it."""
        config = self.config
        variables = {"params": recipe.in_precision(params, config.dtype), "batch_stats": batch_stats}
        changed = ["batch_stats", "intermediates"] if config.auxiliary else ["batch_stats"]
        logits, updated = self.network.apply(
            variables, images.astype(config.dtype), genome, statistics="batch", mutable=changed, **drop
        )
        value = recipe.cross_entropy(logits, labels, config.label_smoothing)
        if config.auxiliary:
            auxiliary: Any = updated["intermediates"]["auxiliary"][0]
            value += config.auxiliary * recipe.cross_entropy(auxiliary, labels, config.label_smoothing)
        return value, updated.get("batch_stats", {})

    def drop_options(self, state: TrainState, part: jax.Array | int) -> dict[str, Any]:
        """What a network that drops paths gets besides, for one micro-batch."""
        if not self.config.drop_path:
            return {}
        key = jax.random.fold_in(jax.random.fold_in(state.key, _DROP_PATH_KEY), state.step)
        rate = recipe.drop_path_rate(self.config.drop_path, state.step, state.total)
        return {"drop_path": rate, "rngs": {"drop_path": jax.random.fold_in(key, part)}}

    def gradient(self, state: TrainState, images: jax.Array, labels: jax.Array, genome: jax.Array):
        """Loss, new statistics and gradient of one batch."""
        descent = jax.value_and_grad(self.loss, has_aux=True)
        if self.config.accumulate == 1:
            drop = self.drop_options(state, 0)
            (value, batch_stats), gradient = descent(state.params, state.batch_stats, images, labels, genome, drop)
            return value, batch_stats, gradient

        def micro(carry, xs):
            value, batch_stats, gradient = carry
            part, images, labels = xs
            drop = self.drop_options(state, part)
            (now, batch_stats), more = descent(state.params, batch_stats, images, labels, genome, drop)
            return (value + now, batch_stats, jax.tree.map(jnp.add, gradient, more)), None

        n = self.config.accumulate
        # Micro-batch i is every n-th image from i on: each device keeps the images that it has.
        parts = (jnp.arange(n), *(x.reshape(-1, n, *x.shape[1:]).swapaxes(0, 1) for x in (images, labels)))
        start = (jnp.zeros((), jnp.float32), state.batch_stats, jax.tree.map(jnp.zeros_like, state.params))
        (value, batch_stats, gradient), _ = jax.lax.scan(micro, start, parts)
        return value / n, batch_stats, jax.tree.map(lambda g: g / n, gradient)

    def step(self, state: TrainState, genome: jax.Array, rows: jax.Array, data: ImageSet):
        """One step on the training images of these rows: the state after it, and the loss."""
        return self.step_on(state, genome, Split(data.train.images[rows], data.train.labels[rows]), data)

    def step_on(self, state: TrainState, genome: jax.Array, batch: Split, data: ImageSet):
        """One step on a batch: the state after it, and the loss."""
        config, images, labels = self.config, batch.images, batch.labels
        images = augment(jax.random.fold_in(state.key, state.step), scale(images, data), flip=data.flip)
        if self.batch_sharding is not None:
            images = jax.lax.with_sharding_constraint(images, self.batch_sharding)
        value, batch_stats, gradient = self.gradient(state, images, labels, genome)
        updates, momentum = self.optimizer.update(gradient, state.momentum, state.params)
        rate = learning_rate(config.learning_rate, state.step, state.total, config.warmup)
        params = jax.tree.map(lambda p, u: p - rate * u, state.params, updates)
        if config.average:
            now = {"params": params, "batch_stats": batch_stats}
            average = recipe.moving_average(config.average, state.average, now, state.step)
            state = state.replace(average=average)
        state = state.replace(params=params, batch_stats=batch_stats, momentum=momentum, step=state.step + 1)
        return state, value

    def chunk(self, state: TrainState, genomes: jax.Array, data: ImageSet) -> tuple[TrainState, jax.Array]:
        chex.assert_shape(genomes, (self.chunk_steps, *self.genome_shape), custom_message="genomes")
        batch = self.config.batch_size
        epoch, first = state.step // self.steps_per_epoch, state.step % self.steps_per_epoch
        order = self.order(state.key, epoch)
        rows = jax.lax.dynamic_slice(order, (first * batch,), (self.chunk_steps * batch,))
        rows = rows.reshape(self.chunk_steps, batch)
        state, losses = jax.lax.scan(lambda s, xs: self.step(s, *xs, data), state, (genomes, rows))
        return state, losses.mean()

    def order(self, key: jax.Array, epoch: jax.Array) -> jax.Array:
        # Steps use keys >= 0, epochs those below.
        return jax.random.permutation(jax.random.fold_in(key, -1 - epoch), self.size)

    def fed(self, state: TrainState, genomes: jax.Array, batches: Split, data: ImageSet):
        chex.assert_shape(genomes, (batches.labels.shape[0], *self.genome_shape), custom_message="genomes")
        chex.assert_shape(batches.labels, (None, self.config.batch_size), custom_message="labels")
        return jax.lax.scan(lambda s, xs: self.step_on(s, *xs, data), state, (genomes, batches))

    def accuracy(self, state: TrainState, genome: jax.Array, split: Split, data: ImageSet) -> jax.Array:
        return self.right(state, genome, split, data).astype(jnp.float32) / split.labels.shape[0]

    def right(self, state: TrainState, genome: jax.Array, split: Split, data: ImageSet) -> jax.Array:
        chex.assert_shape(genome, self.genome_shape, custom_message="genome")
        dtype = self.config.dtype
        variables = state.variables | {"params": recipe.in_precision(state.variables["params"], dtype)}

        def count(batch: Split) -> jax.Array:
            images = scale(batch.images, data).astype(dtype)
            logits: Any = self.network.apply(variables, images, genome, statistics="running")
            return jnp.sum(jnp.argmax(logits, -1) == batch.labels)

        return _sum_over_batches(count, split)


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
