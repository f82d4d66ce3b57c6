"""The compiled programs of a search on one device: train a chunk, score paths, measure accuracy.

Everything is compiled ahead of the first hour, so that no device time of the run goes into compilation; the second
candidate, the hundredth and the supernet run the same executables.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.live.config import SearchConfig
from jcenas.nets import CellNetwork, FixedNetwork, Macro
from jcenas.proxies.one_shot import make_score, supernet_paths
from jcenas.runtime import compilation, sharding
from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, TrainState, make_trainer

CHUNK_STEPS = 50
LATENCY_REPEATS = 30
SCORE_IMAGES = 1000
_COMPILERS = 2


def macro_of(config: SearchConfig, data: ImageSet) -> Macro:
    """Everything about the candidates but their cells."""
    height, _, image_channels = data.image_shape
    return Macro(
        image_size=height,
        image_channels=image_channels,
        classes=data.classes,
        channels=config.channels,
        cells=config.cells,
    )


class DevicePrograms:
    """Executables bound to one device. `device` may be a mesh of several for the supernet only."""

    def __init__(self, config: SearchConfig, data: ImageSet, device: sharding.Device):
        """Trace and compile; seconds pass on a cold compilation cache."""
        self.device, self.config = device, config
        cpu = sharding.on_cpu([device])
        self._network = CellNetwork(
            data.classes, channels=config.channels, cells=config.cells, choose="branch" if cpu else "blend"
        )
        self.trainer = make_trainer(self._network, train_config(config), data)
        self.data = sharding.place(data, device)
        score = make_score(self._network, images=SCORE_IMAGES, together=1 if cpu else config.proposals)
        key, total = jax.random.key(0), jnp.int32(1)
        state = jax.eval_shape(self.trainer.init, key, total)
        genomes, genome = np.zeros((self.trainer.chunk_steps, 6), np.int32), np.zeros(6, np.int32)
        batch = np.zeros((config.proposals, 6), np.int32)
        with ThreadPoolExecutor(_COMPILERS) as pool:

            def compiled(function: Callable, *arguments: Any, **options: Any) -> Future:
                """Trace here, compile beside the tracing of the next: compiling needs no Python."""
                jitted = compilation.jit(function, platform=device.platform, **options)
                return pool.submit(jitted.lower(*sharding.abstract(arguments, device)).compile)

            chunk = compiled(self.trainer.chunk, state, genomes, data, donate_argnums=0)
            init = compiled(self.trainer.init, key, total)
            accuracy = compiled(self.trainer.accuracy, state, genome, data.validation, data)
            scores = compiled(score, state, batch, data)
            steps = self.trainer.chunk_steps
            paths = compiled(lambda state: supernet_paths(state, steps), state)
        self._init, self._chunk, self._paths = init.result(), chunk.result(), paths.result()
        self._accuracy, self._score = accuracy.result(), scores.result()
        self._test_accuracy = compilation.jit(self.trainer.accuracy, platform=device.platform)

    def init(self, key: jax.Array, epochs: int) -> TrainState:
        """Fresh weights for a training of so many epochs."""
        total = jnp.int32(epochs * self.trainer.steps_per_epoch)
        return self._init(*sharding.place((key, total), self.device))

    def train_candidate(self, state: TrainState, genome: tuple[int, ...]) -> tuple[TrainState, float]:
        """Train one chunk of one cell; the state is donated. Returns the mean loss, NaN or infinite if it diverged."""
        genomes = self._put(np.tile(np.array(genome, np.int32), (self.trainer.chunk_steps, 1)))
        state, loss = self._chunk(state, genomes, self.data)
        return state, float(loss)

    def train_supernet(self, state: TrainState) -> tuple[TrainState, float]:
        """Train one chunk of the supernet, a uniformly drawn path at every step; the state is donated."""
        state, loss = self._chunk(state, self._paths(state), self.data)
        return state, float(loss)

    def validation_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the validation part."""
        return 1.0 - float(
            self._accuracy(state, self._put(np.array(genome, np.int32)), self.data.validation, self.data)
        )

    def test_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the test part; for the report at the end only."""
        return 1.0 - float(self._test_accuracy(state, self._put(np.array(genome, np.int32)), self.data.test, self.data))

    def scores(self, supernet: TrainState, genomes: np.ndarray) -> np.ndarray:
        """Validation errors (n,) of paths (n, 6), n = config.proposals, with the supernet's weights."""
        return np.asarray(self._score(supernet, self._put(genomes.astype(np.int32)), self.data))

    def latency_s(self, genome: tuple[int, ...], batch: int) -> float:
        """Median seconds of one call of the compiled candidate on this device; its weights do not matter."""
        config = self.config
        network = FixedNetwork(tuple(genome), self.data.classes, channels=config.channels, cells=config.cells)
        images = scale(self.data.train.images[:1], self.data).repeat(batch, axis=0)
        variables = jax.eval_shape(network.init, jax.random.key(0), images)
        variables = sharding.place(jax.tree.map(lambda x: jnp.full(x.shape, 0.01, x.dtype), variables), self.device)
        call = _compile(compilation.jit(network.apply, platform=self.device.platform), variables, images)
        times = []
        for _ in range(LATENCY_REPEATS):
            began = time.perf_counter()
            jax.block_until_ready(call(variables, images))
            times.append(time.perf_counter() - began)
        return float(np.median(times))

    def seconds_per_epoch(self) -> tuple[float, float]:
        """Measured seconds of an epoch of a middling cell (one of each operation), and of one of the supernet."""
        chunks = self.trainer.steps_per_epoch // self.trainer.chunk_steps
        times = []
        for train in (lambda state: self.train_candidate(state, (0, 1, 2, 3, 4, 3)), self.train_supernet):
            state = self.init(jax.random.key(1), 1)
            began = time.perf_counter()
            train(state)
            times.append((time.perf_counter() - began) * chunks)
        return times[0], times[1]

    def _put(self, array: Any) -> jax.Array:
        return sharding.place(array, self.device)


