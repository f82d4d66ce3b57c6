"""Parts of a network that can be watched while it runs: its blocks, and the pool at its end.

A network is a stem, blocks one after another, and a head. Whoever looks at activations finds the blocks by their base
class, `class MyCell(Block, nn.Module)`, and the last maps by `GlobalPool`; neither owns a parameter.
"""

from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

Maps = list[tuple[jax.Array, jax.Array]]


class Block:
    """Mark of a module that is one block of a network; its first arguments are maps, its result is a map.

    Maps are (B, H, W, C).
    """

    reads: ClassVar[tuple[int, ...]] = (1,)
    """How many blocks back each of its maps comes from, such as (2, 1) with the output of the block before the last
    first; a pool may lie between."""

    homogeneous: ClassVar[bool] = True
    """Whether a block with fresh norms gives k times as much for k times as large maps, k > 0, as blocks of ReLUs do;
    False: only for large positive maps, as blocks of SiLUs do."""

    norms_before_relu: ClassVar[tuple[str, ...]] = ()
    """Names of the block's own `BatchNorm` modules whose results go through ReLUs."""

    def relu_inputs(self, *arguments) -> Maps:
        """Maps that go through ReLUs in a call with these arguments, and the number of ReLUs of each, float32 ().

        Here the maps that enter the block. A block that knows better, and has the time, says so by overriding this.
        """
        one = jnp.ones((), jnp.float32)
        return [(x, one) for x in arguments[: len(self.reads)]]


class GlobalPool(nn.Module):
    """Mean over the pixels of the last maps of a network, after an activation if there is one."""

    activation: Callable[[jax.Array], jax.Array] | None = None

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, H, W, C) -> (B, C)."""
        return self.activate(x).mean(axis=(1, 2))

    def activate(self, x: jax.Array) -> jax.Array:
        """The last maps (B, H, W, C)."""
        return x if self.activation is None else self.activation(x)
