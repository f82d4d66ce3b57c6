"""Candidates trained at once on one device: K slots, one program, and no compilation when one takes another's place.

A training enters a free slot, and leaves it when it ends, fails or is cut; all slots move on by a chunk of steps in one
call, each with its own weights, genome, key and place in its schedule. What lies in a free slot is computed too, and
forgotten. A state taken out of its slot is that of the same training alone, within rounding: `Alone`, another device
and another K go on with it.

On an accelerator one small network leaves most of the device idle, and how many at once pay is measured (`choose`). On
a CPU one does: every core is a device with its own candidate, and there the convolutions of many networks in one
operation are slower than one network after the other, so that several at once are used where a number asks for them.

Letters: K slots, d variables of a genome.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.live.programs import DevicePrograms, train_config
from jcenas.runtime import sharding
from jcenas.runtime.compilation import Program
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.population import make_population
from jcenas.train.training import TrainState, make_trainer

Genome = tuple[int, ...]

LADDER = (1, 4, 16, 64)  # numbers at once that are measured, until one does not pay
PAYS = 1.2  # as many trainings in a device-second as with the number before, or more
MOST_SHARE = 0.25  # of the device time of a search, after which no further number is compiled and measured


class Slots(Protocol):
    """The programs of a device's K slots. `states` is what `empty` gave, as the last call left it."""

    count: int

    def empty(self) -> Any:
        """States of K free slots."""
        ...

    def put(self, states: Any, slot: int, state: TrainState) -> Any:
        """The states with a training in a slot; the old ones are donated."""
        ...

    def take(self, states: Any, slot: int) -> TrainState:
        """The training in a slot, as one alone."""
        ...

    def train(self, states: Any, genomes: Sequence[Genome | None]) -> tuple[Any, list[float]]:
        """Train a chunk of each of K genomes, None in a free slot; mean losses, of no meaning there. Donates."""
        ...

    def seconds_per_epoch(self, genome: Genome) -> float:
        """Measured device-seconds of an epoch of one candidate where all slots train; one chunk is timed."""
        ...

    def on(self, programs: DevicePrograms) -> "Slots":
        """As many of the device of these programs, which are of the same networks."""
        ...

    def wait(self) -> None:
        """Wait until everything is compiled."""
        ...


class Alone:
    """One slot: the programs of `DevicePrograms` and nothing else."""

    count = 1

    def __init__(self, programs: DevicePrograms):
        """Bind."""
        self._programs = programs

    def empty(self) -> None:
        """Nothing."""

    def put(self, states: TrainState | None, slot: int, state: TrainState) -> TrainState:
        """The training itself."""
        del states, slot
        return state

    def take(self, states: TrainState, slot: int) -> TrainState:
        """The training itself."""
        del slot
        return states

    def train(self, states: TrainState, genomes: Sequence[Genome | None]) -> tuple[TrainState, list[float]]:
        """Train one chunk."""
        [genome] = genomes
        assert genome is not None, "the only slot is free"
        state, loss = self._programs.train_candidate(states, genome)
        return state, [loss]

    def seconds_per_epoch(self, genome: Genome) -> float:
        """Of one candidate alone."""
        return self._programs.seconds_per_epoch(genome)

    def on(self, programs: DevicePrograms) -> "Alone":
        """One of that device."""
        return Alone(programs)

    def wait(self) -> None:
        """Wait until everything is compiled."""
        self._programs.wait()


