"""The NAS-Bench-201 network with the architecture as data: one program trains every cell, and is the supernet.

Macro skeleton (arXiv 2001.00326, figure 1): stem, three stages of `cells` cells with 1, 2 and 4 times `channels`
channels, a residual block of stride 2 between stages, batch norm, ReLU, global average pool, linear classifier.

Every edge holds the weights of both convolutions, and the genome, an array, picks the operation of each edge at run
time. With one genome throughout, the network is that candidate, equal to a network built for it alone; with another
genome at every step, it is the single-path weight-sharing supernet (Guo et al., arXiv 1904.00420).

Two ways to pick, with the same result, and one that does not pick:

* ``"branch"``: `lax.switch` on every edge runs only the chosen operation (`nasbench201.cell`). Best on CPU; under
  `vmap` over genomes it would run them all.
* ``"blend"``: one 3x3 convolution whose kernel is the chosen one (a 1x1 kernel is the centre of a 3x3), added to the
  pool and to the identity with weights 0 or 1. No control flow: best on accelerators and under `vmap`.
* ``"mix"``: all operations of every edge run, and their sum has the weights of a mixture (6, 5), which takes the place
  of the genome: the supernet of differentiable search (`nasbench201.mixed_cell`). The weights are the same ones, so
  that a network trained in one way runs in the others.
"""

from typing import Literal, cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jcenas.errors import ImageSideError
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.block import Block, GlobalPool, Maps
from jcenas.nets.layers.convolution import conv, conv_of_many
from jcenas.nets.layers.norm import STATISTICS_MOMENTUM, BatchNorm, Statistics, he_normal
from jcenas.nets.nasbench201.cell import CellWeights, branch_cell
from jcenas.nets.nasbench201.mixed_cell import mixed_cell
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, NONE, OPERATIONS, POOL, SKIP

Choose = Literal["branch", "blend", "mix"]

N_STAGES = 3

# Genomes that lead one node to the output unchanged: the edges up to it as they are, then a skip.
_EDGES_UP_TO = {1: (0,), 2: (0, 1, 2)}
_SKIP_FROM = {1: EDGES.index((1, 3)), 2: EDGES.index((2, 3))}


