"""Training of the forecaster: one compiled chunk is a scan over steps, donated, its batch split over a mesh.

Step s depends only on the key and s, so a training that was cut and resumed equals one that was never cut. Each window
of a batch loses its mix, its weather and its zone with given probabilities: the network learns to do without, and the
zero-shot use of an intensity history alone is the same network.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas.carbon.forecast import features
from jcenas.carbon.forecast.losses import training_loss
from jcenas.carbon.forecast.network import ForecastNetwork
from jcenas.carbon.forecast.windows import UNKNOWN_ZONE, Table, Windows, draw


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastTraining:
    """Recipe: AdamW with warm-up and a cosine schedule to zero.

    Attributes:
      steps: steps of the whole schedule.
      batch_size: windows a step.
      learning_rate: peak rate.
      weight_decay: decoupled, of every parameter.
      clip_norm: largest global norm of a gradient.
      chunk_steps: steps in one call; divides `steps`.
      drop_mix: probability that a window loses its generation mix.
      drop_weather: probability that it loses its weather, past and future.
      drop_zone: probability that it is shown as of an unknown zone.
    """

    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    chunk_steps: int = 100
    drop_mix: float = 0.1
    drop_weather: float = 0.1
    drop_zone: float = 0.1


class TrainState(struct.PyTreeNode):
    """State of a training: parameters, optimiser, steps done and key."""

    params: Any
    optimizer: Any  # optax state
    step: jax.Array  # () int32, steps done
    key: jax.Array  # () typed key of this training


class Trainer(NamedTuple):
    """Pure functions of one network and recipe; `jax.jit` them at the edge, donating the state.

    Attributes:
      init: key -> TrainState.
      chunk: (state, table, origins (n,) int32) -> (state, loss of every step, (chunk_steps,)).
    """

    init: Callable[[jax.Array], TrainState]
    chunk: Callable[[TrainState, Table, jax.Array], tuple[TrainState, jax.Array]]


def make_trainer(
    network: ForecastNetwork,
    config: ForecastTraining,
    *,
    batch_sharding: jax.sharding.Sharding | None = None,
) -> Trainer:
    """Bind a network and a recipe.

    Args:
      network: the module.
      config: the recipe.
      batch_sharding: how the windows of a step lie on several devices; None trains on one.

    Raises:
      ValueError: `chunk_steps` does not divide `steps`.
    """
    if config.steps % config.chunk_steps:
        raise ValueError(f"chunk_steps {config.chunk_steps} does not divide steps {config.steps}; choose a divisor")
    schedule = optax.schedules.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, max(1, config.steps // 20), config.steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(schedule, b2=0.98, weight_decay=config.weight_decay),
    )

    def init(key: jax.Array) -> TrainState:
        first, rest = jax.random.split(key)
        history = jnp.ones((features.WINDOW_H, len(features.HISTORY)), jnp.float32)
        known = jnp.ones((features.HORIZON_H, len(features.KNOWN)), jnp.float32)
        params = network.init(first, history, known)["params"]
        return TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32), rest)

    def loss(params, batch: Windows) -> jax.Array:
        apply: Any = network.apply
        quantiles = jax.vmap(lambda *window: apply({"params": params}, *window))(*batch[:3])
        return training_loss(quantiles, batch.target)

    def step(state: TrainState, table: Table, origins: jax.Array) -> tuple[TrainState, jax.Array]:
        choose, drop = jax.random.split(jax.random.fold_in(state.key, state.step))
        batch = _drop_inputs(drop, draw(choose, table, origins, config.batch_size), config)
        if batch_sharding is not None:
            batch = jax.lax.with_sharding_constraint(batch, batch_sharding)
        value, gradient = jax.value_and_grad(loss)(state.params, batch)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, optimizer_state, state.step + 1, state.key), value

    def chunk(state: TrainState, table: Table, origins: jax.Array) -> tuple[TrainState, jax.Array]:
        return jax.lax.scan(lambda s, _: step(s, table, origins), state, length=config.chunk_steps)

    return Trainer(init, chunk)


def _drop_inputs(key: jax.Array, batch: Windows, config: ForecastTraining) -> Windows:
    """The batch with some windows' mix, weather and zone replaced by unknown."""
    shares = jnp.asarray([config.drop_mix, config.drop_weather, config.drop_zone], jnp.float32)
    mix, weather, zone = jax.random.uniform(key, (3, batch.zone.shape[0])) < shares[:, None]
    history = jnp.where(_only(mix, features.MIX, len(features.HISTORY)), jnp.nan, batch.history)
    history = jnp.where(_only(weather, features.PAST_WEATHER, len(features.HISTORY)), jnp.nan, history)
    known = jnp.where(_only(weather, features.FUTURE_WEATHER, len(features.KNOWN)), jnp.nan, batch.known)
    return Windows(history, known, jnp.where(zone, UNKNOWN_ZONE, batch.zone), batch.target)


def _only(chosen: jax.Array, part: slice, width: int) -> jax.Array:
    """True in the columns `part` of the chosen windows (B,): bool (B, 1, width)."""
    columns = jnp.arange(width)
    inside = (columns >= part.start) & (columns < part.stop)
    return chosen[:, None, None] & inside[None, None]
