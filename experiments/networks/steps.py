"""A network's training steps, made ready to be compiled and timed; and what a peer needs to be compared with it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.lib import recording
from experiments.networks.training_speed import Workload, data_of
from jcenas.nets import FixedNetwork
from jcenas.runtime import compilation
from jcenas.train.training import TrainConfig, Trainer, make_trainer

GENOME = (3, 2, 3, 1, 4, 3)
WARM_UP = 12  # steps, as the peers': the first ones of a program are up to 1.4 times slower

Compiled = Callable[..., Any]
Architectures = Callable[[int], jax.Array]  # steps -> what each of them trains, (steps, ...)


class Static(nn.Module):
    """A candidate whose operations are constants, called as a trainer calls a network."""

    network: FixedNetwork

    def __call__(self, images: jax.Array, genome: jax.Array, *, statistics: Any = "running") -> jax.Array:
        """Logits; the genome is that of the program."""
        del genome
        return self.network(images, statistics=statistics)


def trainer_of(network: nn.Module, workload: Workload, shape: int | tuple[int, ...], **recipe: Any) -> Trainer:
    """A trainer for the workload; `shape` is that of the architecture."""
    config = TrainConfig(batch_size=workload.batch_size, chunk_steps=workload.chunk_steps, **recipe)
    return make_trainer(network, config, data_of(workload), genome_size=shape)


def candidate(steps: int) -> jax.Array:
    """The cell of the benchmarks in every step."""
    return jnp.tile(jnp.asarray(GENOME, jnp.int32), (steps, 1))


class Steps:
    """The program of a network's training steps on a workload, with every architecture of one shape as data."""

    def __init__(self, network: nn.Module, workload: Workload, shape: tuple[int, ...], **recipe: Any):
        """Make the trainer; `recipe` is of `TrainConfig`."""
        self.workload, self.data = workload, data_of(workload)
        self.trainer = trainer_of(network, workload, shape, **recipe)
        self._init = jax.jit(self.trainer.init)

    def function(self) -> Any:
        """The jitted chunk of steps, new at every call; it donates the state."""
        return compilation.jit(self.trainer.chunk, donate_argnums=0)

    def arguments(self, architectures: Architectures) -> tuple[Any, ...]:
        """What a chunk is called with at the beginning of a training."""
        state = self._init(jax.random.key(0), jnp.int32(1000))
        return state, architectures(self.trainer.chunk_steps), self.data

    def time(self, compiled: Compiled, arguments: tuple[Any, ...], repeats: int) -> dict[str, float]:
        """Seconds of a step, by the names of `recording.time_calls`.

        Raises:
          RuntimeError: the first chunk's loss is not finite.
        """
        state, loss = compiled(*arguments)
        if not np.isfinite(float(loss)):
            raise RuntimeError(f"the loss is {float(loss)}: nothing to time")

        def following(args, outputs):
            return (outputs[0], *args[1:])

        warmup, arguments = -(-WARM_UP // self.trainer.chunk_steps), (state, *arguments[1:])
        times = recording.time_calls(compiled, *arguments, repeats=repeats, warmup=warmup, next_args=following)
        return {name: seconds / self.trainer.chunk_steps for name, seconds in times.items()}


@dataclasses.dataclass(frozen=True)
class Compared:
    """A network with the architecture that a peer is to have as well.

    Attributes:
      network: ours.
      architecture: the last argument of ours, if it has one, with the name by which the peer knows it.
      workload: sizes.
    """

    network: nn.Module
    architecture: dict[str, Any]
    workload: Workload

    def arrays(self) -> dict[str, Any]:
        """Random images, our weights, and the logits that the peer must come to."""
        workload, network = self.workload, self.network
        images = np.random.default_rng(0).normal(size=(workload.batch_size, *workload.image_shape)).astype(np.float32)
        given = () if isinstance(network, FixedNetwork) else tuple(self.architecture.values())
        variables = jax.jit(network.init)(jax.random.key(0, impl="rbg"), images, *given)

        def apply(v):
            return network.apply(v, images, *given, statistics="batch", mutable=["batch_stats"])

        with jax.default_matmul_precision("highest"):  # accelerators multiply float32 in less
            logits: Any = jax.jit(apply)(variables)
        flat = {"/".join(str(k.key) for k in path): x for path, x in jax.tree.leaves_with_path(variables["params"])}
        return {"images": images, "logits": logits[0]} | self.architecture | flat
