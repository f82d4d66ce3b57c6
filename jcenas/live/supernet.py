"""The stage before the first hour: train the weight-sharing supernet, on all devices at once, charged like any work."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.ledger import Ledger
from jcenas.live.prepare import Prepared
from jcenas.live.programs import MeshSupernet
from jcenas.live.run_folder import RunFolder
from jcenas.live.worker import CHECKPOINT_EVERY_S
from jcenas.runtime import checkpoint, sharding
from jcenas.train.training import TrainState

_SUPERNET_KEY = 2**31 - 1  # folded into the run's key; candidates use their numbers


class Supernet(NamedTuple):
    """Trained shared weights."""

    state: TrainState

    def on(self, device: sharding.Device) -> TrainState:
        """A copy on one device."""
        return sharding.place(self.state, device)


def train_supernet(
    database: RunDatabase,
    folder: RunFolder,
    ledger: Ledger,
    prepared: Prepared,
    config: SearchConfig,
    should_stop: Callable[[], bool],
    notify: Callable[[str], None],
) -> Supernet | None:
    """Train it, or go on from its checkpoint; None where the search was stopped before the end.

    Raises:
        InputError: the loss became NaN or infinite.
    """
    programs = prepared.programs[0]
    key = jax.random.fold_in(jax.random.key(config.seed), _SUPERNET_KEY)
    state = programs.init(key, config.supernet_epochs)
    if checkpoint.exists(folder.supernet):
        state = checkpoint.load(folder.supernet, state)
    steps, total = int(state.step), int(state.total)
    trainer: MeshSupernet | None = None
    busy = 1
    if len(prepared.programs) > 1 and steps < total:
        trainer = MeshSupernet(config, prepared.data, [p.device for p in prepared.programs])
        state, busy = trainer.spread(state), len(trainer.devices)
    saved = time.perf_counter()
    while steps < total:
        if should_stop():
            checkpoint.save(folder.supernet, sharding.place(state, programs.device))
            return None
        began = time.perf_counter()
        state, loss = (trainer or programs).train_supernet(state)
        seconds = time.perf_counter() - began
        steps += programs.trainer.chunk_steps
        for device in range(busy):
            ledger.spend(device, "training", "supernet", seconds)
        for device in range(busy, len(prepared.programs)):
            ledger.idle(device, ledger.clock[0])
        if not math.isfinite(loss):
            checkpoint.delete(folder.supernet)
            raise InputError(f"the supernet diverged (loss {loss} after {steps} steps); lower --learning-rate")
        if time.perf_counter() - saved > CHECKPOINT_EVERY_S or steps >= total:
            checkpoint.save(folder.supernet, sharding.place(state, programs.device))
            saved = time.perf_counter()
        notify(f"supernet: step {steps} of {total}, loss {loss:.3f}")
    return Supernet(sharding.place(state, programs.device))
