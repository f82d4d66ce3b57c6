"""What DARTS and NASNet networks cost without building them: parameters and multiply-adds, vectorised over networks.

Counts are those of `jcenas.nets.genotype.network.GenotypeNetwork`, for `Cells` with any leading axes.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.nets.maps import Maps, Sum, classified
from jcenas.spaces.genotype import CELL_INPUTS, NUMBER, OPERATIONS, Cells

_SEPARABLE = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "sep_conv_7x7": 7}
_DILATED = {"dil_conv_3x3": 3, "dil_conv_5x5": 5}
_DENSE = {"conv_1x1": 1, "conv_3x3": 9}
_LINES = {"conv_3x1_1x3": 3, "conv_7x1_1x7": 7}
_POOLS = {"max_pool_5x5": 2, "max_pool_7x7": 3}  # a larger maximum is a maximum of maxima


@dataclasses.dataclass(frozen=True, kw_only=True)
class MacroGenotype:
    """Everything about a network but its cells; the defaults are those with which DARTS evaluates, on CIFAR-10."""

    image_size: int = 32
    image_channels: int = 3
    classes: int = 10
    channels: int = 36
    cells: int = 20
    auxiliary: bool = False


class _Layer(NamedTuple):
    pixels: int  # of what enters the cell
    channels: int  # of a node
    reduction: bool


def _layers(macro: MacroGenotype) -> list[_Layer]:
    pixels, channels, found = macro.image_size**2, macro.channels, []
    for i in range(macro.cells):
        reduction = i in (macro.cells // 3, 2 * macro.cells // 3)
        channels *= 2 if reduction else 1
        found.append(_Layer(pixels, channels, reduction))
        pixels //= 4 if reduction else 1
    return found


@functools.cache
def _per_operation(c: int) -> tuple[np.ndarray, np.ndarray]:
    """Parameters, and multiply-adds a pixel of the result, int (operations, 2), of c channels at stride 1 and 2."""
    parameters, work = np.zeros((2, len(OPERATIONS), 2), np.int64)
    for name, k in _SEPARABLE.items():
        parameters[NUMBER[name]] = 2 * (k * k * c + c * c + 2 * c)
        work[NUMBER[name]] = 2 * (k * k * c + c * c)
    for name, k in _DILATED.items():
        parameters[NUMBER[name]] = k * k * c + c * c + 2 * c
        work[NUMBER[name]] = k * k * c + c * c
    for name, taps in _DENSE.items():
        parameters[NUMBER[name]] = taps * c * c + 2 * c
        work[NUMBER[name]] = taps * c * c
    for name, taps in _LINES.items():
        parameters[NUMBER[name]] = 2 * taps * c * c + 2 * c
        work[NUMBER[name]] = [2 * taps * c * c, 3 * taps * c * c]  # the first of the two halves one axis only
    parameters[NUMBER["skip_connect"], 1] = c * c + 2 * c  # a factorised reduction
    work[NUMBER["skip_connect"], 1] = c * c
    return parameters, work


@functools.cache
def _maps() -> np.ndarray:
    """Maps read and written by an operation, in maps of its result, int (operations, 2), at stride 1 and 2.

    Each convolution or pool reads its input and writes its output once; norms and ReLU are fused. A map before a
    stride of 2 is four times as large.
    """
    passes = np.ones(len(OPERATIONS), np.int64)
    for group, count in ((_SEPARABLE, 4), (_DILATED, 2), (_LINES, 2)):
        passes[[NUMBER[name] for name in group]] = count
    return np.stack([2 * passes, 2 * passes + 3], axis=1)


def _operations(cells: Cells, layer: _Layer, table: np.ndarray) -> jax.Array:
    """Sum of a table's entries over the edges of a layer's cell, (...)."""
    cell = int(layer.reduction)
    strided = (cells.inputs[..., cell, :, :] < CELL_INPUTS) & layer.reduction
    entries = jnp.asarray(table)[cells.operations[..., cell, :, :], strided.astype(jnp.int32)]
    return entries.sum(axis=(-2, -1))


def _widths(cells: Cells, macro: MacroGenotype) -> tuple[list[jax.Array], jax.Array]:
    """Channels, int32 (...), of the output of the stem and of every cell; and of the cell before the auxiliary head."""
    outputs = jnp.sum(cells.concat, axis=-1, dtype=jnp.int32)  # (..., 2)
    widths = [jnp.full(outputs.shape[:-1], 3 * macro.channels, jnp.int32)]
    widths += [outputs[..., int(layer.reduction)] * layer.channels for layer in _layers(macro)]
    return widths, widths[2 * macro.cells // 3 + 1]


@functools.partial(jax.jit, static_argnames="macro")
def parameters(cells: Cells, macro: MacroGenotype | None = None) -> jax.Array:
    """Trainable parameters, int32 (...), of networks with these cells."""
    macro = macro or MacroGenotype()
    cells = Cells(*map(jnp.asarray, cells))
    widths, auxiliary = _widths(cells, macro)
    stem = 3 * macro.channels
    total = widths[-1] * macro.classes + macro.classes + 9 * macro.image_channels * stem + 2 * stem
    for i, layer in enumerate(_layers(macro)):
        c = layer.channels
        inputs = (widths[max(i - 1, 0)] + widths[i]) * c + 4 * c
        total += inputs + _operations(cells, layer, _per_operation(c)[0].astype(np.int32))
    if macro.auxiliary:
        total += 128 * auxiliary + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 769 * macro.classes
    return jnp.asarray(total, jnp.int32)


@functools.partial(jax.jit, static_argnames="macro")
def multiply_adds(cells: Cells, macro: MacroGenotype | None = None) -> jax.Array:
    """Multiply-adds of one image in convolutions and classifier, float32 (...), without the auxiliary head."""
    macro = macro or MacroGenotype()
    cells = Cells(*map(jnp.asarray, cells))
    widths, _ = _widths(cells, macro)
    total = 9.0 * macro.image_channels * (3 * macro.channels) * macro.image_size**2
    total += (widths[-1] * macro.classes).astype(jnp.float32)
    for i, layer in enumerate(_layers(macro)):
        inputs = (widths[max(i - 1, 0)] + widths[i]).astype(jnp.float32) * (layer.channels * layer.pixels)
        pixels = layer.pixels // 4 if layer.reduction else layer.pixels
        total += inputs + pixels * _operations(cells, layer, _per_operation(layer.channels)[1].astype(np.float32))
    return jnp.asarray(total, jnp.float32)


@functools.partial(jax.jit, static_argnames="macro")
def bytes_moved(cells: Cells, macro: MacroGenotype | None = None) -> jax.Array:
    """Bytes of weights read and of activations read and written for one image, float32 (...), no auxiliary head."""
    macro = macro or MacroGenotype()
    cells = Cells(*map(jnp.asarray, cells))
    widths, _ = _widths(cells, macro)
    pixels = macro.image_size**2
    total = jnp.float32(pixels * (macro.image_channels + 3 * macro.channels))
    for i, layer in enumerate(_layers(macro)):
        total += layer.pixels * (widths[max(i - 1, 0)] + widths[i] + 2 * layer.channels).astype(jnp.float32)
        pixels = layer.pixels // 4 if layer.reduction else layer.pixels
        total += pixels * layer.channels * _operations(cells, layer, _maps().astype(np.float32))
    total += pixels * widths[-1].astype(jnp.float32)
    weights = parameters(cells, dataclasses.replace(macro, auxiliary=False))
    return units.BYTES_PER_FLOAT32 * (total + weights.astype(jnp.float32))


def most_activations(cells: Cells, macro: MacroGenotype | None = None) -> np.ndarray:
    """The most numbers of maps at once for one image, float64 (n,), see `jcenas.nets.maps`; no auxiliary head.

    Args:
        cells: of n networks, with one leading axis.
        macro: the rest of the networks.
    """
    macro = macro or MacroGenotype()
    parts = [np.asarray(part).tolist() for part in cells]
    return np.array([_most(macro, *one) for one in zip(*parts, strict=True)], float)


def _most(macro: MacroGenotype, operations: list, inputs: list, concat: list) -> int:
    """Of one network; the lists have the axes of `Cells`."""
    maps, pixels = Maps(), macro.image_size**2
    stem = maps.new(3 * macro.channels * pixels, maps.new(macro.image_channels * pixels))
    before, last, width = (stem,), (stem,), 3 * macro.channels
    for layer in _layers(macro):
        kind = int(layer.reduction)
        size = layer.pixels * layer.channels
        nodes = [maps.new(size, *before), maps.new(size, *last)]
        small = size // 4 if layer.reduction else size
        for chosen, read in zip(operations[kind], inputs[kind], strict=True):
            total = Sum(maps, small)
            for operation, node in zip(chosen, read, strict=True):
                halves = layer.reduction and node < CELL_INPUTS
                _edge(maps, total, OPERATIONS[operation], nodes[node], small, 2 if halves else 1)
            entered = total.result()
            nodes.append(maps.new(small) if entered is None else entered)
        before, last = last, tuple(node for node, joined in zip(nodes, concat[kind], strict=True) if joined)
        width = layer.channels * len(last)
    return classified(maps, width, macro.classes, *last)


def _edge(maps: Maps, total: Sum, name: str, x: int, size: int, stride: int) -> None:
    """Add one operation on x to a block's sum, whose map has `size` numbers."""
    if name == "none":
        return
    if name == "skip_connect" and stride == 1:
        total.older(x)
        return
    passes = 1
    if name in _POOLS:
        for _ in range(_POOLS[name] - 1):
            x = maps.new(size * stride**2, x)
    elif name in _SEPARABLE:
        passes = 4  # depthwise, 1x1, depthwise, 1x1
    elif name in _DILATED:
        passes = 2
    elif name in _LINES:
        x = maps.new(size * stride, x)  # the row's convolution halves one axis only
    for _ in range(passes):
        x = maps.new(size, x)
    total.new(x)
