"""Training of the forecast network to the end of its schedule, on all local devices, with progress."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jcenas.carbon.forecast.network import ForecastNetwork
from jcenas.carbon.forecast.training import ForecastTraining, Trainer, TrainState, make_trainer
from jcenas.carbon.forecast.windows import Table
from jcenas.errors import InputError
from jcenas.runtime import sharding

Progress = Callable[[int, int, float], None]  # (steps done, steps, mean loss of the last chunk)


@functools.lru_cache(maxsize=8)
def _compiled(network: ForecastNetwork, config: ForecastTraining, devices: int) -> tuple[Trainer, Any]:
    """The trainer with jitted functions, and how its arrays lie; one for every training of this recipe."""
    mesh = sharding.data_mesh(sharding.local_devices(devices))
    trainer = make_trainer(network, config, batch_sharding=sharding.split(mesh))
    whole = sharding.replicated(mesh)
    init = jax.jit(trainer.init, out_shardings=whole)
    return Trainer(init, jax.jit(trainer.chunk, donate_argnums=0, out_shardings=whole)), whole


def train(
    key: jax.Array,
    network: ForecastNetwork,
    config: ForecastTraining,
    table: Table,
    origins: np.ndarray,
    *,
    params: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Train on windows at `origins` and return the parameters.

    The batch of every step is divided over all local devices that divide it. The same key gives the same parameters.

    Args:
      key: consumed.
      network: the module.
      config: the recipe.
      table: the series.
      origins: rows of the table, int32 (n,); see `windows.origins`.
      params: parameters to start from; default: fresh ones.
      progress: called after every chunk.

    Raises:
      InputError: there is no origin, or the loss is not finite.
    """
    if len(origins) == 0:
        raise InputError("no training window: a series needs 168 + 96 hours inside the training period")
    devices = math.gcd(len(sharding.local_devices()), config.batch_size)
    trainer, whole = _compiled(network, config, devices)  # pyright: ignore[reportArgumentType]  (modules are hashable)
    table, rows = jax.device_put((table, np.asarray(origins, np.int32)), whole)
    state: TrainState = trainer.init(key)
    if params is not None:
        state = state.replace(params=jax.device_put(jax.tree.map(np.asarray, params), whole))
    while (done := int(state.step)) < config.steps:
        state, losses = trainer.chunk(state, table, rows)
        loss = float(losses.mean())
        if not math.isfinite(loss):
            raise InputError(f"the training loss is {loss} after {done + config.chunk_steps} steps; check the traces")
        if progress is not None:
            progress(int(state.step), config.steps, loss)
    return state.params
