"""The weights of a run's supernets on the devices of one process: trained a chunk at a time, saved, and read again.

One-shot: one supernet. Few-shot: it is split on one variable, such as the operation of an edge, into a supernet for
each of its values, which train on with the weights that they inherit (Zhao et al., arXiv 2006.06863, section 3.2).
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.interrupted import CHECKPOINT_EVERY_S, load_or_begin
from jcenas.live.programs import DevicePrograms, MeshSupernet
from jcenas.live.run_folder import RunFolder
from jcenas.proxies.few_shot import split
from jcenas.runtime import checkpoint, sharding
from jcenas.runtime.running_time import Stopwatch, Took
from jcenas.train.training import TrainState

SPLIT_SHARE = 0.25  # of the supernet's epochs that each part trains on
_SUPERNET_KEY = 2**31 - 1  # folded into the run's key; candidates use their numbers


class SupernetChunk(NamedTuple):
    """What a chunk of a supernet's training showed."""

    number: int  # of the supernet: 0, or a part's
    step: int
    total: int
    loss: float
    took: Took
    busy: int  # devices that trained
    compiled_s: float  # that all devices compiled for before
    done: bool  # whether nothing is left to be trained
    said: tuple[str, ...]  # what the user should know


class SupernetWeights:
    """One supernet, or one for each value of a variable; trained chunk by chunk, resumable."""

    def __init__(self, config: SearchConfig, programs: list[DevicePrograms], *, few_shot: bool):
        """Bind; weights are made or read on first use."""
        self._config, self._programs, self._few_shot = config, programs, few_shot
        self._variable = programs[0].problem.split
        self._parts: list[TrainState] = []
        self._trainer: MeshSupernet | None = None
        self._saved = time.perf_counter()

    def open(self, folder: RunFolder) -> None:
        """The run has a folder."""
        self._folder, self._parts = folder, []

    def restore(self, notify: Callable[[str], None]) -> bool:
        """Make the weights or read them, as far as they were saved; whether all are trained."""
        if not self._parts:
            whole = self._load(0, self._fresh(), notify)
            self._parts = [whole]
        return self._next(notify) is None

    def _fresh(self) -> TrainState:
        key = jax.random.fold_in(jax.random.key(self._config.seed), _SUPERNET_KEY)
        return self._programs[0].init(key, self._config.supernet_epochs)

    def _load(self, number: int, fresh: TrainState, notify: Callable[[str], None]) -> TrainState:
        """A saved supernet; where there is none, or it is damaged, the fresh one, which is trained (again)."""
        folder = self._folder.supernet(number)
        return load_or_begin(folder, fresh, f"supernet {number}", notify)

    def _split(self, whole: TrainState, notify: Callable[[str], None]) -> None:
        chunk_steps = self._programs[0].trainer.chunk_steps
        steps = max(1, int(SPLIT_SHARE * int(whole.total)) // chunk_steps) * chunk_steps
        many = self._programs[0].problem.space.cardinalities[self._variable]
        stacked = split(whole, jnp.int32(steps), many)
        parts = [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(many)]
        parts = [self._load(number, part, notify) for number, part in enumerate(parts, 1)]
        self._parts = [whole, *(sharding.place(part, self._programs[0].device) for part in parts)]

    @staticmethod
    def _done(state: TrainState) -> bool:
        return int(state.step) >= int(state.total)

    def _next(self, notify: Callable[[str], None]) -> int | None:
        """The supernet to train next; None where all are done."""
        if self._few_shot and len(self._parts) == 1 and self._done(self._parts[0]):
            self._split(self._parts[0], notify)
        return next((i for i, part in enumerate(self._parts) if not self._done(part)), None)

    def chunk(self) -> SupernetChunk:
        """Train the next chunk, and save it from time to time.

        Raises:
            InputError: the loss became NaN or infinite.
        """
        said: list[str] = []
        number = self._next(said.append)
        assert number is not None, "something is left to be trained"
        programs, trainer, compiled_s = self._programs[0], None, 0.0
        if number == 0 and len(self._programs) > 1 and not programs.streamed:  # images of the host come to one device
            trainer, compiled_s = self._on_all()
        watch = Stopwatch()
        fixed = None if number == 0 else (self._variable, number - 1)
        if trainer is not None:
            state, loss = trainer.train_supernet(self._parts[number])
        else:
            state, loss = programs.train_supernet(self._parts[number], fixed)
        took = watch.read()
        self._parts[number] = state
        if not math.isfinite(loss):
            checkpoint.delete(self._folder.supernet(number))
            raise InputError(f"the supernet diverged (loss {loss}); lower --learning-rate")
        step, total = int(state.step), int(state.total)
        if step >= total:
            self._parts[number] = sharding.place(state, programs.device)
        if time.perf_counter() - self._saved > CHECKPOINT_EVERY_S or step >= total:
            self._save(number)
        busy, done = 1 if trainer is None else len(trainer.devices), self._next(said.append) is None
        return SupernetChunk(number, step, total, loss, took, busy, compiled_s, done, tuple(said))

    def _on_all(self) -> tuple[MeshSupernet, float]:
        """The trainer on all devices, and the seconds that they compiled for it now."""
        if self._trainer is not None:
            return self._trainer, 0.0
        began, programs = time.perf_counter(), self._programs[0]
        self._trainer = MeshSupernet(
            self._config, programs.problem, programs.images, sharding.local_devices(len(self._programs))
        )
        self._parts[0] = self._trainer.spread(self._parts[0])
        return self._trainer, time.perf_counter() - began

    def save(self) -> None:
        """Write the checkpoint of the supernet in training."""
        number = self._next(lambda line: None)
        if number is not None:
            self._save(number)

    def _save(self, number: int) -> None:
        checkpoint.save(self._folder.supernet(number), sharding.place(self._parts[number], self._programs[0].device))
        self._saved = time.perf_counter()

    def errors(self, programs: DevicePrograms, genomes: np.ndarray) -> np.ndarray:
        """Validation errors (n,) of paths (n, d), each with the weights of its supernet."""
        if not self._parts:  # another device trained them
            self.restore(lambda line: None)
        errors = np.empty(len(genomes))
        which = 1 + genomes[:, self._variable] if self._few_shot else np.zeros(len(genomes), int)
        for number in np.unique(which):
            rows = np.flatnonzero(which == number)
            state = sharding.place(self._parts[number], programs.device)
            errors[rows] = programs.scores(state, genomes[rows])
        return errors
