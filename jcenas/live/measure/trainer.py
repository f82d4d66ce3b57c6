"""Whole trainings of cells on one device: compiled once, then cell after cell, or several in every operation.

On a CPU each device trains the seeds of one cell, one after another, and the devices work side by side, each on cells
of its own: none waits for another, and the seconds are the cell's own. On an accelerator, whose time small networks
hardly fill, `TOGETHER` cells with all their seeds are in every operation of one program, for networks that blend their
operations (`jcenas.train.population`): eight cost less than twice the time of one. A blended network computes all
operations whichever a cell has, so that each cell's share of the seconds is the same.
"""

import copy
import functools
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.live.measure.config import MeasureConfig
from jcenas.live.programs import train_config
from jcenas.problems.network import NetworkProblem
from jcenas.proxies.synflow import synflow
from jcenas.proxies.zero_shot import make_proxy
from jcenas.runtime import sharding
from jcenas.runtime.compilation import Program
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.images import ImageSet
from jcenas.train.population import make_population
from jcenas.train.training import make_trainer

TOGETHER = 8
_PARTS = ("validation", "test")
_WEIGHTS, _SCORES = 1, 3  # added to the table's seed


class Trained(NamedTuple):
    """What is found of n cells, each trained with s seeds."""

    errors: np.ndarray  # (n, s, budgets, 2) % of the validation and the test images; NaN where a training diverged
    seconds: float  # of the device, for each training
    log_synflow: np.ndarray  # (n,) log(1 + synflow) of the untrained networks


def together_on(device: sharding.Device, problem: NetworkProblem) -> int:
    """Cells that a device trains at once."""
    blends = getattr(problem.network(on_cpu=False), "choose", None) == "blend"
    return TOGETHER if blends and not sharding.on_cpu([device]) else 1


class CellTrainer:
    """Executables bound to one device, for `together` cells at once."""

    def __init__(
        self,
        config: MeasureConfig,
        problem: NetworkProblem,
        data: ImageSet,
        device: sharding.Device,
        *,
        together: int,
    ):
        """Trace, and begin to compile.

        Args:
            config: of the table.
            problem: of the cells.
            data: to learn.
            device: to compile for.
            together: cells in a call; above 1 their network must blend.
        """
        self.device, self.together, self._seeds, self._budgets = device, together, config.seeds, config.budgets
        d, members = len(problem.space.cardinalities), together * config.seeds
        network = problem.network(on_cpu=together == 1 and sharding.on_cpu([device]))
        trainer = make_trainer(network, train_config(config.search), data, genome_size=d)
        population = make_population(trainer, within="map" if together == 1 else "vmap")
        self._chunk_steps, self._chunks = trainer.chunk_steps, trainer.steps_per_epoch // trainer.chunk_steps
        # The same for every cell, so that cells differ by what they are and not by the order of their images.
        weights = jax.random.key(config.seed + _WEIGHTS)
        self._keys = jax.vmap(jax.random.fold_in, (None, 0))(weights, jnp.tile(jnp.arange(config.seeds), together))
        proxy = make_proxy(synflow, network, together=together, variables=d)
        start = jax.jit(proxy.prepare)(jax.random.key(config.seed + _SCORES), data)
        self._start, self._data = sharding.place((start, data), device)
        self._total = jnp.int32(config.epochs * trainer.steps_per_epoch)
        self._counts, self._lightest = [len(getattr(data, part).labels) for part in _PARTS], problem.lightest
        state = jax.eval_shape(population.init, self._keys, self._total)
        genomes = np.zeros((members, d), np.int32)
        paths = np.zeros((members, trainer.chunk_steps, d), np.int32)
        compiled = functools.partial(Program, device=device)
        self._compiled = {
            "score": compiled(proxy.score, start, genomes[:together]),
            "init": compiled(population.init, self._keys, self._total),
            "chunk": compiled(population.chunk, state, paths, data, donate_argnums=0),
            **{part: compiled(population.accuracy, state, genomes, getattr(data, part), data) for part in _PARTS},
        }

    def on(self, device: sharding.Device) -> "CellTrainer":
        """The same on another device, which is not traced again."""
        other = copy.copy(self)
        other.device = sharding.home(device)
        other._start, other._data = sharding.place((self._start, self._data), other.device)
        other._compiled = {name: program.on(other.device) for name, program in self._compiled.items()}
        return other

    def warm_up(self) -> None:
        """The first call is slower, and waits for the compiler."""
        self.train(np.array([self._lightest]), lambda: True)

    def train(self, cells: np.ndarray, stopped: Callable[[], bool] = lambda: False) -> Trained | None:
        """Train cells (n, d), n at most `together`, from scratch with every seed.

        Args:
            cells: genomes.
            stopped: asked after every chunk of steps.

        Returns:
            What was found; None where it was stopped.
        """
        padded = np.resize(cells.astype(np.int32), (self.together, cells.shape[1]))
        scores = np.asarray(self._compiled["score"](self._start, self._put(padded)), float)[: len(cells)]
        members = np.repeat(padded, self._seeds, axis=0)
        genomes, watch = self._put(members), Stopwatch()
        paths = self._put(np.repeat(members[:, None], self._chunk_steps, axis=1))
        states = self._compiled["init"](*sharding.place((self._keys, self._total), self.device))
        found, finite = [], np.ones(len(members), bool)
        for begin, end in itertools.pairwise((0, *self._budgets)):
            for _ in range((end - begin) * self._chunks):
                states, losses = self._compiled["chunk"](states, paths, self._data)
                finite &= np.isfinite(np.asarray(losses))
                if stopped():
                    return None
            found.append(np.where(finite[:, None], self._errors(states, genomes), np.nan))
        errors = np.stack(found, axis=1).reshape(self.together, self._seeds, len(self._budgets), len(_PARTS))
        seconds = watch.read()[0] / (len(cells) * self._seeds)
        return Trained(errors[: len(cells)], seconds, np.logaddexp(0, scores))

    def _errors(self, states: Any, genomes: jax.Array) -> np.ndarray:
        """% of images that are wrong, float64 (members, 2)."""
        columns = []
        for part, count in zip(_PARTS, self._counts, strict=True):
            shares = self._compiled[part](states, genomes, getattr(self._data, part), self._data)
            columns.append(100 * (1 - np.round(np.asarray(shares, float) * count) / count))
        return np.stack(columns, axis=1)

    def _put(self, array: np.ndarray) -> jax.Array:
        return sharding.place(array, self.device)


def make_trainers(
    config: MeasureConfig, problem: NetworkProblem, data: ImageSet, devices: Sequence[sharding.Device]
) -> list[CellTrainer]:
    """One for each of these devices of one kind, compiled and called once."""
    first = CellTrainer(config, problem, data, devices[0], together=together_on(devices[0], problem))
    trainers = [first, *map(first.on, devices[1:])]
    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(CellTrainer.warm_up, trainers))
    return trainers
