"""The NAS-Bench-101 network round one cell, trainable (Ying et al., ICML 2019, arXiv 1902.09635, section 2.1).

Stem, then stacks of equal cells; between stacks a 2x2 maximum halves the image and the channels double; last a mean
over pixels and a dense layer. Every convolution is followed by batch norm and ReLU. Inside a cell the input enters an
inner vertex through a 1x1 convolution, another vertex by its first channels; what enters is added up. The output
concatenates what enters it and adds the projected input.

The cell is a constant of the program: only its vertices exist. `jcenas.nets.nasbench101.cost` counts the same network.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import ImageSideError
from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal
from jcenas.nets.nasbench101.cost import vertex_channels, wiring
from jcenas.spaces import nasbench101 as nb


def check_images(images: jax.Array, stacks: int) -> None:
    """Raise `InputError` unless images are (B, H, W, C) with sides that the pools between the stacks can halve."""
    divisor = 2 ** (stacks - 1)
    if images.ndim != 4 or images.shape[1] % divisor or images.shape[2] % divisor:
        raise ImageSideError(f"images must be (B, H, W, C) with H and W multiples of {divisor}, not {images.shape}")


def halve(x: jax.Array) -> jax.Array:
    """2x2 maximum of x (B, H, W, C): (B, H / 2, W / 2, C)."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


class ConvNorm(nn.Module):
    """Convolution with a square kernel of side `size`, batch norm, ReLU."""

    channels: int
    size: int

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """(B, H, W, C) -> (B, H, W, channels)."""
        shape = (x.shape[-1], self.channels)
        if self.size == 1:
            y = ops.pointwise(x, self.param("kernel", he_normal(), shape))
        else:
            y = conv(x, self.param("kernel", he_normal(), (self.size, self.size, *shape)), 1)
        return nn.relu(BatchNorm(name="norm")(y, statistics))


class Cell101(Block, nn.Module):
    """One pruned cell.

    Attributes:
        genome: with the cell's k vertices in their order, so that vertex v of the frame is vertex v of the cell.
        vertices: V, of the frame.
        channels: of the cell's output.
    """

    genome: tuple[int, ...]
    vertices: int
    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """(B, H, W, C) -> (B, H, W, channels)."""
        cell = nb.decode(np.array(self.genome), self.vertices)
        last = len(cell.operations) - 1
        with jax.ensure_compile_time_eval():  # the rule is a program of its own; here its result shapes this one
            found = vertex_channels(wiring(np.array(self.genome), self.vertices), self.channels)
            widths = [0, *np.asarray(found).tolist()]
        vertices = [x]
        for v in range(1, last):
            total = None
            for u in np.flatnonzero(cell.adjacency[:v, v]).tolist():
                projected = ConvNorm(widths[v], 1, name=f"input{v}") if u == 0 else None
                y = projected(x, statistics) if projected else vertices[u][..., : widths[v]]
                total = y if total is None else total + y
            assert total is not None, "a pruned cell has no vertex without input"
            vertices.append(self._operate(cell.operations[v], v, widths[v], total, statistics))
        ends = [vertices[u] for u in np.flatnonzero(cell.adjacency[1:last, last]) + 1]
        direct = ConvNorm(self.channels, 1, name="shortcut")(x, statistics) if cell.adjacency[0, last] else None
        if not ends:
            assert direct is not None, "a valid cell has a path to its output"
            return direct
        joined = jnp.concatenate(ends, axis=-1)
        return joined if direct is None else joined + direct

    def _operate(self, operation: str, v: int, width: int, x: jax.Array, statistics: Statistics) -> jax.Array:
        if operation == nb.OPERATIONS[nb.POOL]:
            return dw.max_pool_3x3(x, 1)
        size = 3 if operation == nb.OPERATIONS[nb.CONV_3X3] else 1
        return ConvNorm(width, size, name=f"vertex{v}")(x, statistics)


class Network101(nn.Module):
    """The network of one genome of `jcenas.spaces.nasbench101`.

    Attributes:
        genome: int (d,) in a frame of `vertices` vertices.
        classes: number of classes.
        vertices: V, of the frame.
        channels: channels of the stem and of the first stack (benchmark: 128).
        stacks: stacks (benchmark: 3).
        cells: cells in each stack (benchmark: 3).
    """

    genome: tuple[int, ...]
    classes: int
    vertices: int = nb.MAX_VERTICES
    channels: int = 128
    stacks: int = 3
    cells: int = 3

    @nn.compact
    def __call__(
        self, images: jax.Array, genome: jax.Array | None = None, *, statistics: Statistics = "running"
    ) -> jax.Array:
        """Logits (B, classes) of images (B, H, W, C), H and W divisible by 2^(stacks - 1); `genome` is ignored.

        Raises:
            InputError: the genome describes no valid cell, or the stacks cannot halve the images.
        """
        del genome
        check_images(images, self.stacks)
        cell = nb.decode(np.array(self.genome), self.vertices)
        own = tuple(nb.encode(cell, self.vertices).tolist())
        x = ConvNorm(self.channels, 3, name="stem")(images, statistics)
        for stack in range(self.stacks):
            x = halve(x) if stack else x
            for i in range(self.cells):
                x = Cell101(own, self.vertices, self.channels * 2**stack, name=f"stack{stack}_cell{i}")(x, statistics)
        return nn.Dense(self.classes, name="classifier")(GlobalPool()(x))
