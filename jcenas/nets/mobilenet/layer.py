"""One layer of inverted residuals with its choices as data: expansion, kernel, squeeze-excite, or none of the layer.

The layer computes the channels of the largest expansion and zeroes those behind the chosen ones before anything mixes
channels, so that a smaller expansion has the first channels and their weights. Each kernel size has a kernel and a
batch norm of its own, not the centre of the largest kernel: every one then starts with the variance of its own fan-in
and keeps the statistics of its own maps, for a few numbers a channel more.

* ``"branch"``: `lax.switch` runs the chosen depthwise convolution, most of a layer's time on CPUs, and `lax.cond` a
  chosen layer. A branch for every expansion as well would save CPUs two fifths of the work of a mean genome, in a
  program three times as large.
* ``"blend"``: the chosen kernel runs inside the largest, and every layer, whether chosen or not. No control flow.
"""

import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.norm import BatchNorm, Statistics
from jcenas.nets.mobilenet.cost import SQUEEZE
from jcenas.nets.mobilenet.kernels import Choose, chosen_depthwise, pick
from jcenas.nets.mobilenet.network import SqueezeExcite

Tree = dict[str, Any]  # weights or running statistics of a layer, by the names of its parts

# Weights whose wide axis is the first, and those that have none; of the others it is the last.
_WIDE_ROWS = ("['squeeze_excite']['squeeze']['kernel']", "['project']")
_NOT_WIDE = ("['squeeze_excite']['squeeze']['bias']", "['project_norm']")


class Kind(NamedTuple):
    """What is the same for all genomes."""

    before: int  # channels in
    after: int  # channels out
    stride: int
    expansions: tuple[int, ...]
    kernels: tuple[int, ...]
    optional: bool  # a genome may leave the layer out; stride 1, as many channels out as in

    @property
    def wide(self) -> int:
        """Channels of the largest expansion."""
        return self.before * max(self.expansions)

    @property
    def narrow(self) -> int:
        """Channels of the squeeze-excite."""
        return max(1, self.before // SQUEEZE)


class Choice(NamedTuple):
    """What a genome chooses for a layer."""

    run: jax.Array  # bool (); ignored where the layer is not optional
    expansion: jax.Array  # int32 (), index into the expansions
    kernel: jax.Array  # int32 (), index into the kernels
    squeeze: jax.Array  # bool ()


def taken(kind: Kind, tree: Tree, expansion: int, kernel: int) -> Tree:
    """Those of a layer's weights or statistics that `InvertedResidual` of a choice has, under its names."""
    wide = kind.before * expansion

    def first(path: Any, leaf: jax.Array) -> jax.Array:
        name = jax.tree_util.keystr(path)
        if name.startswith(_NOT_WIDE):
            return leaf
        return leaf[:wide] if name.startswith(_WIDE_ROWS) else leaf[..., :wide]

    parts = {}
    for name, part in tree.items():
        if name.startswith("depthwise"):
            if name.endswith(str(kernel)):
                parts[name.removesuffix(str(kernel))] = part
        elif expansion > 1 or not name.startswith("expand"):
            parts[name] = part
    return jax.tree_util.tree_map_with_path(first, parts)


def apply_layer(
    static: tuple[Kind, Choose, Statistics], x: jax.Array, choice: Choice, weights: Tree, running: Tree
) -> tuple[jax.Array, Tree]:
    """Apply a layer as a genome chooses.

    Args:
        static: the layer's kind, how it chooses, and the statistics of the batch norms.
        x: (B, H, W, before).
        choice: of the genome.
        weights: of the layer.
        running: running statistics of the layer.

    Returns:
        The output (B, H / stride, W / stride, after), and the running statistics, moved where batch statistics ran;
        they carry no gradient.
    """
    kind, choose, _ = static
    if kind.optional and choose == "branch":
        return _optional(static, x, choice, weights, running)
    result = _run(static, x, choice, weights, running)
    return _where(choice.run, result, (x, running)) if kind.optional else result


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _optional(static, x, choice, weights, running):
    run = functools.partial(_run, static)
    return lax.cond(choice.run, run, lambda x, choice, weights, running: (x, running), x, choice, weights, running)


def _forward(static, *arguments):
    return _optional(static, *arguments), arguments


def _backward(static, saved, cotangents):
    """Runs the layer again: what automatic differentiation of `lax.cond` saves takes longer to write and read."""
    x, choice, weights, running = saved

    def pull(x, weights, g):
        return jax.vjp(lambda x, weights: _run(static, x, choice, weights, running)[0], x, weights)[1](g)

    def skip(x, weights, g):
        return g, jax.tree.map(jnp.zeros_like, weights)

    dx, dweights = lax.cond(choice.run, pull, skip, x, weights, cotangents[0])
    return dx, None, dweights, None


_optional.defvjp(_forward, _backward)


def _run(static, x, choice, weights, running):
    kind, choose, statistics = static
    expansion = jnp.asarray(kind.expansions, jnp.int32)[choice.expansion]
    keep, moved = jnp.arange(kind.wide) < kind.before * expansion, {}

    def norm(name: str, y: jax.Array, which: jax.Array) -> jax.Array:
        """Batch norm by its name; its statistics move where `which`, bool (C,) or (), is true."""
        y, now = _norm(y, weights[name], running[name], statistics)
        moved[name] = _where(which, now, running[name])
        return y

    y = x
    if max(kind.expansions) > 1:
        y = jax.nn.silu(norm("expand_norm", ops.pointwise(x, weights["expand"]), keep & (expansion > 1)))
        if 1 in kind.expansions:
            y = jnp.where(expansion == 1, jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, kind.wide - kind.before))), y)
    y = chosen_depthwise(choose, kind.stride, y, choice.kernel, [weights[f"depthwise{k}"] for k in kind.kernels])
    names = [f"depthwise_norm{kernel}" for kernel in kind.kernels]
    part, own = (pick(choice.kernel, [tree[name] for name in names]) for tree in (weights, running))
    y, now = _norm(y, part, own, statistics)
    for i, name in enumerate(names):
        moved[name] = _where(keep & (choice.kernel == i), now, running[name])
    y = jnp.where(keep[None, None, None], jax.nn.silu(y), jnp.zeros((), y.dtype))
    y = cast(jax.Array, SqueezeExcite(kind.narrow).apply({"params": weights["squeeze_excite"]}, y, choice.squeeze))
    y = norm("project_norm", ops.pointwise(y, weights["project"]), jnp.ones((), bool))
    return (x + y if kind.stride == 1 and kind.before == kind.after else y), moved


def _norm(y: jax.Array, weights: Tree, running: Tree, statistics: Statistics) -> tuple[jax.Array, Tree]:
    """Batch norm, and all its running statistics after it."""
    variables = {"params": weights, "batch_stats": running}
    result, now = BatchNorm().apply(variables, y, statistics, mutable=["batch_stats"])
    return cast(jax.Array, result), lax.stop_gradient(cast(Tree, now["batch_stats"]))


def _where(which: jax.Array, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(which, a, b), one, other)
