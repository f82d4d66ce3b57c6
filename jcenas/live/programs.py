"""The compiled programs of a search on one device: train a chunk, score paths, measure accuracy.

Everything is compiled ahead of the first hour and charged there; the second candidate, the hundredth and the supernet
run the same executables.
"""

import copy
import functools
import math
import time
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import registry
from jcenas.carbon.meters.metering import Metering
from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.problems.network import NetworkProblem, Skeleton
from jcenas.proxies.one_shot import make_score, supernet_paths, with_choice
from jcenas.proxies.zero_shot import make_proxy
from jcenas.runtime import compilation, sharding
from jcenas.runtime.compilation import Program
from jcenas.train.augment import scale
from jcenas.train.host_set import HostSet
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, TrainState, make_trainer

CHUNK_STEPS = 50
SCORE_BATCH = 8  # cells scored in a call
LATENCY_BATCHES = (1, 64)
LATENCY_REPEATS = 30
ENERGY_LEAST_S = 1.0  # of inferences between two readings of a meter
ENERGY_UPDATES = 20  # changes of the meter's counter in that time at least: its resolution is then 5 %
ENERGY_TRIES = 3
SCORE_IMAGES = 1000


def make_problem(config: SearchConfig, data: ImageSet | HostSet) -> NetworkProblem:
    """The problem that a run names, with the run's skeleton; its reference and times are not known yet.

    Raises:
        InputError: the networks do not take such images.
    """
    height, width, image_channels = data.image_shape
    if height != width:
        raise InputError(f"the images are {height} x {width}; the networks take square ones")
    assert config.channels is not None, "set by SearchConfig"
    assert config.cells is not None, "set by SearchConfig"
    skeleton = Skeleton(
        image_size=height,
        image_channels=image_channels,
        classes=data.classes,
        channels=config.channels,
        cells=config.cells,
    )
    return registry.load("problem", config.problem)(skeleton=skeleton, cost_names=tuple(config.cost))