class MeshSupernet:
    """Data-parallel training of the supernet over several devices: the same mathematics as on one."""

    def __init__(self, config: SearchConfig, data: ImageSet, devices: list[sharding.Device]):
        """Compile for as many devices as divide the batch."""
        count = max(n for n in range(1, len(devices) + 1) if config.batch_size % n == 0)
        self.devices = devices[:count]
        mesh = sharding.data_mesh(self.devices)
        self._everywhere = sharding.replicated(mesh)
        cpu = sharding.on_cpu(devices)
        network = CellNetwork(
            data.classes, channels=config.channels, cells=config.cells, choose="branch" if cpu else "blend"
        )
        self.trainer = make_trainer(network, train_config(config), data, batch_sharding=sharding.split(mesh))
        self.data = jax.device_put(data, self._everywhere)
        self._chunk = compilation.jit(self._step, platform=devices[0].platform, donate_argnums=0)

    def _step(self, state: TrainState, data: ImageSet) -> tuple[TrainState, jax.Array]:
        return self.trainer.chunk(state, supernet_paths(state, self.trainer.chunk_steps), data)

    def spread(self, state: TrainState) -> TrainState:
        """Lay a state on all devices, and compile for it."""
        state = jax.device_put(state, self._everywhere)
        self._chunk = _compile(self._chunk, state, self.data)
        return state

    def train_supernet(self, state: TrainState) -> tuple[TrainState, float]:
        """Train one chunk; the state is donated."""
        state, loss = self._chunk(state, self.data)
        return state, float(loss)


def train_config(config: SearchConfig) -> TrainConfig:
    """The training recipe of a search."""
    return TrainConfig(batch_size=config.batch_size, learning_rate=config.learning_rate, chunk_steps=CHUNK_STEPS)


def _compile(jitted: Any, *arguments: Any) -> Any:
    return jitted.lower(*arguments).compile()
