"""The recipe of a training: optimiser, schedules, loss, weight averaging and the precision of the arithmetic.

Every function is pure and takes the step and the length of the training as data, so that trainings of any length share
one program.
"""

import dataclasses
from typing import Any, Literal, get_args

import chex
import jax
import jax.numpy as jnp
import optax

from jcenas.errors import InputError

OptimizerName = Literal["sgd", "adamw"]
Dtype = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Recipe of every training of a run; by default that of NAS-Bench-201 (table 2): SGD, Nesterov, cosine.

    Attributes:
        batch_size: images per step.
        learning_rate: peak rate, reached at the end of the warm-up.
        momentum: Nesterov momentum; the first moment's decay of AdamW.
        weight_decay: L2 coefficient on every parameter (SGD), or decoupled decay (AdamW, arXiv 1711.05101).
        clip_norm: largest global norm of a gradient.
        chunk_steps: at most so many steps per call; a training can be cut between calls.
        optimizer: 'sgd' or 'adamw'.
        second_momentum: decay of AdamW's second moment.
        warmup: share of the steps in which the rate rises from 0; 0 starts at the peak.
        label_smoothing: share of a label that is spread over all classes (arXiv 1512.00567, section 7).
        average: decay of the moving average of weights and statistics that is evaluated; 0 evaluates the last ones.
        drop_path: last rate of dropped paths (arXiv 1605.07648); it rises linearly from 0, as in NASNet (arXiv
            1707.07012). Only for networks that take `drop_path`.
        auxiliary: weight of the loss of the network's auxiliary head (0.4 in NASNet and DARTS), which is added to the
            loss; 0 leaves the head out. Only for networks that have one.
        accumulate: micro-batches per step. Their gradients are averaged, which is the gradient of the whole batch but
            for batch norm: that normalises each micro-batch by itself.
        dtype: of activations and their gradients. Weights, statistics, loss and update stay float32.

    Raises:
        InputError: a number outside its range, or micro-batches that do not divide the batch.
    """

    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float = 5.0
    chunk_steps: int = 50
    optimizer: OptimizerName = "sgd"
    second_momentum: float = 0.999
    warmup: float = 0.05
    label_smoothing: float = 0.0
    average: float = 0.0
    drop_path: float = 0.0
    auxiliary: float = 0.0
    accumulate: int = 1
    dtype: Dtype = "float32"

    def __post_init__(self):
        for name, choices in (("optimizer", get_args(OptimizerName)), ("dtype", get_args(Dtype))):
            if (value := getattr(self, name)) not in choices:
                raise InputError(f"{name} is {value!r}; use one of {', '.join(choices)}")
        for name in ("momentum", "second_momentum", "warmup", "label_smoothing", "average", "drop_path"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise InputError(f"{name} is {value}; it must be at least 0 and below 1")
        if not 0 <= self.auxiliary < float("inf"):
            raise InputError(f"auxiliary is {self.auxiliary}; it must be finite and at least 0")
        for name in ("batch_size", "chunk_steps", "accumulate"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if self.batch_size % self.accumulate:
            raise InputError(
                f"batch_size {self.batch_size} does not divide into {self.accumulate} equal micro-batches; "
                f"use {self.batch_size - self.batch_size % self.accumulate or self.accumulate}"
            )


def initialisation_key(key: jax.Array) -> jax.Array:
    """The same seed for XLA's own generator: twenty threefry draws cost XLA:CPU some ten seconds of compilation."""
    return jax.random.wrap_key_data(jnp.tile(jax.random.key_data(key), 2), impl="rbg")


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Gradient to descent direction; `learning_rate` scales it afterwards, so that the rate stays data.

    All weights are one vector to it: a program of a few operations, not of some for every array of a network, which
    compiles in a quarter less time.
    """
    clip, decay = optax.clip_by_global_norm(config.clip_norm), optax.add_decayed_weights(config.weight_decay)
    if config.optimizer == "adamw":
        return optax.flatten(optax.chain(clip, optax.scale_by_adam(config.momentum, config.second_momentum), decay))
    return optax.flatten(optax.chain(clip, decay, optax.trace(config.momentum, nesterov=True)))


def learning_rate(peak: float, step: jax.Array, total: jax.Array, warmup: float = 0.05) -> jax.Array:
    """Linear warm-up over a share of `total` steps, times a half cosine to zero; `total` is data, not a constant."""
    done = (step.astype(jnp.float32) + 1) / total.astype(jnp.float32)
    cosine = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(done, 1.0)))
    rise = jnp.minimum(1.0, 1 / warmup * done) if warmup else 1.0
    return peak * rise * cosine


def drop_path_rate(last: float, step: jax.Array, total: jax.Array) -> jax.Array:
    """Rate of dropped paths at a step, float32 (): linear from 0 to `last` (arXiv 1707.07012, ScheduledDropPath)."""
    return last * jnp.minimum(1.0, step.astype(jnp.float32) / total.astype(jnp.float32))


def cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """Mean cross entropy, float32 (), of logits (B, K) against labels int32 (B,).

    With smoothing s the target gives s / K to every class and 1 - s more to the right one (arXiv 1512.00567).
    """
    chex.assert_rank(logits, 2, custom_message="logits")
    chex.assert_shape(labels, logits.shape[:1], custom_message="labels")
    logits = logits.astype(jnp.float32)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if smoothing:
        uniform = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
        losses = (1 - smoothing) * losses + smoothing * uniform
    return losses.mean()


def moving_average(decay: float, average: Any, values: Any, step: jax.Array) -> Any:
    """Exponential moving average after a step; early steps count more: decay min(decay, (1 + step) / (10 + step)).

    The ramp is that of TensorFlow's `ExponentialMovingAverage`: without it the random start would weigh
    decay^steps in the average of a short training.
    """
    done = step.astype(jnp.float32)
    rate = 1 - jnp.minimum(decay, (1 + done) / (10 + done))
    return jax.tree.map(lambda a, v: a + rate * (v - a), average, values)


def in_precision(params: Any, dtype: Dtype) -> Any:
    """Weights as the network computes with them: arrays of rank 2 and more in `dtype`, the rest in float32.

    Scales and biases are the arrays of rank 0 and 1, and those whose last name is `scale` or `bias` (stacked norms):
    batch norm combines them with its float32 statistics.
    """
    if dtype == "float32":
        return params

    def cast(path, x: jax.Array) -> jax.Array:
        name = str(getattr(path[-1], "key", ""))
        return x if x.ndim < 2 or name in {"scale", "bias"} else x.astype(dtype)

    return jax.tree.map_with_path(cast, params)
