"""What NAS-Bench-101 networks cost without building them: channels, parameters, multiply-adds, activations.

The network (Ying et al., ICML 2019): a 3x3 convolution of 128 channels, then three stacks of three equal cells; between
stacks a pool halves the image and the channels double; last a mean over pixels and a dense layer. Every convolution is
followed by batch norm and ReLU. What enters an inner vertex is added up, what the input sends passes a 1x1 projection
first; what enters the output is concatenated, and the projected input is added to it. So the vertices that feed the
output share its channels out among themselves (the first ones take one more where this does not divide), and every
other inner vertex has as many as the largest of those that it feeds.

All functions take genomes (..., d) of a frame of V vertices, trace under `jit`, and leave out what is cut away.
"""

import dataclasses
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.nets.maps import Maps, Sum, classified
from jcenas.spaces.nasbench101 import CONV_1X1, CONV_3X3, MAX_VERTICES, POOL, edges, pruned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Macro101:
    """Everything about a network but its cell; the defaults are the benchmark's, on CIFAR-10."""

    image_size: int = 32
    image_channels: int = 3
    classes: int = 10
    channels: int = 128
    stacks: int = 3
    cells: int = 3

    def modules(self) -> list[tuple[int, int, int]]:
        """(pixels, channels before, channels after) of every cell of the network."""
        found, before = [], self.channels
        for stack in range(self.stacks):
            for _ in range(self.cells):
                after = self.channels * 2**stack
                found.append(((self.image_size // 2**stack) ** 2, before, after))
                before = after
        return found


class Wiring(NamedTuple):
    """A pruned cell as its network sees it; V vertices."""

    adjacency: jax.Array  # (..., V, V) bool
    used: jax.Array  # (..., V) bool
    operations: jax.Array  # (..., V - 2, 3) float32, one-hot, zero for an unused vertex
    feeds: jax.Array  # (..., V - 2) bool: inner vertices that feed the output
    projected: jax.Array  # (..., V - 2) bool: inner vertices that the input feeds
    shortcut: jax.Array  # (...,) bool: the input feeds the output


@functools.partial(jax.jit, static_argnames="vertices")
def wiring(genomes: ArrayLike, vertices: int = MAX_VERTICES) -> Wiring:
    """The parts of cells (..., d) that cost something."""
    genomes = jnp.asarray(genomes)
    chex.assert_shape(genomes, (..., len(edges(vertices)) + vertices - 2), custom_message="genomes")
    adjacency, used = pruned(genomes, vertices)
    labels = genomes[..., len(edges(vertices)) :]
    operations = jax.nn.one_hot(labels, 3) * used[..., 1:-1, None]
    return Wiring(adjacency, used, operations, adjacency[..., 1:-1, -1], adjacency[..., 0, 1:-1], adjacency[..., 0, -1])


@functools.partial(jax.jit, static_argnames="channels")
def vertex_channels(cell: Wiring, channels: int) -> jax.Array:
    """Channels of the inner vertices, int32 (..., V - 2), of a cell with so many output channels; 0 where unused."""
    count = jnp.maximum(jnp.sum(cell.feeds, axis=-1, keepdims=True), 1)
    extra = jnp.cumsum(cell.feeds, axis=-1) <= channels % count
    direct = jnp.where(cell.feeds, channels // count + extra, 0).astype(jnp.int32)
    inner = cell.adjacency[..., 1:-1, 1:-1]
    found = [direct[..., v] for v in range(direct.shape[-1])]
    for v in reversed(range(direct.shape[-1])):
        later = [jnp.where(inner[..., v, w], found[w], 0) for w in range(v + 1, direct.shape[-1])]
        if later:
            through = jnp.max(jnp.stack(later), axis=0)
            found[v] = jnp.where(cell.feeds[..., v], direct[..., v], through)
    return jnp.stack(found, axis=-1)


@functools.partial(jax.jit, static_argnames=("vertices", "macro"))
def parameters(genomes: ArrayLike, vertices: int = MAX_VERTICES, macro: Macro101 | None = None) -> jax.Array:
    """Trainable parameters, int32 (...), of the networks of genomes (..., d)."""
    macro = macro or Macro101()
    cell = wiring(genomes, vertices)
    stem, last = macro.channels, macro.channels * 2 ** (macro.stacks - 1)
    total = 9 * macro.image_channels * stem + 2 * stem + (last + 1) * macro.classes
    operations = cell.operations.astype(jnp.int32)
    for _, before, after in macro.modules():
        c = vertex_channels(cell, after)
        per_vertex = operations[..., CONV_3X3] * (9 * c * c + 2 * c) + operations[..., CONV_1X1] * (c * c + 2 * c)
        per_vertex += cell.projected * (before * c + 2 * c)
        total += jnp.sum(per_vertex, axis=-1) + cell.shortcut * (before * after + 2 * after)
    return jnp.asarray(total, jnp.int32)


@functools.partial(jax.jit, static_argnames=("vertices", "macro"))
def multiply_adds(genomes: ArrayLike, vertices: int = MAX_VERTICES, macro: Macro101 | None = None) -> jax.Array:
    """Multiply-adds of one image in convolutions and classifier, float32 (...)."""
    macro = macro or Macro101()
    cell = wiring(genomes, vertices)
    last = macro.channels * 2 ** (macro.stacks - 1)
    total = 9.0 * macro.image_channels * macro.channels * macro.image_size**2 + last * macro.classes
    for pixels, before, after in macro.modules():
        c = vertex_channels(cell, after).astype(jnp.float32)
        weights = cell.operations[..., CONV_3X3] * 9 * c * c + cell.operations[..., CONV_1X1] * c * c
        weights += cell.projected * before * c
        total += pixels * (jnp.sum(weights, axis=-1) + cell.shortcut * float(before * after))
    return jnp.asarray(total, jnp.float32)


@functools.partial(jax.jit, static_argnames=("vertices", "macro"))
def activations(genomes: ArrayLike, vertices: int = MAX_VERTICES, macro: Macro101 | None = None) -> jax.Array:
    """Numbers written by convolutions, pools, sums and projections for one image, float32 (...)."""
    macro = macro or Macro101()
    cell = wiring(genomes, vertices)
    total = jnp.float32(macro.channels * macro.image_size**2)
    arriving = jnp.sum(cell.adjacency[..., :-1, 1:-1], axis=-2).astype(jnp.float32)
    work = cell.operations[..., CONV_3X3] + cell.operations[..., CONV_1X1] + cell.operations[..., POOL]
    for pixels, _, after in macro.modules():
        c = vertex_channels(cell, after).astype(jnp.float32)
        maps = c * (work + cell.projected + jnp.maximum(arriving - 1, 0))
        total += pixels * (jnp.sum(maps, axis=-1) + after * cell.shortcut)
    return total


def most_activations(genomes: ArrayLike, vertices: int = MAX_VERTICES, macro: Macro101 | None = None) -> np.ndarray:
    """The most numbers of maps at once for one image, float64 (n,), see `jcenas.nets.maps`; genomes (n, d)."""
    macro = macro or Macro101()
    cells = wiring(genomes, vertices)
    sources = [[np.flatnonzero(column).tolist() for column in one.T] for one in np.asarray(cells.adjacency)]
    widths = {c: np.asarray(vertex_channels(cells, c)).tolist() for c in {after for _, _, after in macro.modules()}}
    found = [_most(macro, one, {c: of[i] for c, of in widths.items()}) for i, one in enumerate(sources)]
    return np.array(found, float)


def _most(macro: Macro101, sources: list[list[int]], widths: dict[int, list[int]]) -> int:
    """Of one network: what each vertex reads, and the channels of the inner vertices by those of the cell's output."""
    maps, before, pixels = Maps(), macro.channels, macro.image_size**2
    x = (maps.new(pixels * before, maps.new(pixels * macro.image_channels)),)
    for inside, _, after in macro.modules():
        if inside < pixels:  # the pool between two stacks
            x, pixels = (maps.new(inside * before, *x),), inside
        sizes = [pixels * channels for channels in (0, *widths[after], after)]
        x, before = _cell(maps, sources, sizes, x), after
    return classified(maps, before, macro.classes, *x)


def _cell(maps: Maps, sources: list[list[int]], sizes: list[int], x: tuple[int, ...]) -> tuple[int, ...]:
    """The output of a cell, the vertices that feed it side by side; `sizes` of the maps of the vertices."""
    last, found = len(sizes) - 1, {}
    for v in range(1, last):
        total = Sum(maps, sizes[v])
        for u in sources[v]:
            if u:
                total.older(found[u])
            else:
                total.new(maps.new(sizes[v], *x))
        if (entered := total.result()) is not None:
            found[v] = maps.new(sizes[v], entered)
    ends = tuple(found[u] for u in sources[last] if u)
    if 0 not in sources[last]:
        return ends or (maps.new(sizes[last]),)
    direct = maps.new(sizes[last], *x)
    for end in ends:
        maps.add(end, direct)
    return ends or (direct,)
