"""The CIFAR network of DARTS and NASNet round the cells of one genotype.

Stem, then `cells` cells of which those at one and at two thirds are reduction cells that double the channels, global
average pool, linear classifier (arXiv 1806.09055, section 3.1). A cell brings its two inputs to its own width by 1x1
convolutions; an input that is twice as large is halved on the way.

The genotype is a constant of the program: only its operations exist. `jcenas.nets.genotype.supernet` has the
architecture as data.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.errors import ImageSideError, InputError
from jcenas.nets.genotype.operations import FactorizedReduction, Operation, PointwiseNorm, path_masks
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal
from jcenas.spaces.genotype import CELL_INPUTS, Edge, Genotype

STEM_MULTIPLIER = 3
AUXILIARY_SIDE = 8  # pixels; what the auxiliary head expects


def reductions(cells: int) -> tuple[int, ...]:
    """Which cells reduce."""
    return tuple(sorted({cells // 3, 2 * cells // 3}))


class GenotypeCell(Block, nn.Module):
    """One cell with fixed operations, of `channels` channels a node."""

    edges: tuple[Edge, ...]
    concat: tuple[int, ...]
    channels: int
    reduction: bool
    reduction_before: bool

    reads = (2, 1)

    @nn.compact
    def __call__(
        self, before: jax.Array, last: jax.Array, statistics: Statistics, masks: jax.Array | None
    ) -> jax.Array:
        """Apply the cell to the outputs of the two cells before it, (B, H, W, C).

        `masks` (edges, B, 1, 1, 1) multiply the results of the edges but for identities; None drops no path.
        """
        halve = FactorizedReduction if self.reduction_before else PointwiseNorm
        nodes = [
            halve(self.channels, name="input0")(before, statistics),
            PointwiseNorm(self.channels, name="input1")(last, statistics),
        ]
        for block in range(len(self.edges) // 2):
            total = []
            for e in (2 * block, 2 * block + 1):
                operation, node = self.edges[e]
                stride = 2 if self.reduction and node < CELL_INPUTS else 1
                y = Operation(operation, stride, name=f"edge{e}_{operation}")(nodes[node], statistics)
                if masks is not None and not (operation == "skip_connect" and stride == 1):
                    y *= masks[e].astype(y.dtype)
                total.append(y)
            nodes.append(total[0] + total[1])
        return jnp.concatenate([nodes[node] for node in self.concat], axis=-1)


class AuxiliaryHead(nn.Module):
    """A classifier on 8x8 maps half-way through the network, whose loss helps the training (arXiv 1409.4842)."""

    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics) -> jax.Array:
        """Logits (B, classes) of x (B, 8, 8, C).

        Raises:
            InputError: maps of another size.
        """
        if x.shape[1:3] != (AUXILIARY_SIDE, AUXILIARY_SIDE):
            raise InputError(f"the auxiliary head needs 8x8 maps (32x32 images), got {x.shape[1:3]}")
        pooled = nn.avg_pool(nn.relu(x), (5, 5), (3, 3))
        y = ops.pointwise(pooled, self.param("squeeze", he_normal(), (x.shape[-1], 128)))
        y = nn.relu(BatchNorm(name="squeeze_norm")(y, statistics))
        kernel = self.param("window", he_normal(), (2, 2, 128, 768))
        y = jnp.einsum("bhwc,hwcd->bd", y, kernel)[:, None, None]
        y = nn.relu(BatchNorm(name="window_norm")(y, statistics))[:, 0, 0]
        return nn.Dense(self.classes, name="classifier")(y)


class GenotypeNetwork(nn.Module):
    """The network of one genotype.

    Attributes:
        genotype: both cells, by name.
        classes: number of classes.
        channels: channels of a node in the first cells, even (DARTS: 36 to evaluate, 16 to search).
        cells: cells (DARTS: 20 to evaluate, 8 to search).
        auxiliary: whether there is an auxiliary head. Its logits are in the collection `intermediates`, under
            `auxiliary`, of an `apply` with batch statistics that makes that collection mutable.
    """

    genotype: Genotype
    classes: int
    channels: int = 36
    cells: int = 20
    auxiliary: bool = False

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        genome: jax.Array | None = None,
        *,
        statistics: Statistics = "running",
        drop_path: jax.Array | float | None = None,
    ) -> jax.Array:
        """Classify images.

        Args:
            images: (B, H, W, C), H and W multiples of 4.
            genome: ignored; so that the network trains where the architecture is data elsewhere.
            statistics: of the batch norms.
            drop_path: rate of dropped paths in [0, 1), with batch statistics only; needs a random stream `drop_path`.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: image sides that two reductions cannot halve, or an odd number of channels.
        """
        del genome
        check_images(images, self.channels)
        edges = max(len(self.genotype.normal), len(self.genotype.reduce))
        masks = [None] * self.cells
        if drop_path is not None and statistics == "batch" and not self.is_initializing():
            drawn = path_masks(self.make_rng("drop_path"), self.cells * edges, images.shape[0], drop_path)
            masks = list(drawn.reshape(self.cells, edges, *drawn.shape[1:]))
        x = Stem(STEM_MULTIPLIER * self.channels, name="stem")(images, statistics)
        before, last, channels, halved = x, x, self.channels, False
        for i in range(self.cells):
            reduce = i in reductions(self.cells)
            channels *= 2 if reduce else 1
            parts = (
                (self.genotype.reduce, self.genotype.reduce_concat)
                if reduce
                else (self.genotype.normal, self.genotype.normal_concat)
            )
            cell = GenotypeCell(*parts, channels, reduce, halved, name=f"cell{i}")
            before, last, halved = last, cell(before, last, statistics, masks[i]), reduce
            if self.auxiliary and i == 2 * self.cells // 3 and (statistics == "batch" or self.is_initializing()):
                head = AuxiliaryHead(self.classes, name="auxiliary_head")
                self.sow("intermediates", "auxiliary", head(last, statistics))
        return nn.Dense(self.classes, name="classifier")(GlobalPool()(last))


class Stem(nn.Module):
    """3x3 convolution and batch norm."""

    channels: int

    @nn.compact
    def __call__(self, images: jax.Array, statistics: Statistics) -> jax.Array:
        """(B, H, W, C) -> (B, H, W, channels)."""
        kernel = self.param("kernel", he_normal(), (3, 3, images.shape[-1], self.channels))
        return BatchNorm(name="norm")(conv(images, kernel, 1), statistics)


def check_images(images: jax.Array, channels: int) -> None:
    """Refuse what the network cannot halve twice.

    Raises:
        InputError: says what, with the numbers.
    """
    if images.ndim != 4 or images.shape[1] % 4 or images.shape[2] % 4:
        raise ImageSideError(f"images must be (B, H, W, C) with H and W multiples of 4, not {images.shape}")
    if channels % 2:
        raise InputError(f"channels must be even, since a reduction gives half of them to each grid; got {channels}")