class SideBySide:
    """K slots in one program: the network that does not branch, under `vmap` over weights and genomes."""

    def __init__(self, programs: DevicePrograms, count: int):
        """Trace, and begin to compile for the device of `programs`; minutes may pass for many at once."""
        if programs.streamed:
            raise InputError(f"--side-by-side {count}: images that stay on the host come to one candidate; use 1")
        self.count, self._programs = count, programs
        device, data = programs.device, programs.images
        self._size = len(programs.problem.space.cardinalities)
        # As on an accelerator, whatever the device: branches under `vmap` run all of them.
        network = programs.problem.network(on_cpu=False)
        trainer = make_trainer(network, train_config(programs.config), data, genome_size=self._size)
        population = make_population(trainer, within="vmap")
        one, alone = (jax.eval_shape(t.init, jax.random.key(0), jnp.int32(1)) for t in (trainer, programs.trainer))
        if _shapes(one) != _shapes(alone):
            raise InputError(
                f"--side-by-side {count}: the network of problem {programs.problem.name} has other weights there than "
                "alone; use 1"
            )
        many = jax.eval_shape(self._spread, one)
        genomes = np.zeros((count, trainer.chunk_steps, self._size), np.int32)
        compiled = functools.partial(Program, device=device)
        self._compiled = {
            "chunk": compiled(population.chunk, many, genomes, data, donate_argnums=0),
            "spread": compiled(self._spread, one),
            "put": compiled(_put, many, jnp.int32(0), one, donate_argnums=0),
            "take": compiled(_take, many, jnp.int32(0)),
        }

    def _spread(self, state: TrainState) -> TrainState:
        return jax.tree.map(lambda leaf: jnp.stack([leaf] * self.count), state)

    def empty(self) -> TrainState:
        """K times one training's first state: finite numbers for what is computed in free slots."""
        return self._compiled["spread"](self._programs.init(jax.random.key(0), 1))

    def put(self, states: TrainState, slot: int, state: TrainState) -> TrainState:
        """The states with a training in a slot."""
        return self._compiled["put"](states, self._place(np.int32(slot)), state)

    def take(self, states: TrainState, slot: int) -> TrainState:
        """The training in a slot."""
        return self._compiled["take"](states, self._place(np.int32(slot)))

    def train(self, states: TrainState, genomes: Sequence[Genome | None]) -> tuple[TrainState, list[float]]:
        """Train one chunk of all slots."""
        rows = np.array([(0,) * self._size if genome is None else genome for genome in genomes], np.int32)
        paths = np.repeat(rows[:, None], self._programs.trainer.chunk_steps, axis=1)
        states, losses = self._compiled["chunk"](states, self._place(paths), self._programs.data)
        return states, np.asarray(losses).tolist()

    def seconds_per_epoch(self, genome: Genome) -> float:
        """Of one candidate where all slots train this genome."""
        states, trainer = self.empty(), self._programs.trainer
        jax.block_until_ready(states)
        watch = Stopwatch()
        self.train(states, [genome] * self.count)
        return watch.read()[0] * (trainer.steps_per_epoch // trainer.chunk_steps) / self.count

    def on(self, programs: DevicePrograms) -> "SideBySide":
        """Those of another device, which are not traced again."""
        return _copied(self, programs)

    def wait(self) -> None:
        """Wait until everything is compiled."""
        self._programs.wait()
        for program in self._compiled.values():
            program.wait()

    def _place(self, array: Any) -> jax.Array:
        return sharding.place(array, self._programs.device)


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.shape, tree)


def _put(states: TrainState, slot: jax.Array, state: TrainState) -> TrainState:
    return jax.tree.map(lambda many, one: many.at[slot].set(one), states, state)


def _take(states: TrainState, slot: jax.Array) -> TrainState:
    return jax.tree.map(lambda many: many[slot], states)


def slots_of(programs: DevicePrograms, count: int) -> Slots:
    """The slots of a device, so many; kept from one search of a process to the next, as `programs` are."""
    return Alone(programs) if count == 1 else _side_by_side(programs, count)


@functools.lru_cache(maxsize=16)
def _copied(slots: SideBySide, programs: DevicePrograms) -> SideBySide:
    other = copy.copy(slots)
    other._programs = programs
    other._compiled = {name: program.on(programs.device) for name, program in slots._compiled.items()}
    return other


@functools.lru_cache(maxsize=16)
def _side_by_side(programs: DevicePrograms, count: int) -> SideBySide:
    return SideBySide(programs, count)


def choose(
    epochs_s: Callable[[int], tuple[float, ...]], *, most: int, limit_s: float
) -> tuple[int, dict[int, tuple[float, ...]]]:
    """How many at once train most in a device-second: 1, 4, 16, ... as long as the next pays.

    Args:
        epochs_s: from a number at once to the device-seconds of an epoch of some networks, of one candidate each.
        most: larger numbers are not tried.
        limit_s: seconds of measuring and compiling after which no larger number is tried.

    Returns:
        The number, and what was measured by number: of more than it where the last did not pay.
    """
    watch, chosen = Stopwatch(), LADDER[0]
    measured = {chosen: epochs_s(chosen)}
    for count in LADDER[1:]:
        if count > most or watch.read()[0] > limit_s:
            break
        try:
            measured[count] = epochs_s(count)
        except InputError:  # these networks cannot be trained so
            break
        except jax.errors.JaxRuntimeError as error:
            if not _out_of_memory(error):
                raise
            break
        if sum(measured[chosen]) < PAYS * sum(measured[count]):
            break
        chosen = count
    return chosen, measured


@contextmanager
def refusing_too_many(count: int) -> Iterator[None]:
    """Raise `InputError` where the device has no room for so many networks at once."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if count == 1 or not _out_of_memory(error):
            raise
        raise InputError(f"--side-by-side {count}: a device has no room for so many networks; give fewer") from error


def _out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error)
