"""An edge of DARTS and NASNet cells as a function with a hand-written gradient: `lax.switch` picks its operation.

Automatic differentiation of a switch saves what any of its branches would need. Here an edge saves its inputs, and its
gradient's switch computes the chosen operation again on the way back. As pure functions under `jax.jit`, all edges of a
shape share one trace forwards and one backwards, however many there are in a network.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.cell_network import Statistics
from jcenas.nets.genotype_operations import Operation

Variables = dict[str, Any]  # of each operation that has any, by its name


class Choices(NamedTuple):
    """What an edge may do: with strides (1, 2) and n operations, number n + k is operation k of stride 2."""

    operations: tuple[str, ...]
    strides: tuple[int, ...]  # (1,), (2,) or (1, 2)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def initial(operation: str, stride: int, channels: int, key: jax.Array) -> Any:
    """First weights (`params`) and statistics (`batch_stats`) of one operation; empty where it has none."""
    images = jnp.zeros((1, 2 * stride, 2 * stride, channels))
    return Operation(operation, stride).init(key, images, "running")


@functools.cache
def has_weights(operation: str, stride: int, channels: int) -> bool:
    """Whether an operation has weights, and so statistics."""
    make = functools.partial(initial, operation, stride, channels)
    return bool(jax.eval_shape(make, jax.random.key(0)))


def branch_edge(
    choices: Choices,
    statistics: Statistics,
    inputs: tuple[jax.Array, ...],
    index: jax.Array,
    weights: Variables,
    running: Variables,
) -> tuple[jax.Array, Variables]:
    """Apply one operation to the input of its stride.

    Args:
        choices: the operations and strides.
        statistics: of the batch norms.
        inputs: for each stride what an operation of it reads, (B, H, W, C); with strides (1, 2) the latter is twice as
            high and wide.
        index: int32 (), number of the choice.
        weights: of all operations.
        running: running statistics of all operations.

    Returns:
        The output (B, H, W, C), and the running statistics, moved where the operation ran with batch statistics; they
        carry no gradient.
    """
    return _edge(choices, statistics, inputs, index, weights, running)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _edge(choices, statistics, inputs, index, weights, running):
    return _run(choices, statistics, inputs, index, weights, running)


def _forward(choices, statistics, inputs, index, weights, running):
    return _run(choices, statistics, inputs, index, weights, running), (inputs, index, weights, running)


def _backward(choices, statistics, saved, cotangents):
    inputs, index, weights, running = saved
    dinputs, dweights = _pull(choices, statistics, inputs, index, weights, running, cotangents[0])
    return dinputs, None, dweights, jax.tree.map(jnp.zeros_like, running)


_edge.defvjp(_forward, _backward)


def _apply(name, stride, statistics, x, weights, running):
    """One operation by its own variables: its output and the statistics after it."""
    variables = {"params": weights.get(name, {}), "batch_stats": running.get(name, {})}
    y, moved = Operation(name, stride).apply(variables, x, statistics, mutable=["batch_stats"])
    return y, moved.get("batch_stats", {})


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run(choices, statistics, inputs, index, weights, running):
    def branch(name, place):
        def run(inputs, weights, running):
            y, moved = _apply(name, choices.strides[place], statistics, inputs[place], weights, running)
            return y, running | ({name: moved} if name in running else {})

        return run

    branches = [branch(name, place) for place in range(len(choices.strides)) for name in choices.operations]
    return lax.switch(index, branches, inputs, weights, running)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pull(choices, statistics, inputs, index, weights, running, g):
    """Gradients by the inputs and by the weights, from the gradient g of the output."""

    def branch(name, place):
        def pull(inputs, weights, running, g):
            own = {name: weights[name]} if name in weights else {}
            function = lambda x, own: _apply(name, choices.strides[place], statistics, x, own, running)[0]
            dx, down = jax.vjp(function, inputs[place], own)[1](g)
            dinputs = tuple(dx if i == place else jnp.zeros_like(x) for i, x in enumerate(inputs))
            return dinputs, jax.tree.map(jnp.zeros_like, weights) | down

        return pull

    branches = [branch(name, place) for place in range(len(choices.strides)) for name in choices.operations]
    return lax.switch(index, branches, inputs, weights, running, g)
