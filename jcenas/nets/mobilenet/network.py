"""The network of inverted residuals of one genome (Sandler et al., CVPR 2018, arXiv 1801.04381; arXiv 1905.11946).

Stem, stages (seven in the space's defaults), a 1x1 convolution to four times the last width, global average pool,
classifier. A layer is a 1x1 expansion (left out at expansion 1), a depthwise convolution, squeeze-excite (arXiv
1709.01507) if chosen, and a linear 1x1 projection, with a residual where shapes allow. Every convolution is followed
by batch norm and, but for the projection, by SiLU. `jcenas.nets.mobilenet.cost` counts the same network.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import ImageSideError
from jcenas.nets.genotype.operations import path_masks
from jcenas.nets.layers import depthwise as dw
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal
from jcenas.nets.mobilenet.cost import HEAD_FACTOR, SQUEEZE
from jcenas.spaces.mobilenet import MobileNet


def check_images(space: MobileNet, images: jax.Array) -> None:
    """Refuse images that are not (B, H, W, C) or whose sides the strides of a space do not divide."""
    total = space.total_stride
    if images.ndim != 4 or images.shape[1] % total or images.shape[2] % total:
        raise ImageSideError(f"images must be (B, H, W, C) with H and W multiples of {total}: {images.shape}")


class SqueezeExcite(nn.Module):
    """Scale every channel by a factor that two dense layers find from the means of all channels."""

    narrow: int

    @nn.compact
    def __call__(self, x: jax.Array, chosen: jax.Array | None = None) -> jax.Array:
        """(B, H, W, C) -> (B, H, W, C); `chosen`, bool (), leaves x as it is where it is false."""
        y = nn.silu(nn.Dense(self.narrow, name="squeeze", dtype=x.dtype)(x.mean(axis=(1, 2))))
        y = nn.sigmoid(nn.Dense(x.shape[-1], name="excite", dtype=x.dtype)(y))
        if chosen is not None:
            y = jnp.where(chosen, y, jnp.ones((), y.dtype))
        return x * y[:, None, None, :]


class InvertedResidual(Block, nn.Module):
    """One layer."""

    channels: int
    expansion: int
    kernel: int
    squeeze: bool
    stride: int

    homogeneous = False  # SiLUs

    @nn.compact
    def __call__(self, x: jax.Array, statistics: Statistics, mask: jax.Array | None) -> jax.Array:
        """(B, H, W, C) -> (B, H / stride, W / stride, channels); `mask` (B, 1, 1, 1) multiplies what is added to x."""
        c, wide, y = x.shape[-1], x.shape[-1] * self.expansion, x
        if self.expansion > 1:
            y = ops.pointwise(y, self.param("expand", he_normal(), (c, wide)))
            y = nn.silu(BatchNorm(name="expand_norm")(y, statistics))
        kernel = self.param("depthwise", he_normal(), (self.kernel, self.kernel, wide))
        y = nn.silu(BatchNorm(name="depthwise_norm")(dw.depthwise(y, kernel, stride=self.stride), statistics))
        if self.squeeze:
            y = SqueezeExcite(max(1, c // SQUEEZE), name="squeeze_excite")(y)
        y = ops.pointwise(y, self.param("project", he_normal(), (wide, self.channels)))
        y = BatchNorm(name="project_norm")(y, statistics)
        if self.stride > 1 or c != self.channels:
            return y
        return x + (y if mask is None else y * mask.astype(y.dtype))


class MobileNetwork(nn.Module):
    """The network of one genome.

    Attributes:
        space: the space that the genome belongs to.
        genome: int (d,).
        classes: number of classes.
    """

    space: MobileNet
    genome: tuple[int, ...]
    classes: int = 1000

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
            images: (B, H, W, C), H and W multiples of the product of strides; the genome's resolution is what the
                caller feeds.
            genome: ignored; so that the network trains where the architecture is data elsewhere.
            statistics: of the batch norms.
            drop_path: rate of dropped residuals in the last layer, with batch statistics only; it rises linearly from
                0 over the layers (stochastic depth, arXiv 1603.09382). Needs a random stream `drop_path`.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: image sides that the strides do not divide.
        """
        del genome
        check_images(self.space, images)
        with jax.ensure_compile_time_eval():  # values of a constant genome, not of the program's input
            chosen = jax.tree.map(np.asarray, self.space.stages(np.array(self.genome, np.int32)))
        widths = self.space.channels()[chosen.width].tolist()
        depth, total = 0, int(chosen.layers.sum())
        masks = [None] * total
        if drop_path is not None and statistics == "batch" and not self.is_initializing():
            rates = jnp.asarray(drop_path) * (np.arange(total, dtype=np.float32) / total)
            drawn = path_masks(self.make_rng("drop_path"), total, images.shape[0], rates.reshape(total, 1, 1, 1, 1))
            masks = list(drawn)
        kernel = self.param("stem", he_normal(), (3, 3, images.shape[-1], widths[0]))
        x = nn.silu(BatchNorm(name="stem_norm")(conv(images, kernel, self.space.stem_stride), statistics))
        for s, stride in enumerate(self.space.stage_strides):
            choice = (int(chosen.expansion[s]), int(chosen.kernel[s]), bool(chosen.squeeze[s]))
            for i in range(int(chosen.layers[s])):
                layer = InvertedResidual(widths[s + 1], *choice, 1 if i else stride, name=f"stage{s}_layer{i}")
                x = layer(x, statistics, masks[depth])
                depth += 1
        x = ops.pointwise(x, self.param("head", he_normal(), (widths[-1], HEAD_FACTOR * widths[-1])))
        x = GlobalPool(nn.silu)(BatchNorm(name="head_norm")(x, statistics))
        return nn.Dense(self.classes, name="classifier")(x)
