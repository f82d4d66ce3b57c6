"""What one device does for a search: its programs, its slots and the weights in them. It knows no ledger and no loop.

An executor says what is to be done and charges what it took. The device may be in this process (`LocalDevice`) or in
another one, on another machine: what goes back and forth are numbers, genomes and paths of checkpoints; weights stay.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jcenas.carbon.meters.metering import Metering
from jcenas.live.config import SearchConfig
from jcenas.live.interrupted import load_or_begin
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.side_by_side import Genome, Slots
from jcenas.live.supernet_weights import SupernetChunk, SupernetWeights
from jcenas.runtime import checkpoint
from jcenas.runtime.running_time import Stopwatch, Took
from jcenas.train.training import TrainState

SAME_ERROR = 0.01  # of one network's validation errors on two kinds of device, which round differently


class DeviceLostError(Exception):
    """The device is gone with all that lay on it; says how."""


class Entered(NamedTuple):
    """A training that lies in a slot."""

    steps: int  # done
    total: int
    said: tuple[str, ...]  # what the user should know


class Tested(NamedTuple):
    """What saved weights show. The test error is NaN where they are not those that were evaluated."""

    validation_error: float
    test_error: float


class DeviceWork(Protocol):
    """A device at work. Every method may raise `DeviceLostError` where the device can be lost."""

    @property
    def count(self) -> int:
        """Slots."""
        ...

    @property
    def score_batch(self) -> int:
        """Proposals that are scored in a call."""
        ...

    @property
    def chunk_steps(self) -> int:
        """Steps that a training moves on in a call."""
        ...

    def open(self, folder: RunFolder) -> None:
        """The run has a folder: checkpoints lie there."""
        ...

    def enter(self, slot: int, proposal: int) -> Entered:
        """Put a training into a slot: from its checkpoint, or from the begin."""
        ...

    def train(self, genomes: Sequence[Genome | None]) -> tuple[list[float], Took]:
        """Train a chunk in every slot, None in a free one; mean losses."""
        ...

    def save(self, slot: int, proposal: int) -> None:
        """Write the checkpoint of a training."""
        ...

    def validation_error(self, slot: int, genome: Genome) -> tuple[float, Took]:
        """Share of wrong answers on the validation part."""
        ...

    def latencies_s(self, genome: Genome) -> tuple[dict[int, float], Took]:
        """Seconds of an inference by batch size."""
        ...

    def inference_energy_j(self, genome: Genome, meter: Metering, device: int) -> tuple[float, Took]:
        """Joules of an inference by a meter of this machine."""
        ...

    def training_free(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Training-free scores of at most `score_batch` architectures."""
        ...

    def begin_supernet(self) -> tuple[bool, tuple[str, ...]]:
        """Read the supernets as far as they were trained: whether they are done, and what the user should know."""
        ...

    def train_supernet(self) -> SupernetChunk:
        """Train the next chunk of the supernets.

        Raises:
            InputError: the loss became NaN or infinite.
        """
        ...

    def save_supernet(self) -> None:
        """Write the checkpoint of the supernet in training."""
        ...

    def supernet_errors(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Validation errors of at most `score_batch` paths with the supernets' weights."""
        ...

    def close(self) -> None:
        """The run is over; a second call does nothing."""
        ...

    def test(self, proposal: int, genome: Genome, recorded: float) -> tuple[Tested, Took]:
        """Errors with the saved weights of a proposal, whose recorded validation error they should give.

        Raises:
            DamagedCheckpointError: there are none, or not whole ones.
        """
        ...


class LocalDevice:
    """A device of this process."""

    def __init__(self, config: SearchConfig, programs: DevicePrograms, slots: Slots, supernet: SupernetWeights | None):
        """Bind; all slots are free.

        Args:
            config: of the run.
            programs: of the device.
            slots: of the device.
            supernet: weights that all devices of the process share; None where the stage has none.
        """
        self.programs, self.slots, self._config, self._supernet = programs, slots, config, supernet
        self.count, self.score_batch = slots.count, programs.score_batch
        self._states: Any = None

    @property
    def chunk_steps(self) -> int:
        """Steps of a chunk."""
        return self.programs.trainer.chunk_steps

    def open(self, folder: RunFolder) -> None:
        """The run has a folder."""
        self._folder = folder
        if self._supernet is not None:
            self._supernet.open(folder)

    def close(self) -> None:
        """Nothing to give back."""

    def enter(self, slot: int, proposal: int) -> Entered:
        """Put a training into a slot."""
        said: list[str] = []
        if self._states is None:
            self._states = self.slots.empty()
        key = jax.random.fold_in(jax.random.key(self._config.seed), proposal)
        fresh = self.programs.init(key, self._config.epochs)
        train = load_or_begin(self._folder.candidate(proposal), fresh, f"candidate {proposal}", said.append)
        entered = Entered(int(train.step), int(train.total), tuple(said))
        self._states = self.slots.put(self._states, slot, train)
        return entered

    def train(self, genomes: Sequence[Genome | None]) -> tuple[list[float], Took]:
        """Train a chunk in every slot."""
        watch = Stopwatch()
        self._states, losses = self.slots.train(self._states, genomes)
        return losses, watch.read()

    def _state(self, slot: int) -> TrainState:
        return self.slots.take(self._states, slot)

    def save(self, slot: int, proposal: int) -> None:
        """Write the checkpoint of a training."""
        checkpoint.save(self._folder.candidate(proposal), self._state(slot))

    def validation_error(self, slot: int, genome: Genome) -> tuple[float, Took]:
        """Share of wrong answers on the validation part."""
        train, watch = self._state(slot), Stopwatch()
        return self.programs.validation_error(train, genome), watch.read()

    def latencies_s(self, genome: Genome) -> tuple[dict[int, float], Took]:
        """Seconds of an inference by batch size."""
        watch = Stopwatch()
        return self.programs.latencies_s(genome), watch.read()

    def inference_energy_j(self, genome: Genome, meter: Metering, device: int) -> tuple[float, Took]:
        """Joules of an inference."""
        watch = Stopwatch()
        return self.programs.inference_energy_j(genome, self._config.latency_batch, meter, device), watch.read()

    def training_free(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Training-free scores."""
        watch = Stopwatch()
        return self.programs.training_free(np.array(genomes, np.int32)).tolist(), watch.read()

    def begin_supernet(self) -> tuple[bool, tuple[str, ...]]:
        """Read the supernets as far as they were trained."""
        said: list[str] = []
        done = self._weights.restore(said.append)
        return done, tuple(said)

    def train_supernet(self) -> SupernetChunk:
        """Train the next chunk of the supernets."""
        return self._weights.chunk()

    def save_supernet(self) -> None:
        """Write the checkpoint of the supernet in training."""
        self._weights.save()

    def supernet_errors(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Validation errors of paths."""
        watch = Stopwatch()
        return self._weights.errors(self.programs, np.array(genomes, np.int32)).tolist(), watch.read()

    @property
    def _weights(self) -> SupernetWeights:
        assert self._supernet is not None, "the stage has a supernet"
        return self._supernet

    def test(self, proposal: int, genome: Genome, recorded: float) -> tuple[Tested, Took]:
        """Errors with the saved weights of a proposal."""
        like = self.programs.init(jax.random.key(0), self._config.epochs)
        train = checkpoint.load(self._folder.candidate(proposal), like)
        watch = Stopwatch()
        found = self.programs.validation_error(train, genome)
        error = self.programs.test_error(train, genome) if abs(found - recorded) <= SAME_ERROR else math.nan
        return Tested(found, error), watch.read()
