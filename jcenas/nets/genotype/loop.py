"""The edges of a DARTS or NASNet cell in a loop, with a hand-written gradient: a program of one edge, not of all.

Which node an edge reads is data, so that the nodes lie in one array. Every node is complete before an edge reads it:
on the way back the final nodes give every edge what it read, and nothing else is saved.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.genotype import edge
from jcenas.nets.genotype.edge import Choices, Variables
from jcenas.nets.layers.norm import Statistics
from jcenas.spaces.genotype import CELL_INPUTS


class Wiring(NamedTuple):
    """A cell's E = 2 N edges, in the order of its N blocks."""

    operations: jax.Array  # int32 (E,), numbers into the names of the operations
    inputs: jax.Array  # int32 (E,), nodes; the nearest one where a number is outside
    factors: jax.Array | None  # (E, B, 1, 1, 1), of what the edges give; None: all one


def run_edges(
    choices: Choices,
    statistics: Statistics,
    entries: jax.Array,
    wiring: Wiring,
    weights: Variables,
    running: Variables,
) -> tuple[jax.Array, Variables]:
    """Compute the nodes of a cell.

    Args:
        choices: the operations; strides (1,) in a normal cell, (1, 2) in a reduction cell, whose edges from the entries
            halve.
        statistics: of the batch norms.
        entries: the first two nodes, (2, B, H, W, C).
        wiring: what the edges do.
        weights: of all operations, each array with a leading axis E.
        running: running statistics, likewise.

    Returns:
        The other nodes (N, B, H, W, C), H and W halved in a reduction cell, and the running statistics, moved at the
        edges and operations that ran with batch statistics. The latter, and the factors, carry no gradient.
    """
    return _edges(choices, statistics, entries, wiring, weights, running)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _edges(choices, statistics, entries, wiring, weights, running):
    return _forward(choices, statistics, entries, wiring, weights, running)[0]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _forward(choices, statistics, entries, wiring, weights, running):
    first = _first(choices)

    def step(nodes, of_edge):
        e, wire, weights, running = of_edge
        inputs, index, _ = _read(choices, nodes, entries, wire)
        y, moved = edge.run(choices, statistics, inputs, index, weights, running)
        return nodes.at[first + e // 2].add(_scaled(y, wire)), moved

    stride, (b, h, w, c) = choices.strides[-1], entries.shape[1:]
    numbers = jnp.arange(wiring.inputs.shape[0])
    nodes = jnp.zeros((len(numbers) // 2, b, h // stride, w // stride, c), entries.dtype)
    if first:
        nodes = jnp.concatenate([entries, nodes])
    nodes, moved = lax.scan(step, nodes, (numbers, wiring, weights, running))
    return (nodes[first:], moved), (nodes, entries, wiring, weights, running)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _backward(choices, statistics, saved, cotangents):
    nodes, entries, wiring, weights, running = saved
    first = _first(choices)

    def step(gradients, of_edge):
        e, wire, weights, running = of_edge
        inputs, index, places = _read(choices, nodes, entries, wire)
        g = _scaled(gradients[0][first + e // 2], wire)
        dinputs, dweights = edge.pull(choices, statistics, inputs, index, weights, running, g)
        added = (into.at[place].add(dx) for into, place, dx in zip(gradients, places, dinputs, strict=True))
        return tuple(added), dweights

    g = jnp.concatenate([jnp.zeros_like(nodes[:first]), cotangents[0]])
    gradients = (g,) if first else (g, jnp.zeros_like(entries))
    of_edges = (jnp.arange(wiring.inputs.shape[0]), wiring, weights, running)
    gradients, dweights = lax.scan(step, gradients, of_edges, reverse=True)
    return gradients[-1][:CELL_INPUTS], None, dweights, None


_edges.defvjp(_forward, _backward)


def _first(choices: Choices) -> int:
    """Nodes before that of the first block, in the array of nodes: entries lie there if they have the same size."""
    return CELL_INPUTS if len(choices.strides) == 1 else 0


def _read(choices: Choices, nodes: jax.Array, entries: jax.Array, wire: Wiring):
    """What an edge may read, one for each stride, the number of its choice, and where in their arrays they lie."""
    if len(choices.strides) == 1:
        place = jnp.clip(wire.inputs, 0, len(nodes) - 1)
        return (nodes[place],), wire.operations, (place,)
    halves = wire.inputs < CELL_INPUTS
    places = jnp.clip(wire.inputs - CELL_INPUTS, 0, len(nodes) - 1), jnp.clip(wire.inputs, 0, CELL_INPUTS - 1)
    index = wire.operations + len(choices.operations) * halves
    return (nodes[places[0]], entries[places[1]]), index, places


def _scaled(y: jax.Array, wire: Wiring) -> jax.Array:
    return y if wire.factors is None else y * wire.factors.astype(y.dtype)
