"""An edge of DARTS and NASNet cells, whose operation `lax.switch` picks, and its gradient.

Automatic differentiation of a switch saves what any of its branches would need. The gradient here has a switch of its
own, which computes the chosen operation again from what the edge read.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.genotype.operations import Operation
from jcenas.nets.layers.norm import Statistics

Variables = dict[str, Any]  # of each operation that has any, by its name


class Choices(NamedTuple):
    """What an edge may do: with strides (1, 2) and n operations, number n + k is operation k of stride 2."""

    operations: tuple[str, ...]
    strides: tuple[int, ...]  # (1,) or (1, 2)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def initial(operation: str, stride: int, channels: int, keys: jax.Array) -> Any:
    """First weights (`params`) and statistics (`batch_stats`) of one operation at as many edges as there are keys (E,).

    Every array has a leading axis E; empty where the operation has none.
    """
    images = jnp.zeros((1, 2 * stride, 2 * stride, channels))
    return jax.vmap(lambda key: Operation(operation, stride).init(key, images, "running"))(keys)


@functools.cache
def has_weights(operation: str, stride: int, channels: int) -> bool:
    """Whether an operation has weights, and so statistics."""
    make = functools.partial(initial, operation, stride, channels)
    return bool(jax.eval_shape(make, jax.random.split(jax.random.key(0), 1)))


def run(
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
        The output (B, H, W, C), and the running statistics, moved where the operation ran with batch statistics.
    """

    def branch(name, place):
        def run(inputs, weights, running):
            y, moved = _apply(name, choices.strides[place], statistics, inputs[place], weights, running)
            return y, running | ({name: moved} if name in running else {})

        return run

    return lax.switch(index, _branches(choices, branch), inputs, weights, running)


def pull(
    choices: Choices,
    statistics: Statistics,
    inputs: tuple[jax.Array, ...],
    index: jax.Array,
    weights: Variables,
    running: Variables,
    g: jax.Array,
) -> tuple[tuple[jax.Array, ...], Variables]:
    """Gradients of `run` by the inputs and by the weights, from the gradient g (B, H, W, C) of its output."""

    def branch(name, place):
        def pull(inputs, weights, running, g):
            own = {name: weights[name]} if name in weights else {}
            function = lambda x, own: _apply(name, choices.strides[place], statistics, x, own, running)[0]
            dx, down = jax.vjp(function, inputs[place], own)[1](g)
            dinputs = tuple(dx if i == place else jnp.zeros_like(x) for i, x in enumerate(inputs))
            return dinputs, jax.tree.map(jnp.zeros_like, weights) | down

        return pull

    return lax.switch(index, _branches(choices, branch), inputs, weights, running, g)


def _branches(choices, branch):
    return [branch(name, place) for place in range(len(choices.strides)) for name in choices.operations]


def _apply(name, stride, statistics, x, weights, running):
    """One operation by its own variables: its output and the statistics after it."""
    variables = {"params": weights.get(name, {}), "batch_stats": running.get(name, {})}
    y, moved = Operation(name, stride).apply(variables, x, statistics, mutable=["batch_stats"])
    return y, moved.get("batch_stats", {})
