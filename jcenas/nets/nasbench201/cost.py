"""Cost of NAS-Bench-201 networks without building them: parameters, multiply-adds, memory traffic, modelled energy.

Each is linear in the numbers of 1x1 convolutions, 3x3 convolutions, pools and sums of the cell, so all 15,625 cells
cost one small matrix product. The counts equal the benchmark's own columns (tests).
"""

import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas import units
from jcenas.nets.maps import Maps, Sum, classified
from jcenas.nets.nasbench201.network import N_STAGES
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, NONE, OPERATIONS, SKIP


@dataclasses.dataclass(frozen=True, kw_only=True)
class Macro:
    """Everything about a network but its cell. The defaults are the benchmark's, on CIFAR-10."""

    image_size: int = 32
    image_channels: int = 3
    classes: int = 10
    channels: int = 16
    cells: int = 5

    def stages(self) -> list[tuple[int, int]]:
        """(pixels, channels) of each stage."""
        return [((self.image_size // 2**s) ** 2, self.channels * 2**s) for s in range(N_STAGES)]


def _linear(fixed: float, per_operation: list[float], genomes: ArrayLike) -> jax.Array:
    genomes = jnp.asarray(genomes)
    chex.assert_shape(genomes, (..., len(EDGES)), custom_message="genomes")
    counts = jnp.stack([(genomes == op).sum(axis=-1) for op in range(len(OPERATIONS))], axis=-1)
    return counts.astype(jnp.float32) @ jnp.asarray(per_operation, jnp.float32) + jnp.float32(fixed)


def _reductions(macro: Macro) -> list[tuple[int, int, int]]:
    """(pixels after, channels before, channels after) of each reduction block."""
    stages = macro.stages()
    return [(p, before, after) for (_, before), (p, after) in itertools.pairwise(stages)]


def parameters(macro: Macro, genomes: ArrayLike) -> jax.Array:
    """Trainable parameters of the candidates, float32 (...), exact below 2^24; genomes int (..., 6)."""
    c, last = macro.channels, macro.stages()[-1][1]
    fixed = 9 * macro.image_channels * c + 2 * c + 2 * last + (last + 1) * macro.classes
    fixed += sum(9 * a * b + 9 * b * b + a * b + 4 * b for _, a, b in _reductions(macro))
    per = [0.0] * len(OPERATIONS)
    per[CONV_1X1] = macro.cells * sum(c * c + 2 * c for _, c in macro.stages())
    per[CONV_3X3] = macro.cells * sum(9 * c * c + 2 * c for _, c in macro.stages())
    return _linear(fixed, per, genomes)


def multiply_adds(macro: Macro, genomes: ArrayLike) -> jax.Array:
    """Multiply-adds of one image, float32 (...), counted as the benchmark does (convolutions and classifier)."""
    pixels, last = macro.image_size**2, macro.stages()[-1][1]
    fixed = 9 * macro.image_channels * macro.channels * pixels + (last + 1) * macro.classes
    fixed += sum(p * (9 * a * b + 9 * b * b + a * b) for p, a, b in _reductions(macro))
    per = [0.0] * len(OPERATIONS)
    per[CONV_1X1] = macro.cells * sum(p * c * c for p, c in macro.stages())
    per[CONV_3X3] = 9 * per[CONV_1X1]
    return _linear(fixed, per, genomes)


def bytes_moved(macro: Macro, genomes: ArrayLike) -> jax.Array:
    """Bytes of weights read and activations read and written for one image, float32 (...).

    Every operation that is not `none` reads its input map and writes its output map once (norms and ReLU are fused).
    """
    maps = [p * c for p, c in macro.stages()]
    activations = macro.image_size**2 * macro.image_channels + maps[0]
    activations += sum(3 * before + 4 * after for before, after in itertools.pairwise(maps))
    per = [2.0 * macro.cells * sum(maps)] * len(OPERATIONS)
    per[NONE] = 0.0
    traffic = _linear(activations, per, genomes)
    return units.BYTES_PER_FLOAT32 * (traffic + parameters(macro, genomes))


def inference_energy_j(macro: Macro, genomes: ArrayLike) -> jax.Array:
    """Modelled energy of one inference at batch 1, J, float32 (...), see `jcenas.units.inference_energy_j`."""
    return units.inference_energy_j(multiply_adds(macro, genomes), bytes_moved(macro, genomes))


def most_activations(macro: Macro, genomes: ArrayLike) -> np.ndarray:
    """The most numbers of maps at once for one image, float64 (n,), see `jcenas.nets.maps`; genomes int (n, 6)."""
    return np.array([_most(macro, genome) for genome in np.asarray(genomes).tolist()], float)


def _most(macro: Macro, genome: list[int]) -> int:
    maps, sizes = Maps(), [pixels * channels for pixels, channels in macro.stages()]
    x = maps.new(sizes[0], maps.new(macro.image_size**2 * macro.image_channels))
    for stage, size in enumerate(sizes):
        if stage:
            y = maps.new(size, maps.new(size, x))
            maps.add(y, maps.new(size, maps.new(sizes[stage - 1] // 4, x)))
            x = y
        for _ in range(macro.cells):
            x = _cell(maps, size, genome, x)
    return classified(maps, macro.stages()[-1][1], macro.classes, x)


def _cell(maps: Maps, size: int, genome: list[int], x: int) -> int:
    """The output of a cell; a node that nothing enters is zero, and what reads it is left out."""
    nodes: list[int | None] = [x]
    for target in (1, 2, 3):
        total = Sum(maps, size)
        for choice, (source, into) in zip(genome, EDGES, strict=True):
            read = nodes[source] if into == target else None
            if read is None or choice == NONE:
                continue
            if choice == SKIP:
                total.older(read)
            else:
                total.new(maps.new(size, read))
        nodes.append(total.result())
    return maps.new(size) if nodes[-1] is None else nodes[-1]
