"""A NAS-Bench-101 cell as data: its vertices in a loop, with a hand-written gradient.

The program is that of one vertex, not of all, and runs for the vertices that are used. Last comes the cell's output: a
vertex that hands on the projected input, if an edge leads there directly. The maps of the vertices that feed the output
are added to it, each shifted to its channels.

The gradient walks the vertices back. It needs of each what entered it and its maps before the norms.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers.operations import Moments
from jcenas.nets.nasbench101 import vertex
from jcenas.nets.nasbench101.cost import vertex_channels, wiring
from jcenas.nets.nasbench101.vertex import PASS, Convolutions, How, Ran, Wire
from jcenas.spaces.nasbench101 import edges


class Cell(NamedTuple):
    """The vertices of a cell that has C channels: M = V - 1, of which the last is the output."""

    wire: Wire  # operation (M,), projected (M,), mask (M, C)
    sources: jax.Array  # bool (M, M): what enters each
    targets: jax.Array  # bool (M, M): what each enters
    joined: jax.Array  # bool (M,): what is in the output
    offset: jax.Array  # int32 (M,): its first channel there


class Plan(NamedTuple):
    """A cell for the loop."""

    order: jax.Array  # int32 (M,): the vertices that run, one after another; then anything
    count: jax.Array  # int32 (): how many they are
    vertices: Cell


def make_plan(genome: jax.Array, vertices: int, channels: int) -> Plan:
    """The plan of a genome (d,) in a frame of V vertices; without a path from input to output nothing runs."""
    cell = wiring(genome, vertices)
    labels = genome[len(edges(vertices)) :]

    def with_output(of_vertices: jax.Array, of_output: jax.Array | int) -> jax.Array:
        return jnp.append(of_vertices, jnp.asarray(of_output, of_vertices.dtype))

    inner = vertex_channels(cell, channels)
    widths = with_output(inner, jnp.where(cell.shortcut, channels, 0))
    taken = jnp.where(cell.feeds, inner, 0)
    runs = with_output(cell.used[1:-1], cell.shortcut)
    found = jnp.cumsum(runs)[None] > jnp.arange(vertices - 1)[:, None]  # (M, M): more than i of them so far
    operations = jnp.where(cell.used[1:-1], labels, PASS).astype(jnp.int32)
    among = jnp.pad(cell.adjacency[1:-1, 1:-1], (0, 1))
    return Plan(
        jnp.argmax(found, axis=1),
        jnp.sum(runs),
        Cell(
            Wire(
                with_output(operations, PASS),
                with_output(cell.projected, cell.shortcut),
                jnp.arange(channels)[None] < widths[:, None],
            ),
            sources=among.T,
            targets=among,
            joined=with_output(cell.feeds, cell.shortcut),
            offset=with_output(jnp.cumsum(taken) - taken, 0),
        ),
    )


class Used(NamedTuple):
    """Statistics that the norms used: arrays (M, C), undefined where a norm did not run."""

    operation: Moments
    project: Moments


class Saved(NamedTuple):
    """What the gradient of a vertex needs; with a leading axis M, of all."""

    entered: Ran
    z: jax.Array  # of the operation
    used: Moments  # of the operation


def super_cell(
    how: How, x: jax.Array, plan: Plan, weights: Convolutions, running: Convolutions
) -> tuple[jax.Array, Used]:
    """Apply a cell.

    Args:
        how: the way to pick operations, and the statistics of the norms.
        x: the cell's input (B, H, W, D).
        plan: the cell.
        weights: leading axis M - 1, of the projection M.
        running: running statistics, likewise.

    Returns:
        The output (B, H, W, C), and statistics, which carry no gradient.
    """
    return _cell(how, x, plan, weights, running)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _cell(how, x, plan, weights, running):
    return _forward(how, x, plan, weights, running)[0]


@functools.partial(jax.jit, static_argnums=0)
def _forward(how: How, x, plan: Plan, weights: Convolutions, running: Convolutions):
    order, steps = _steps(how, plan)

    def step(i, carry):
        nodes, y, ran = carry
        v = order[i]
        now, own, stats = (_at(v, tree) for tree in (plan.vertices, weights, running))
        others = _where(now.wire.mask, _sum(how, now.sources, nodes))
        entered = vertex.enter(how, x, others, now.wire, own.project, stats.project)
        operated = vertex.operate(how, entered.y, now.wire, own, stats)
        y += _shift(_where(now.joined[None], operated.y), now.offset)
        return _put(nodes, v, operated.y), y, _put(ran, v, Saved(entered, operated.z, operated.used))

    vertices, c = plan.vertices.wire.mask.shape
    y = jnp.zeros((*x.shape[:-1], c), x.dtype)
    maps, moments = jnp.zeros((vertices, *y.shape), y.dtype), Moments(*(jnp.zeros((vertices, c)),) * 2)
    start = maps, y, Saved(Ran(maps, maps, moments), maps, moments)
    _, y, ran = lax.fori_loop(0, steps, step, start)
    return (y, Used(ran.used, ran.entered.used)), (x, plan, weights, ran)


@functools.partial(jax.jit, static_argnums=0)
def _backward(how: How, saved, cotangents):
    x, plan, weights, ran = saved
    order, steps = _steps(how, plan)
    gy = cotangents[0]

    def step(i, carry):
        gradients, dx, found = carry
        v = order[steps - 1 - i]
        now, own, of_vertex = (_at(v, tree) for tree in (plan.vertices, weights, ran))
        g = _where(now.wire.mask & now.joined, _shift_back(gy, now.offset)) + _sum(how, now.targets, gradients)
        operated = Ran(of_vertex.entered.y, of_vertex.z, of_vertex.used)
        g, (conv3x3, conv1x1) = vertex.operate_back(how, of_vertex.entered.y, operated, now.wire, own, g)
        dx, project = vertex.enter_back(how, x, of_vertex.entered, now.wire, own.project, g, dx)
        return _put(gradients, v, g), dx, _put(found, v, Convolutions(conv3x3, conv1x1, project))

    start = jnp.zeros((len(plan.order), *gy.shape), gy.dtype), jnp.zeros_like(x), jax.tree.map(jnp.zeros_like, weights)
    _, dx, found = lax.fori_loop(0, steps, step, start)
    return dx, None, found, None


_cell.defvjp(_forward, _backward)


def _steps(how: How, plan: Plan) -> tuple[jax.Array, jax.Array | int]:
    """The vertices that run, in their order, and how many: all where no control flow picks, so that `vmap` is cheap."""
    if how.choose == "blend":
        return jnp.arange(len(plan.order)), len(plan.order)
    return plan.order, plan.count


def _at(v: jax.Array, tree):
    """Row v of all arrays, the last one where there are fewer: the output has no convolution."""
    return jax.tree.map(lambda array: lax.dynamic_index_in_dim(array, v, keepdims=False), tree)


def _put(tree, v: jax.Array, rows):
    """The arrays with row v, or the last one, replaced. The output's zeros come before the last vertex's gradient."""
    return jax.tree.map(lambda array, row: lax.dynamic_update_index_in_dim(array, row, v, 0), tree, rows)


def _where(kept: jax.Array, x: jax.Array) -> jax.Array:
    """Map x (B, H, W, C) in the channels, bool (C,) or (1,), that are kept, zero elsewhere."""
    return jnp.where(kept[None, None, None], x, jnp.zeros((), x.dtype))


def _sum(how: How, kept: jax.Array, maps: jax.Array) -> jax.Array:
    """Sum of those of the maps (M, B, H, W, C) that are kept, bool (M,)."""
    if how.choose == "blend":
        return sum((_where(keep[None], x) for keep, x in zip(kept, maps, strict=True)), start=jnp.zeros_like(maps[0]))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return lax.cond(kept[i], lambda: total + _at(i, maps), lambda: total)

    return lax.fori_loop(0, len(kept), add, jnp.zeros_like(maps[0]))  # written out it takes XLA:CPU seconds to compile


def _shift(x: jax.Array, by: jax.Array) -> jax.Array:
    """Channel c becomes channel c + by; zeros come first, and what goes beyond the end is lost."""
    return lax.dynamic_slice_in_dim(jnp.concatenate([jnp.zeros_like(x), x], axis=-1), x.shape[-1] - by, x.shape[-1], -1)


def _shift_back(x: jax.Array, by: jax.Array) -> jax.Array:
    """Channel c + by becomes channel c."""
    return lax.dynamic_slice_in_dim(jnp.concatenate([x, jnp.zeros_like(x)], axis=-1), by, x.shape[-1], -1)
