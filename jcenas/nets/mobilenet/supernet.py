"""The network of inverted residuals with the architecture as data: one program trains every genome of a space.

With one genome throughout, the network is that candidate, equal to `MobileNetwork`; with another genome at every step,
it is the single-path weight-sharing supernet (Guo et al., ECCV 2020, arXiv 1904.00420; layers that choose expansion,
kernel and depth: Cai et al., ICLR 2020, arXiv 1908.09791). What a layer holds is told in
`jcenas.nets.mobilenet.layer`. The layers of a stage behind its first are equal in shape and run in a loop: a program of
two layers a stage, not of all; those beyond the chosen number pass their input on. `extract` takes the weights of one
genome out.

``choose="branch"`` is best on CPUs; ``"blend"``, which has no control flow but the loop, on accelerators and under
`vmap` over genomes. Both give the same result.

The first weights of a projection have the variance of the largest expansion; the batch norm behind it takes that out.
"""

import functools
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jcenas.errors import InputError
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.convolution import conv
from jcenas.nets.layers.norm import BatchNorm, Statistics, he_normal
from jcenas.nets.mobilenet.cost import HEAD_FACTOR
from jcenas.nets.mobilenet.kernels import Choose
from jcenas.nets.mobilenet.layer import Choice, Kind, Tree, apply_layer, taken
from jcenas.nets.mobilenet.network import check_images
from jcenas.spaces.mobilenet import MobileNet