class DevicePrograms:
    """Executables of one device, on its `sharding.home`: only those that the run's cheap stage needs."""

    streamed = False  # whether the images stay on the host, see `jcenas.live.streamed`

    def __init__(self, config: SearchConfig, problem: NetworkProblem, images: Any, device: sharding.Device):
        """Trace, and begin to compile.

        Args:
            config: of the run.
            problem: whose networks are trained.
            images: the `ImageSet`; a subclass may take another kind.
            device: that the programs run on.
        """
        self.config, self.problem, self.images = config, problem, images
        self.score_batch = SCORE_BATCH
        self._start: Any = None  # what a training-free score has prepared
        stage = stage_from_name(config.stage)
        cpu = sharding.on_cpu([device])
        space, d = problem.space, len(problem.space.cardinalities)
        self._network = problem.network(on_cpu=cpu)
        self.trainer = make_trainer(self._network, train_config(config), images, genome_size=d)
        data = self._on_device()
        self._bind(sharding.home(device), data)
        key, total = jax.random.key(0), jnp.int32(1)
        batch, together = np.zeros((SCORE_BATCH, d), np.int32), 1 if cpu else SCORE_BATCH
        compiled = functools.partial(Program, device=self.device)
        init = compiled(self.trainer.init, key, total)
        state = init.results
        self._compiled = {"init": init, **self._training_programs(compiled, state, data)}
        if stage.supernet:
            score = make_score(self._network, images=SCORE_IMAGES, together=together)
            self._compiled["score"] = compiled(score, state, batch, data)
            steps = self.trainer.chunk_steps
            self._compiled["paths"] = compiled(lambda state: supernet_paths(space, state, steps), state)
        elif stage.score:
            proxy = make_proxy(registry.load("proxy", stage.score), self._network, together=together, variables=d)
            start = jax.jit(proxy.prepare)(jax.random.key(config.seed), data)
            self._start = sharding.place(start, self.device)
            self._compiled["proxy"] = compiled(proxy.score, start, batch)
        self._test_accuracy = compilation.jit(self.trainer.accuracy, platform=device.platform)

    def on(self, device: sharding.Device) -> Self:
        """The same programs for another device, which are not traced again; on a CPU, not even compiled."""
        other = copy.copy(self)
        other._bind(sharding.home(device), self.data)
        other._start = sharding.place(self._start, other.device)
        other._compiled = {name: program.on(other.device) for name, program in self._compiled.items()}
        return other

    def wait(self) -> None:
        """Wait until everything is compiled."""
        for program in self._compiled.values():
            program.wait()

    def _bind(self, device: sharding.Device, data: ImageSet) -> None:
        """Lay on a device what the programs read there."""
        self.device, self.data = device, sharding.place(data, device)

    def _on_device(self) -> ImageSet:
        """What of the images lies on the device."""
        return self.images

    def _training_programs(self, compiled: Callable[..., Program], state: TrainState, data: ImageSet) -> dict:
        """The programs that train and that measure the validation error, by name."""
        d = len(self.problem.space.cardinalities)
        genomes, genome = np.zeros((self.trainer.chunk_steps, d), np.int32), np.zeros(d, np.int32)
        return {
            "chunk": compiled(self.trainer.chunk, state, genomes, data, donate_argnums=0),
            "accuracy": compiled(self.trainer.accuracy, state, genome, data.validation, data),
        }

    def init(self, key: jax.Array, epochs: int) -> TrainState:
        """Fresh weights for a training of so many epochs."""
        total = jnp.int32(epochs * self.trainer.steps_per_epoch)
        return self._compiled["init"](*sharding.place((key, total), self.device))

    def train_candidate(self, state: TrainState, genome: tuple[int, ...]) -> tuple[TrainState, float]:
        """Train one chunk of one cell; the state is donated. Returns the mean loss, NaN or infinite if it diverged."""
        genomes = self._put(np.tile(np.array(genome, np.int32), (self.trainer.chunk_steps, 1)))
        state, loss = self._compiled["chunk"](state, genomes, self.data)
        return state, float(loss)

    def train_supernet(self, state: TrainState, fixed: tuple[int, int] | None = None) -> tuple[TrainState, float]:
        """Train one chunk of the supernet, a uniformly drawn path at every step; the state is donated.

        Args:
            state: of the supernet.
            fixed: (variable, choice): that variable always has that choice; None leaves all of them free.
        """
        paths = self._compiled["paths"](state)
        if fixed is not None:
            paths = self._put(np.asarray(with_choice(self.problem.space, jnp.asarray(paths), *fixed)))
        state, loss = self._compiled["chunk"](state, paths, self.data)
        return state, float(loss)

    def validation_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the validation part."""
        right = self._compiled["accuracy"](
            state, self._put(np.array(genome, np.int32)), self.data.validation, self.data
        )
        return 1.0 - float(right)

    def test_error(self, state: TrainState, genome: tuple[int, ...]) -> float:
        """Share of wrong answers on the test part; for the report at the end only."""
        return 1.0 - float(self._test_accuracy(state, self._put(np.array(genome, np.int32)), self.data.test, self.data))

    def scores(self, supernet: TrainState, genomes: np.ndarray) -> np.ndarray:
        """Validation errors (n,) of paths (n, d), n at most `score_batch`, with the supernet's weights."""
        return np.asarray(self._compiled["score"](supernet, self._padded(genomes), self.data))[: len(genomes)]

    def training_free(self, genomes: np.ndarray) -> np.ndarray:
        """Training-free scores (n,) of architectures (n, d), n at most `score_batch`; larger is better."""
        return np.asarray(self._compiled["proxy"](self._start, self._padded(genomes)))[: len(genomes)]

    def _padded(self, genomes: np.ndarray) -> jax.Array:
        """Genomes (n, d) as a whole batch, repeated."""
        return self._put(np.resize(genomes.astype(np.int32), (SCORE_BATCH, genomes.shape[1])))

    def latency_s(self, genome: tuple[int, ...], batch: int) -> float:
        """Median seconds of one call of the compiled candidate on this device; its weights do not matter."""
        infer, times = self._inference(genome, batch), []
        for _ in range(LATENCY_REPEATS):
            began = time.perf_counter()
            infer()
            times.append(time.perf_counter() - began)
        return float(np.median(times))

    def inference_energy_j(self, genome: tuple[int, ...], batch: int, meter: Metering, device: int) -> float:
        """Joules of one image in calls of `batch`: all that the device draws meanwhile; NaN where that cannot be read.

        Args:
            genome: of the candidate; its weights do not matter.
            batch: images a call.
            meter: that counts the device alone.
            device: its number in the run.
        """
        infer = self._inference(genome, batch)
        infer()  # the first call is slower
        least_s = max(ENERGY_LEAST_S, ENERGY_UPDATES * meter.updates_s())
        for _ in range(ENERGY_TRIES):
            calls, began, before = 0, time.perf_counter(), meter.counted(device)
            while time.perf_counter() - began < least_s:
                infer()
                calls += 1
            after = meter.counted(device)
            if after[1] == before[1] and after[0] > before[0]:
                return (after[0] - before[0]) / (calls * batch)
        return math.nan

    def _inference(self, genome: tuple[int, ...], batch: int) -> Callable[[], Any]:
        """One call of the compiled candidate, waited for."""
        network = self.problem.fixed(tuple(genome))
        images = scale(self.data.train.images[:1], self.data).repeat(batch, axis=0)
        variables = jax.eval_shape(network.init, jax.random.key(0), images)
        variables = sharding.place(jax.tree.map(lambda x: jnp.full(x.shape, 0.01, x.dtype), variables), self.device)
        call = _compile(compilation.jit(network.apply, platform=self.device.platform), variables, images)
        return lambda: jax.block_until_ready(call(variables, images))

    def latencies_s(self, genome: tuple[int, ...]) -> dict[int, float]:
        """Latency by batch size."""
        return {batch: self.latency_s(genome, batch) for batch in LATENCY_BATCHES}

    def seconds_per_epoch(self, genome: tuple[int, ...] | None) -> float:
        """Measured seconds of an epoch of one cell, or of the supernet; one chunk of steps is timed."""
        chunks = self.trainer.steps_per_epoch // self.trainer.chunk_steps
        state = self.init(jax.random.key(1), 1)
        began = time.perf_counter()
        if genome is None:
            self.train_supernet(state)
        else:
            self.train_candidate(state, genome)
        return (time.perf_counter() - began) * chunks

    def _put(self, array: Any) -> jax.Array:
        return sharding.place(array, self.device)


class MeshSupernet:
    """Data-parallel training of the supernet over several devices: the same mathematics as on one."""

    def __init__(self, config: SearchConfig, problem: NetworkProblem, data: ImageSet, devices: list[sharding.Device]):
        """Compile for as many devices as divide the batch."""
        count = max(n for n in range(1, len(devices) + 1) if config.batch_size % n == 0)
        self.devices = devices[:count]
        mesh = sharding.data_mesh(self.devices)
        self._everywhere = sharding.replicated(mesh)
        self._space, network = problem.space, problem.network(on_cpu=sharding.on_cpu(devices))
        size = len(self._space.cardinalities)
        self.trainer = make_trainer(
            network, train_config(config), data, batch_sharding=sharding.split(mesh), genome_size=size
        )
        self.data = jax.device_put(data, self._everywhere)
        self._chunk = compilation.jit(self._step, platform=devices[0].platform, donate_argnums=0)

    def _step(self, state: TrainState, data: ImageSet) -> tuple[TrainState, jax.Array]:
        return self.trainer.chunk(state, supernet_paths(self._space, state, self.trainer.chunk_steps), data)

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
