"""The NAS-Bench-101 network with the cell as data: one compiled program trains every cell, and is the supernet.

Every vertex of the frame holds the weights of both convolutions and of the projection from the cell's input, at the
width of the cell's output, and the genome, an array, says at run time what exists. With one genome throughout, the
network is that candidate, equal to `Network101`; with another genome at every step, it is the single-path
weight-sharing supernet (Guo et al., ECCV 2020, arXiv 1904.00420). A vertex of fewer channels uses the first rows and
columns of its kernels, as in the supernets of Yu et al. ("Slimmable neural networks", ICLR 2019, arXiv 1812.08928).
`extract` takes the weights of one genome out.

Kernels start with the variance of He et al. for the full width. A narrower vertex of `Network101` starts with larger
weights. Every convolution is followed by a batch norm, so that both compute the same at the start, but for the norm's
epsilon; yet a vertex of w of C channels learns at first as with a rate C / w times as large, since the shorter a normed
kernel is, the more a step turns it. `start_alone` gives first weights to a cell that shall train just as `Network101`.
"""

from typing import Any, Literal

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.norm import STATISTICS_MOMENTUM, Statistics, he_normal
from jcenas.nets.layers.operations import Moments
from jcenas.nets.nasbench101.cost import vertex_channels, wiring
from jcenas.nets.nasbench101.network import ConvNorm, check_images, halve
from jcenas.nets.nasbench101.super_cell import Plan, Used, make_plan, super_cell
from jcenas.nets.nasbench101.vertex import Convolutions, ConvWeights, How
from jcenas.spaces import nasbench101 as nb

Choose = Literal["branch", "blend"]


class StackedConvNorm(nn.Module):
    """The variables of one convolution and its batch norm at each of `count` vertices.

    Attributes:
        count: n, vertices.
        shape: of one kernel; its last axis is C.
    """

    count: int
    shape: tuple[int, ...]

    def setup(self):
        """Declare them, each with a leading axis n."""
        rows = self.count, self.shape[-1]
        self.kernel = self.param("kernel", he_normal((0,)), (self.count, *self.shape))
        self.scale = self.param("scale", nn.initializers.ones, rows)
        self.bias = self.param("bias", nn.initializers.zeros, rows)
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, rows)
        self.variance = self.variable("batch_stats", "variance", jnp.ones, rows)

    def __call__(self) -> tuple[ConvWeights, Moments]:
        """The weights and the running statistics."""
        return ConvWeights(self.kernel, self.scale, self.bias), Moments(self.mean.value, self.variance.value)

    def record(self, used: Moments, ran: jax.Array) -> None:
        """Move the running statistics towards those used, both (n, C), in the channels, bool (n, C), that ran."""
        for running, now in zip((self.mean, self.variance), used, strict=True):
            moved = running.value + (1 - STATISTICS_MOMENTUM) * (now - running.value)
            running.value = jnp.where(ran, moved, running.value)


class SuperCell101(Block, nn.Module):
    """One cell, of `channels` channels at its output, in a frame of `vertices` vertices."""

    vertices: int
    channels: int
    choose: Choose

    @nn.compact
    def __call__(self, x: jax.Array, plan: Plan, statistics: Statistics) -> jax.Array:
        """Apply the cell to x (B, H, W, D): (B, H, W, channels)."""
        n, c = self.vertices - 2, self.channels
        modules = Convolutions(
            StackedConvNorm(n, (3, 3, c, c), name="conv3x3"),
            StackedConvNorm(n, (c, c), name="conv1x1"),
            StackedConvNorm(n + 1, (x.shape[-1], c), name="project"),
        )
        weights, running = (Convolutions(*parts) for parts in zip(*(module() for module in modules), strict=True))
        if self.is_initializing():
            return jnp.zeros((*x.shape[:-1], c), x.dtype)
        y, used = super_cell(How(self.choose, statistics), x, plan, weights, running)
        if statistics == "batch" and self.is_mutable_collection("batch_stats"):
            _record(modules, used, plan)
        return y


def _record(modules: Convolutions, used: Used, plan: Plan) -> None:
    wire = plan.vertices.wire
    for number, module in ((nb.CONV_3X3, modules.conv3x3), (nb.CONV_1X1, modules.conv1x1)):
        ran = wire.mask & (wire.operation == number)[:, None]
        module.record(*jax.tree.map(lambda array: array[:-1], (used.operation, ran)))
    modules.project.record(used.project, wire.mask & wire.projected[:, None])