class Layers(Block, nn.Module):
    """`count` layers of one kind, one after another; every weight has a leading axis of so many."""

    kind: Kind
    count: int
    choose: Choose

    homogeneous = False  # SiLUs

    @nn.compact
    def __call__(self, x: jax.Array, choices: Choice, statistics: Statistics) -> jax.Array:
        """Apply to x (B, H, W, C); `choices` with a leading axis `count`."""
        kind = self.kind
        weights, running = self._declare()
        if self.is_initializing():
            return jnp.zeros((len(x), x.shape[1] // kind.stride, x.shape[2] // kind.stride, kind.after), x.dtype)
        apply = functools.partial(apply_layer, (kind, self.choose, statistics))
        each = (choices, weights, {name: variable.value for name, variable in running.items()})
        if kind.optional:
            x, moved = lax.scan(lambda x, own: apply(x, *own), x, each)
        else:  # may change the shape; there is one of it
            x, moved = apply(x, *jax.tree.map(lambda leaf: leaf[0], each))
            moved = jax.tree.map(lambda leaf: leaf[None], moved)
        if self.is_mutable_collection("batch_stats"):
            for name, variable in running.items():
                variable.value = moved[name]
        return x

    def _declare(self) -> tuple[Tree, dict[str, nn.Variable]]:
        """The weights and the running statistics, by the names of `InvertedResidual`'s."""
        kind, n, wide = self.kind, self.count, self.kind.wide
        weights, running = {}, {}

        def norm(name: str, channels: int) -> None:
            shape = (n, channels)
            weights[name] = self.param(name, lambda key: {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)})

            def zero():
                return {"mean": jnp.zeros(shape), "variance": jnp.ones(shape)}

            running[name] = self.variable("batch_stats", name, zero)

        if max(kind.expansions) > 1:
            weights["expand"] = self.param("expand", he_normal((0,)), (n, kind.before, wide))
            norm("expand_norm", wide)
        for size in kind.kernels:
            weights[f"depthwise{size}"] = self.param(f"depthwise{size}", he_normal((0,)), (n, size, size, wide))
            norm(f"depthwise_norm{size}", wide)
        shapes = {"squeeze": (n, wide, kind.narrow), "excite": (n, kind.narrow, wide)}
        weights["squeeze_excite"] = self.param("squeeze_excite", _dense, shapes)
        weights["project"] = self.param("project", he_normal((0,)), (n, wide, kind.after))
        norm("project_norm", kind.after)
        return weights, running


def _dense(key: jax.Array, shapes: dict[str, tuple[int, ...]]) -> Tree:
    """First weights of dense layers by their kernels' shapes (n, in, out), as Linen's."""
    initial = nn.initializers.lecun_normal(batch_axis=(0,))
    keys = jax.random.split(key, len(shapes))
    return {
        name: {"kernel": initial(key, shape), "bias": jnp.zeros((shape[0], shape[2]))}
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


class MobileSupernet(nn.Module):
    """The whole network; candidate or supernet according to the genomes that it is given.

    Attributes:
        space: where genomes come from, with one width and one resolution.
        classes: number of classes.
        choose: how a layer chooses (module docstring).
    """

    space: MobileNet
    classes: int
    choose: Choose = "branch"

    @nn.compact
    def __call__(self, images: jax.Array, genome: jax.Array, *, statistics: Statistics = "running") -> jax.Array:
        """Classify images.

        Args:
            images: (B, H, W, C), H and W multiples of the product of the space's strides.
            genome: int32 (d,), of the space.
            statistics: of the batch norms.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: image sides that the strides do not divide, or a space of several widths or resolutions.
            AssertionError: a genome of another shape.
        """
        space = self.space
        check_images(space, images)
        chex.assert_shape(genome, (len(space.cardinalities),), custom_message="genome")
        stem, *_, last = _widths(space)
        x = conv(images, self.param("stem", he_normal(), (3, 3, images.shape[-1], stem)), space.stem_stride)
        x = nn.silu(BatchNorm(name="stem_norm")(x, statistics))
        for group in _groups(space):
            choices = _choices(space, genome, group)
            x = Layers(group.kind, group.count, self.choose, name=group.name)(x, choices, statistics)
        x = ops.pointwise(x, self.param("head", he_normal(), (last, HEAD_FACTOR * last)))
        x = GlobalPool(nn.silu)(BatchNorm(name="head_norm")(x, statistics))
        return nn.Dense(self.classes, name="classifier")(x)


def _widths(space: MobileNet) -> list[int]:
    """Channels of the stem and of the stages of the one width that a space has."""
    if len(space.widths) > 1 or len(space.resolutions) > 1:
        raise InputError(f"a supernet has one width and one resolution, not {space.widths} and {space.resolutions}")
    return space.channels()[0].tolist()


class _Group(NamedTuple):
    """Layers of a stage that are equal in shape."""

    name: str
    stage: int
    kind: Kind
    first: int  # number of the first of them in its stage
    count: int


def _groups(space: MobileNet) -> list[_Group]:
    """The groups of all stages, in their order."""
    groups, choices, most, widths = [], (space.expansions, space.kernels), max(space.layers), _widths(space)
    for s, stride in enumerate(space.stage_strides):
        before, after = widths[s : s + 2]
        alone = 1 if stride > 1 or before != after or most == 1 else 0  # first layers with a group of their own
        if alone:
            kind = Kind(before, after, stride, *choices, optional=False)
            groups.append(_Group(f"stage{s}_layers0", s, kind, 0, 1))
        if most > alone:
            kind = Kind(after, after, 1, *choices, optional=True)
            groups.append(_Group(f"stage{s}_layers{alone}", s, kind, alone, most - alone))
    return groups


def _choices(space: MobileNet, genome: jax.Array, group: _Group) -> Choice:
    """What the layers of a group do; every array has a leading axis of so many."""
    expansion, kernel, layers, squeeze = genome[: 4 * space.stage_count].reshape(4, space.stage_count)[:, group.stage]
    run = group.first + jnp.arange(group.count) < jnp.asarray(space.layers, jnp.int32)[layers]
    return Choice(*(jnp.broadcast_to(value, (group.count,)) for value in (run, expansion, kernel, squeeze > 0)))


def extract(network: MobileSupernet, variables: dict[str, Any], genome: ArrayLike) -> dict[str, Any]:
    """The variables of `MobileNetwork` for one genome (d,) out of those of the supernet (`params`, `batch_stats`)."""
    space = network.space
    chosen = jax.tree.map(np.asarray, space.stages(np.asarray(genome)))
    result = {}
    for collection in ("params", "batch_stats"):
        whole = variables[collection]
        own = {name: part for name, part in whole.items() if not name.startswith("stage")}
        for name, s, kind, first, count in _groups(space):
            for i in range(min(count, int(chosen.layers[s]) - first)):
                layer = jax.tree.map(lambda leaf, i=i: leaf[i], whole[name])
                layer = taken(kind, layer, int(chosen.expansion[s]), int(chosen.kernel[s]))
                if not chosen.squeeze[s]:
                    layer.pop("squeeze_excite", None)
                own[f"stage{s}_layer{first + i}"] = layer
        result[collection] = own
    return result
