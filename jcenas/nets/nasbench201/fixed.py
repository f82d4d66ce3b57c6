"""One candidate as a network of its own: only the operations that its cell has, for deployment and for latency.

`extract` takes its weights out of a trained `CellNetwork`; both give the same logits.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal
from jcenas.nets.nasbench201.network import N_STAGES, ResidualBlock
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, NONE, POOL

_CONVOLUTIONS = {CONV_1X1: "conv1x1", CONV_3X3: "conv3x3"}


class FixedCell(nn.Module):
    """A cell whose operations are constants of the program."""

    genome: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply the cell to x (B, H, W, C)."""
        nodes = [x]
        for target in (1, 2, 3):
            total = jnp.zeros_like(x)
            for e, (source, into) in enumerate(EDGES):
                if into == target and self.genome[e] != NONE:
                    total += self._edge(e, nodes[source], statistics)
            nodes.append(total)
        return nodes[-1]

    def _edge(self, e: int, x: jax.Array, statistics: Statistics) -> jax.Array:
        choice, c = self.genome[e], x.shape[-1]
        if choice == POOL:
            return ops.average_pool_3x3(x)
        if choice not in _CONVOLUTIONS:
            return x
        name = f"{_CONVOLUTIONS[choice]}_{e}"
        if choice == CONV_1X1:
            y = ops.pointwise(nn.relu(x), self.param(name, he_normal(), (c, c)))
        else:
            y = conv(nn.relu(x), self.param(name, he_normal(), (3, 3, c, c)), 1)
        return BatchNorm(name=f"norm_{e}")(y, statistics)


class FixedNetwork(nn.Module):
    """The macro skeleton of `CellNetwork` round one fixed cell; attributes as there."""

    genome: tuple[int, ...]
    classes: int
    channels: int = 16
    cells: int = 5

    @nn.compact
    def __call__(self, images: jax.Array, *, statistics: Statistics = "running") -> jax.Array:
        """Logits (B, classes) of images (B, H, W, C)."""
        x = conv(images, self.param("stem", he_normal(), (3, 3, images.shape[-1], self.channels)), 1)
        x = BatchNorm(name="stem_norm")(x, statistics)
        for stage in range(N_STAGES):
            if stage > 0:
                x = ResidualBlock(self.channels * 2**stage, name=f"reduce{stage}")(x, statistics)
            for cell in range(self.cells):
                x = FixedCell(self.genome, name=f"stage{stage}_cell{cell}")(x, statistics)
        x = nn.relu(BatchNorm(name="head_norm")(x, statistics)).mean(axis=(1, 2))
        return nn.Dense(self.classes, name="classifier")(x)


def extract(variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
    """The variables of `FixedNetwork(genome, ...)` out of those of a `CellNetwork` (`params` and `batch_stats`)."""
    params, stats = {}, {}
    for name, weights in variables["params"].items():
        if "_cell" not in name:
            params[name] = weights
            if name in variables["batch_stats"]:
                stats[name] = variables["batch_stats"][name]
            continue
        params[name], stats[name] = {}, {}
        for e, choice in enumerate(genome):
            if choice not in _CONVOLUTIONS:
                continue
            row = int(choice == CONV_3X3)
            params[name][f"{_CONVOLUTIONS[choice]}_{e}"] = weights[_CONVOLUTIONS[choice]][e]
            params[name][f"norm_{e}"] = {part: weights[part][e, row] for part in ("scale", "bias")}
            running = variables["batch_stats"][name]
            stats[name][f"norm_{e}"] = {part: running[part][e, row] for part in ("mean", "variance")}
        if not params[name]:  # a cell of skips and pools owns no variables
            del params[name], stats[name]
    return {"params": params, "batch_stats": stats}