class Supernet101(nn.Module):
    """The whole network; candidate or supernet according to the genomes that it is given.

    Attributes:
        classes: number of classes.
        vertices: V, of the frame.
        channels: channels of the stem and of the first stack (benchmark: 128).
        stacks: stacks (benchmark: 3).
        cells: cells in each stack (benchmark: 3).
        choose: how a vertex picks its operation (`jcenas.nets.nasbench101.vertex`).
    """

    classes: int
    vertices: int = nb.MAX_VERTICES
    channels: int = 128
    stacks: int = 3
    cells: int = 3
    choose: Choose = "branch"

    @nn.compact
    def __call__(self, images: jax.Array, genome: jax.Array, *, statistics: Statistics = "running") -> jax.Array:
        """Classify images.

        Args:
            images: (B, H, W, C), H and W divisible by 2^(stacks - 1).
            genome: int32 (d,), valid in the frame; a cell without a path from input to output gives zeros.
            statistics: of the batch norms.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: the stacks cannot halve the images.
            AssertionError: a genome of another shape.
        """
        check_images(images, self.stacks)
        size = len(nb.edges(self.vertices)) + self.vertices - 2
        chex.assert_shape(genome, (size,), custom_message="genome")
        x = ConvNorm(self.channels, 3, name="stem")(images, statistics)
        for stack in range(self.stacks):
            x = halve(x) if stack else x
            width = self.channels * 2**stack
            plan = make_plan(genome, self.vertices, width)
            for i in range(self.cells):
                x = SuperCell101(self.vertices, width, self.choose, name=f"stack{stack}_cell{i}")(x, plan, statistics)
        return nn.Dense(self.classes, name="classifier")(GlobalPool()(x))


def start_alone(network: Supernet101, params: Any, genome: jax.Array) -> Any:
    """First weights of a cell (d,) that trains alone: with kernels as large as those of `Network101`; traces in `jit`.

    Args:
        network: the supernet.
        params: its first weights; the result has their shapes.
        genome: of the cell.
    """
    cell, params = wiring(genome, network.vertices), dict(params)
    for stack in range(network.stacks):
        width = network.channels * 2**stack
        larger = jnp.sqrt(width / jnp.maximum(vertex_channels(cell, width), 1))
        for i in range(network.cells):
            place = f"stack{stack}_cell{i}"
            params[place] = dict(params[place])
            for name in ("conv3x3", "conv1x1"):
                kernel = params[place][name]["kernel"]
                factor = jnp.where(cell.used[1:-1], larger, 1).reshape(-1, *(1,) * (kernel.ndim - 1))
                params[place][name] = params[place][name] | {"kernel": kernel * factor}
    return params


def extract(network: Supernet101, variables: dict[str, Any], genome: ArrayLike) -> dict[str, Any]:
    """The variables of `Network101` for one genome (d,) out of those of the supernet.

    Gradients are taken out in the same way.

    Raises:
        InputError: the genome describes no valid cell.
    """
    nb.decode(genome, network.vertices)
    cell = jax.tree.map(np.asarray, wiring(np.asarray(genome), network.vertices))
    params, stats = dict(variables["params"]), dict(variables["batch_stats"])
    for stack in range(network.stacks):
        width = network.channels * 2**stack
        widths = np.asarray(vertex_channels(cell, width)).tolist()
        taken = [("shortcut", "project", network.vertices - 2, width)] if cell.shortcut else []
        for number, v in enumerate(np.flatnonzero(cell.used[1:-1]).tolist(), start=1):  # as the pruned cell counts
            operation = int(cell.operations[v].argmax())
            if operation != nb.POOL:
                taken.append((f"vertex{number}", Convolutions._fields[operation], v, widths[v]))
            if cell.projected[v]:
                taken.append((f"input{number}", "project", v, widths[v]))
        for i in range(network.cells):
            place = f"stack{stack}_cell{i}"
            whole, running = params[place], stats[place]
            params[place], stats[place] = {}, {}
            for name, source, v, channels in taken:
                params[place][name], stats[place][name] = _take(source, whole[source], running[source], v, channels)
    return {"params": params, "batch_stats": stats}


def _take(source: str, weights: dict[str, Any], running: dict[str, Any], v: int, channels: int):
    """Weights and statistics of a `ConvNorm` of so many channels: the first of those that row v holds."""
    kernel = weights["kernel"][v][..., :channels]
    if source != "project":  # which reads all channels of the cell's input
        kernel = kernel[..., :channels, :]
    norm, moved = (
        {name: a[v, :channels] for name, a in tree.items() if name != "kernel"} for tree in (weights, running)
    )
    return {"kernel": kernel, "norm": norm}, {"norm": moved}
