"""Many different architectures trained at once in one program; nothing is compiled for any of them.

Two ways, which combine:

* over devices: `jax.shard_map`, every device trains its own share of the members, and none waits for another inside a
  step. On CPU make one device per core (`jax_num_cpu_devices`): the small operations of small images gain less from
  two cores each than two trainings do from one core each.
* within a device: one member after another (`lax.map`, for networks that branch), or all in every operation (`vmap`,
  for networks that blend, whose convolutions become batched matrix products).

Member k equals `Trainer` with its key and genome alone, within rounding. Devices wait for each other between calls:
neighbours of similar cost waste least, so sort many candidates by their multiply-adds before cutting them into groups.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import chex
import jax

from jcenas.errors import InputError
from jcenas.train.images import ImageSet, Split
from jcenas.train.training import Trainer, TrainState

Within = Literal["map", "vmap"]


class Population(NamedTuple):
    """A `Trainer` for K members at once, stacked along a leading axis; `jax.jit` at the edge, donating the states.

    Attributes:
        init: (keys (K,), total steps ()) -> TrainState with a leading axis K in every array.
        chunk: (states, genomes (K, chunk_steps, d), data) -> (states, mean losses float32 (K,)). A member that
            diverges has a loss that is not finite; the others do not see it.
        accuracy: (states, genomes (K, d), split, data) -> shares of right answers, float32 (K,).
        steps_per_epoch: as the trainer's.
        chunk_steps: as the trainer's.
    """

    init: Callable[[jax.Array, jax.Array], TrainState]
    chunk: Callable[[TrainState, jax.Array, ImageSet], tuple[TrainState, jax.Array]]
    accuracy: Callable[[TrainState, jax.Array, Split, ImageSet], jax.Array]
    steps_per_epoch: int
    chunk_steps: int


def make_population(
    trainer: Trainer, *, within: Within = "map", spread: jax.sharding.NamedSharding | None = None
) -> Population:
    """Train K members with one trainer.

    Args:
        trainer: of a `CellNetwork` that branches for "map", that blends for "vmap".
        within: how the members of one device are computed.
        spread: how members lie on several devices (`sharding.split`); K is then a multiple of the devices. The data
            set must be on all of them. None: all members on one device.

    Raises:
        InputError: the trainer's images stay on the host.
    """
    if trainer.on_host:
        raise InputError("a population trains on images that lie on the device, and these stay on the host")

    def init(keys: jax.Array, total: jax.Array) -> TrainState:
        # Never by vmap: XLA's generator, which draws the weights, gives other numbers there than alone.
        return jax.lax.map(lambda key: trainer.init(key, total), keys)

    def each(function: Callable[..., Any], *members: Any) -> Any:
        if within == "vmap":
            return jax.vmap(function)(*members)
        return jax.lax.map(lambda member: function(*member), members)

    def chunk(states: TrainState, genomes: jax.Array, data: ImageSet) -> tuple[TrainState, jax.Array]:
        chex.assert_shape(genomes, (*states.step.shape, trainer.chunk_steps, ...), custom_message="genomes")
        return each(lambda state, genome: trainer.chunk(state, genome, data), states, genomes)

    def accuracy(states: TrainState, genomes: jax.Array, split: Split, data: ImageSet) -> jax.Array:
        chex.assert_shape(genomes, (*states.step.shape, ...), custom_message="genomes")
        return each(lambda state, genome: trainer.accuracy(state, genome, split, data), states, genomes)

    return Population(
        init=_over_devices(init, spread, members=1, arguments=2),
        chunk=_over_devices(chunk, spread, members=2, arguments=3),
        accuracy=_over_devices(accuracy, spread, members=2, arguments=4),
        steps_per_epoch=trainer.steps_per_epoch,
        chunk_steps=trainer.chunk_steps,
    )


def _over_devices(
    function: Callable[..., Any], spread: jax.sharding.NamedSharding | None, *, members: int, arguments: int
) -> Callable[..., Any]:
    """Run `function` on each device with its share of the first `members` arguments and all of the others."""
    if spread is None:
        return function
    specs = tuple(spread.spec if i < members else jax.P() for i in range(arguments))
    # Nothing crosses devices, so there is no replication to check.
    sharded = jax.shard_map(function, mesh=spread.mesh, in_specs=specs, out_specs=spread.spec, check_vma=False)

    def checked(*given: Any) -> Any:
        count = jax.tree.leaves(given[0])[0].shape[0]
        if count % spread.num_devices:
            below = count - count % spread.num_devices
            raise InputError(
                f"{count} members do not divide over {spread.num_devices} devices; "
                f"use {below or spread.num_devices} or {below + spread.num_devices}"
            )
        return sharded(*given)

    return checked
