"""The supernets of a run: trained before anything is scored, on all devices at once, and charged like any work.

One-shot: one supernet. Few-shot: it is split on one variable, such as the operation of an edge, into a supernet for
each of its values, which train on with the weights that they inherit (Zhao et al., arXiv 2006.06863, section 3.2).
"""

import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.executors.interrupted import charge_standstill, load_or_begin
from jcenas.live.ledger import Ledger
from jcenas.live.programs import DevicePrograms, MeshSupernet
from jcenas.live.run_folder import RunFolder
from jcenas.proxies.few_shot import split
from jcenas.runtime import checkpoint, sharding
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.training import TrainState

SPLIT_SHARE = 0.25  # of the supernet's epochs that each part trains on
CHECKPOINT_EVERY_S = 10.0
_SUPERNET_KEY = 2**31 - 1  # folded into the run's key; candidates use their numbers


class Supernets:
    """One supernet, or one for each value of a variable; trained chunk by chunk, resumable."""

    def __init__(self, config: SearchConfig, folder: RunFolder, programs: list[DevicePrograms], *, few_shot: bool):
        """Bind; weights are made or read on first use."""
        self._config, self._folder, self._programs, self._few_shot = config, folder, programs, few_shot
        self._variable = programs[0].problem.split
        self._parts: list[TrainState] = []
        self._trainer: MeshSupernet | None = None
        self._saved = time.perf_counter()

    def _fresh(self) -> TrainState:
        key = jax.random.fold_in(jax.random.key(self._config.seed), _SUPERNET_KEY)
        return self._programs[0].init(key, self._config.supernet_epochs)

    def _restore(self, notify: Callable[[str], None]) -> None:
        """The whole supernet and its parts, as far as they were saved."""
        whole = self._load(0, self._fresh(), notify)
        self._parts = [whole]
        if self._few_shot and self._done(whole):
            self._split(whole, notify)

    def _load(self, number: int, fresh: TrainState, notify: Callable[[str], None]) -> TrainState:
        """A saved supernet; where there is none, or it is damaged, the fresh one, which is trained (again)."""
        folder = self._folder.supernet(number)
        return load_or_begin(folder, fresh, f"supernet {number}", notify)

    def _split(self, whole: TrainState, notify: Callable[[str], None]) -> None:
        steps = max(1, int(SPLIT_SHARE * int(whole.total)) // self._chunk_steps) * self._chunk_steps
        many = self._programs[0].problem.space.cardinalities[self._variable]
        stacked = split(whole, jnp.int32(steps), many)
        parts = [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(many)]
        parts = [self._load(number, part, notify) for number, part in enumerate(parts, 1)]
        self._parts = [whole, *(sharding.place(part, self._programs[0].device) for part in parts)]

    @property
    def _chunk_steps(self) -> int:
        return self._programs[0].trainer.chunk_steps

    @staticmethod
    def _done(state: TrainState) -> bool:
        return int(state.step) >= int(state.total)

    def train(
        self, ledger: Ledger, until: float, should_stop: Callable[[], bool], notify: Callable[[str], None]
    ) -> bool:
        """Go on training until a trace hour; whether everything is trained.

        Raises:
            InputError: the loss became NaN or infinite.
        """
        if not self._parts:
            self._restore(notify)
        while (number := self._next(notify)) is not None:
            if min(ledger.clock) >= until - 1e-9 or should_stop():
                self._save(number)
                return False
            self._chunk(number, ledger, notify)
        return True

    def _next(self, notify: Callable[[str], None]) -> int | None:
        """The supernet to train next; None where all are done."""
        if self._few_shot and len(self._parts) == 1 and self._done(self._parts[0]):
            self._split(self._parts[0], notify)
        return next((i for i, part in enumerate(self._parts) if not self._done(part)), None)

    def _chunk(self, number: int, ledger: Ledger, notify: Callable[[str], None]) -> None:
        programs, devices = self._programs[0], len(self._programs)
        busy, trainer = 1, None
        if number == 0 and devices > 1 and not programs.streamed:  # images of the host come to one device
            if self._trainer is None:
                began = time.perf_counter()
                self._trainer = MeshSupernet(
                    self._config, programs.problem, programs.images, sharding.local_devices(devices)
                )
                self._parts[0] = self._trainer.spread(self._parts[0])
                for device in range(devices):
                    ledger.standing(device, "compiling", "compiling", time.perf_counter() - began)
            trainer, busy = self._trainer, len(self._trainer.devices)
        watch = Stopwatch()
        fixed = None if number == 0 else (self._variable, number - 1)
        if trainer is not None:
            state, loss = trainer.train_supernet(self._parts[number])
        else:
            state, loss = programs.train_supernet(self._parts[number], fixed)
        seconds, stood = watch.read()
        self._parts[number] = state
        charge_standstill(ledger, range(devices), stood, notify)
        for device in range(busy):
            ledger.spend(device, "training", "supernet", seconds)
        for device in range(busy, devices):
            ledger.idle(device, ledger.clock[0])
        if not math.isfinite(loss):
            checkpoint.delete(self._folder.supernet(number))
            raise InputError(f"the supernet diverged (loss {loss}); lower --learning-rate")
        if self._done(state):
            self._parts[number] = sharding.place(state, programs.device)
        if time.perf_counter() - self._saved > CHECKPOINT_EVERY_S or self._done(state):
            self._save(number)
        notify(f"supernet {number}: step {int(state.step)} of {int(state.total)}, loss {loss:.3f}")

    def _save(self, number: int) -> None:
        checkpoint.save(self._folder.supernet(number), sharding.place(self._parts[number], self._programs[0].device))
        self._saved = time.perf_counter()

    def errors(self, programs: DevicePrograms, genomes: np.ndarray) -> np.ndarray:
        """Validation errors (n,) of paths (n, d), each with the weights of its supernet."""
        errors = np.empty(len(genomes))
        which = 1 + genomes[:, self._variable] if self._few_shot else np.zeros(len(genomes), int)
        for number in np.unique(which):
            rows = np.flatnonzero(which == number)
            state = sharding.place(self._parts[number], programs.device)
            errors[rows] = programs.scores(state, genomes[rows])
        return errors