class ResidualBlock(Block, nn.Module):
    """The reduction block: two ReLU-conv-norm of 3x3, the first with stride 2, beside a pooled 1x1 shortcut."""

    channels: int

    norms_before_relu = ("norm_a",)

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Halve the image and widen it: (B, H, W, C) -> (B, H / 2, W / 2, channels)."""
        c, d = x.shape[-1], self.channels
        y = conv(nn.relu(x), self.param("conv_a", he_normal(), (3, 3, c, d)), 2)
        y = BatchNorm(name="norm_a")(y, statistics)
        y = conv(nn.relu(y), self.param("conv_b", he_normal(), (3, 3, d, d)), 1)
        y = BatchNorm(name="norm_b")(y, statistics)
        return y + ops.pointwise(ops.average_pool_2x2(x), self.param("shortcut", he_normal(), (c, d)))


class Cell(Block, nn.Module):
    """One cell: six edges with the operation of each given by the genome, or mixed. Row 0 of norms is 1x1, 1 is 3x3."""

    choose: Choose
    channels: int

    def setup(self):
        """Declare the weights of both convolutions of every edge."""
        c, n = self.channels, len(EDGES)
        self.conv1x1 = self.param("conv1x1", he_normal((0,)), (n, c, c))
        self.conv3x3 = self.param("conv3x3", he_normal((0,)), (n, 3, 3, c, c))
        self.scale = self.param("scale", nn.initializers.ones, (n, 2, c))
        self.bias = self.param("bias", nn.initializers.zeros, (n, 2, c))
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (n, 2, c))
        self.variance = self.variable("batch_stats", "variance", jnp.ones, (n, 2, c))

    def __call__(self, x: jax.Array, genome: jax.Array, statistics: Statistics) -> jax.Array:
        """Apply the cell to x (B, H, W, C), C = channels; genome int32 (6,), or a mixture (6, 5)."""
        y, used = _FUNCTIONS[self.choose](x, genome, *self.state(), statistics)
        self.record(used, genome, statistics)
        return y

    def state(self) -> tuple[CellWeights, ops.Moments]:
        """The weights and the running statistics."""
        weights = CellWeights(self.conv1x1, self.conv3x3, self.scale, self.bias)
        return weights, ops.Moments(self.mean.value, self.variance.value)

    def record(self, used: ops.Moments, genome: jax.Array, statistics: Statistics) -> None:
        """Move the running statistics towards those that the norms used, where `batch_stats` is mutable."""
        if statistics == "running" or not self.is_mutable_collection("batch_stats") or self.is_initializing():
            return
        rate = 1 - STATISTICS_MOMENTUM
        if self.choose != "mix":  # an operation's statistics move only when it ran
            used = jax.tree.map(lambda array: array[:, None], used)
            rate *= (genome[:, None] == jnp.array([CONV_1X1, CONV_3X3])[None])[:, :, None]
        self.mean.value += rate * (used.mean - self.mean.value)
        self.variance.value += rate * (used.variance - self.variance.value)

    def relu_inputs(self, x: jax.Array, genome: jax.Array, statistics: Statistics) -> Maps:
        """Nodes 0, 1 and 2, each as often as convolutions start there: every convolution has a ReLU before it."""
        convolution = ((genome == CONV_1X1) | (genome == CONV_3X3)).astype(jnp.float32)
        starts = jnp.array([[source == node for source, _ in EDGES] for node in range(3)], jnp.float32)
        counts = starts @ convolution
        variables, alone = self.variables, self.clone(parent=None, name=None)
        maps = [x]
        for node in (1, 2):
            kept = jnp.array([e in _EDGES_UP_TO[node] for e in range(len(EDGES))])
            towards = jnp.where(kept, genome, NONE).at[_SKIP_FROM[node]].set(SKIP)
            maps.append(cast(jax.Array, alone.apply(variables, x, towards, statistics)))
        return list(zip(maps, counts, strict=True))


def _stage(cells: list[Cell], x: jax.Array, genome: jax.Array, statistics: Statistics) -> jax.Array:
    """Cells one after another. Those of the mixed supernet run in a loop: a program of one cell, not of all."""
    if cells[0].choose != "mix":
        for cell in cells:
            x = cell(x, genome, statistics)
        return x

    def apply(x: jax.Array, state: tuple[CellWeights, ops.Moments]) -> tuple[jax.Array, ops.Moments]:
        return mixed_cell(x, genome, *state, statistics)

    states = jax.tree.map(lambda *own: jnp.stack(own), *(cell.state() for cell in cells))
    x, used = lax.scan(apply, x, states)
    for i, cell in enumerate(cells):
        cell.record(jax.tree.map(lambda array, i=i: array[i], used), genome, statistics)
    return x


def _blend_cell(x, genome, weights, running, statistics):
    nodes, used_by_edge = [x], []
    for target in (1, 2, 3):
        total = jnp.zeros_like(x)
        for e, (source, into) in enumerate(EDGES):
            if into == target:
                own, statistics_of = jax.tree.map(lambda array, e=e: array[e], (weights, running))
                y, used = _blend_edge(nodes[source], genome[e], own, statistics_of, statistics)
                total += y
                used_by_edge.append(used)
        nodes.append(total)
    return nodes[-1], jax.tree.map(lambda *edges: jnp.stack(edges), *used_by_edge)


def _blend_edge(x, choice, weights: CellWeights, running, statistics):
    centred = jnp.pad(weights.conv1x1[None, None], ((1, 1), (1, 1), (0, 0), (0, 0)))
    row = (choice == CONV_3X3).astype(jnp.int32)
    y = conv_of_many(nn.relu(x), jnp.where(choice == CONV_3X3, weights.conv3x3, centred))
    used = ops.moments(y) if statistics == "batch" else ops.Moments(running.mean[row], running.variance[row])
    y = ops.normalise(y, used, weights.scale[row], weights.bias[row])
    convolved = ((choice == CONV_1X1) | (choice == CONV_3X3)).astype(x.dtype)
    pooled = (choice == POOL).astype(x.dtype)
    kept = (choice == SKIP).astype(x.dtype)
    return convolved * y + pooled * ops.average_pool_3x3(x) + kept * x, used


_FUNCTIONS = {"branch": branch_cell, "blend": _blend_cell, "mix": mixed_cell}


class CellNetwork(nn.Module):
    """The whole network; candidate or supernet according to the genomes that it is given.

    Attributes:
        classes: number of classes.
        channels: channels of the first stage (benchmark: 16).
        cells: cells in each stage (benchmark: 5).
        choose: how an edge picks its operation (module docstring).
    """

    classes: int
    channels: int = 16
    cells: int = 5
    choose: Choose = "branch"

    @nn.compact
    def __call__(self, images: jax.Array, genome: jax.Array, *, statistics: Statistics = "running") -> jax.Array:
        """Logits (B, classes) of images (B, H, W, C), H and W multiples of 4; genome int32 (6,), or a mixture (6, 5).

        Raises:
            InputError: image sides that the two reductions cannot halve.
            AssertionError: a genome of another shape.
        """
        if images.ndim != 4 or images.shape[1] % 4 or images.shape[2] % 4:
            raise ImageSideError(f"images must be (B, H, W, C) with H and W multiples of 4, not {images.shape}")
        expected = (len(EDGES), len(OPERATIONS)) if self.choose == "mix" else (len(EDGES),)
        chex.assert_shape(genome, expected, custom_message="genome")
        x = conv(images, self.param("stem", he_normal(), (3, 3, images.shape[-1], self.channels)), 1)
        x = BatchNorm(name="stem_norm")(x, statistics)
        if self.choose == "mix":
            genome = genome.astype(x.dtype)
        for stage in range(N_STAGES):
            if stage > 0:
                x = ResidualBlock(self.channels * 2**stage, name=f"reduce{stage}")(x, statistics)
            width = self.channels * 2**stage
            cells = [Cell(self.choose, width, name=f"stage{stage}_cell{i}") for i in range(self.cells)]
            x = _stage(cells, x, genome, statistics)
        x = GlobalPool(nn.relu)(BatchNorm(name="head_norm")(x, statistics))
        return nn.Dense(self.classes, name="classifier")(x)
