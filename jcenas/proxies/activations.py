"""Activations inside a cell network: the outputs of its blocks, and the inputs of its ReLUs.

The network is not changed: its modules are watched while it runs (`flax.linen.intercept_methods`).
"""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.nets.layers.norm import BatchNorm, Statistics
from jcenas.nets.nasbench201.network import Cell, ResidualBlock
from jcenas.proxies.zero_shot import Start
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, NONE, SKIP

# Genomes that lead one node to the output unchanged: the edges up to it as they are, then a skip.
_EDGES_UP_TO = {1: (0,), 2: (0, 1, 2)}
_SKIP_FROM = {1: EDGES.index((1, 3)), 2: EDGES.index((2, 3))}
_NORMS_BEFORE_RELU = {"norm_a", "head_norm"}
_MOST_BITS = 120  # 2^-126 is the smallest normal float32


def _called(context: Any, kind: type) -> bool:
    """True for the call of a module of that kind inside the network; cells applied by themselves have no name."""
    module = context.module
    return isinstance(module, kind) and module.name is not None and context.method_name == "__call__"


def block_outputs(
    network: nn.Module, start: Start, genome: jax.Array, shifts: dict[str, jax.Array] | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Logits (B, K), and by name what each cell and each reduction block gives, (B, H, W, C); batch statistics.

    Args:
        network: a `CellNetwork`.
        start: weights and images.
        genome: int32 (6,).
        shifts: added to the outputs of that name; gradients by zeros here are gradients by the activations.
    """
    outputs: dict[str, jax.Array] = {}

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        if _called(context, Cell) or _called(context, ResidualBlock):
            if shifts is not None:
                y = y + shifts[context.module.name]
            outputs[context.module.name] = y
        return y

    with nn.intercept_methods(watch):
        logits: Any = network.apply(start.variables, start.images, genome, statistics="batch")
    return logits, outputs


@contextlib.contextmanager
def rescaling_blocks() -> Iterator[list[jax.Array]]:
    """Context in which what each cell and each reduction block gives is divided by a power of two, to about 1.

    Yields:
        The list that gets each block's exponent, int32 (), while the network runs: the true maps are 2 to their sum
        times as large. Gradients take the powers as constants. A map of zeros, or one that is not finite, stays as is.
    """
    exponents: list[jax.Array] = []

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        if _called(context, Cell) or _called(context, ResidualBlock):
            largest = jnp.max(jnp.abs(jax.lax.stop_gradient(y))).astype(jnp.float32)
            exponent = jnp.clip(jnp.frexp(largest)[1], -_MOST_BITS, _MOST_BITS)
            exponents.append(exponent)
            y = y * jnp.ldexp(jnp.float32(1), -exponent).astype(y.dtype)
        return y

    with nn.intercept_methods(watch):
        yield exponents


def features(network: nn.Module, start: Start, images: jax.Array, genome: jax.Array) -> jax.Array:
    """The last maps before the global pool, (B, H, W, C), with the norms as identities (fresh running statistics)."""
    maps: list[jax.Array] = []

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        if _called(context, BatchNorm) and context.module.name == "head_norm":
            maps.append(nn.relu(y))
        return y

    with nn.intercept_methods(watch):
        network.apply(start.variables, images, genome, statistics="running")
    return maps[0]


def relu_inputs(network: nn.Module, start: Start, genome: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Every map (B, H, W, C) that goes through ReLUs, with the number of its ReLUs, float32 (); batch statistics.

    Every convolution of a cell has a ReLU before it: a node counts as often as convolutions start from it.
    """
    maps: list[tuple[jax.Array, jax.Array]] = []
    one = jnp.ones((), jnp.float32)

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        module = context.module
        if _called(context, ResidualBlock):
            maps.append((args[0], one))
        elif _called(context, BatchNorm) and module.name in _NORMS_BEFORE_RELU:
            maps.append((y, one))
        elif _called(context, Cell):
            maps.extend(_nodes(module, args[0], args[1], args[2]))
        return y

    with nn.intercept_methods(watch):
        network.apply(start.variables, start.images, genome, statistics="batch")
    return maps


def _nodes(cell: Cell, x: jax.Array, genome: jax.Array, statistics: Statistics):
    """Maps of nodes 0, 1 and 2 of a cell, with the number of convolutions that start there."""
    convolution = ((genome == CONV_1X1) | (genome == CONV_3X3)).astype(jnp.float32)
    starts = jnp.array([[source == node for source, _ in EDGES] for node in range(3)], jnp.float32)
    counts = starts @ convolution
    variables, alone = cell.variables, cell.clone(parent=None, name=None)
    maps = [x]
    for node in (1, 2):
        kept = jnp.array([e in _EDGES_UP_TO[node] for e in range(len(EDGES))])
        towards = jnp.where(kept, genome, NONE).at[_SKIP_FROM[node]].set(SKIP)
        maps.append(cast(jax.Array, alone.apply(variables, x, towards, statistics)))
    return list(zip(maps, counts, strict=True))
