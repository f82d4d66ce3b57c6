"""Activations inside a network: the outputs of its blocks, its last maps, and the inputs of its ReLUs.

The network is not changed: its blocks (`jcenas.nets.layers.block`) are watched while it runs
(`flax.linen.intercept_methods`). It is called as `network.apply(variables, images, genome, statistics=...)`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.errors import InputError
from jcenas.nets.layers.block import Block, GlobalPool, Maps
from jcenas.nets.layers.norm import BatchNorm
from jcenas.proxies.zero_shot import Start

_MOST_BITS = 120  # 2^-126 is the smallest normal float32
_LARGE_BITS = 40  # from 2^40 on, with room for the smaller entries of a map, a SiLU is the identity

_UNMARKED = "this score looks into a network: mark its blocks and its pool, see jcenas.nets.layers.block"


def _called(context: Any, kind: type) -> bool:
    """True for the call of a module of that kind inside the network; modules applied by themselves have no name."""
    module = context.module
    return isinstance(module, kind) and module.name is not None and context.method_name == "__call__"


def block_outputs(
    network: nn.Module, start: Start, genome: jax.Array, shifts: dict[str, jax.Array] | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Logits (B, K), and by name what each block gives, (B, H, W, C); batch statistics.

    Args:
        network: any whose blocks are marked.
        start: weights and images.
        genome: int32 (d,).
        shifts: added to the outputs of that name; gradients by zeros here are gradients by the activations.

    Raises:
        InputError: the network has no block.
    """
    outputs: dict[str, jax.Array] = {}

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        if _called(context, Block):
            name = "/".join(context.module.path)
            if shifts is not None:
                y = y + shifts[name]
            outputs[name] = y
        return y

    with nn.intercept_methods(watch):
        logits: Any = network.apply(start.variables, start.images, genome, statistics="batch")
    if not outputs:
        raise InputError(_UNMARKED)
    return logits, outputs


@contextlib.contextmanager
def rescaling_blocks() -> Iterator[list[jax.Array]]:
    """Context in which what each block gives is divided by a power of two, to about 1.

    A block that reads several maps gets them on one scale, that of the largest power. Gradients take the powers as
    constants. A map of zeros, or one that is not finite, stays as is; so does, of a block that is not homogeneous, one
    below 2^40, and larger ones come down to there.

    Yields:
        The list that gets an exponent for each block, int32 (), while the network runs: its true map is 2 to it times
        as large. The last one is that of the logits.
    """
    exponents: list[jax.Array] = []
    none = jnp.zeros((), jnp.int32)

    def watch(next_function, args, kwargs, context):
        if not _called(context, Block):
            return next_function(*args, **kwargs)
        block: Any = context.module
        before = [exponents[-back] if back <= len(exponents) else none for back in block.reads]
        largest = before[0]
        if len(before) > 1:
            largest = jnp.max(jnp.stack(before))
            maps = [_times_power(x, e - largest) for x, e in zip(args, before, strict=False)]
            args = (*maps, *args[len(maps) :])
        y = next_function(*args, **kwargs)
        size = jnp.max(jnp.abs(jax.lax.stop_gradient(y))).astype(jnp.float32)
        exponent = jnp.clip(jnp.frexp(size)[1], -_MOST_BITS, _MOST_BITS)
        if not block.homogeneous:
            exponent = jnp.maximum(exponent - _LARGE_BITS, 0)
        exponents.append(largest + exponent)
        return _times_power(y, -exponent)

    with nn.intercept_methods(watch):
        yield exponents


def _times_power(x: jax.Array, exponent: jax.Array) -> jax.Array:
    """X times 2 to the exponent, int32 (), in the type of x."""
    return x * jnp.ldexp(jnp.float32(1), exponent).astype(x.dtype)


def features(network: nn.Module, start: Start, images: jax.Array, genome: jax.Array) -> jax.Array:
    """The last maps before the global pool, (B, H, W, C), with the norms as identities (fresh running statistics).

    Raises:
        InputError: the network has no global pool.
    """
    maps: list[jax.Array] = []

    def watch(next_function, args, kwargs, context):
        if _called(context, GlobalPool):
            maps.append(context.module.activate(args[0]))
        return next_function(*args, **kwargs)

    with nn.intercept_methods(watch):
        network.apply(start.variables, images, genome, statistics="running")
    if not maps:
        raise InputError(_UNMARKED)
    return maps[-1]


def relu_inputs(network: nn.Module, start: Start, genome: jax.Array) -> Maps:
    """Maps (B, H, W, C) that go through ReLUs, with the number of ReLUs of each, float32 (); batch statistics.

    Which ReLUs of a block they are, the block says (`Block.relu_inputs`, `Block.norms_before_relu`). Where those inside
    cannot be watched, since its edges run in a loop with a gradient written by hand, they are the ReLUs at its entries:
    DARTS's, NASNet's and NAS-Bench-101's cells, and inverted residuals, of which the sign of what enters counts. At the
    end of a network comes the ReLU before the global pool, if there is one.
    """
    maps: Maps = []
    one = jnp.ones((), jnp.float32)

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        module, block = context.module, context.module.parent
        if _called(context, Block):
            maps.extend(module.relu_inputs(*args))
        elif _called(context, GlobalPool) and module.activation is not None:
            maps.append((args[0], one))
        elif _called(context, BatchNorm) and isinstance(block, Block) and module.name in block.norms_before_relu:
            maps.append((y, one))
        return y

    with nn.intercept_methods(watch):
        network.apply(start.variables, start.images, genome, statistics="batch")
    return maps
