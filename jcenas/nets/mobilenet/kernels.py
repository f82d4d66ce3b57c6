"""A depthwise convolution whose kernel, one of several sizes, is chosen at run time."""

import functools
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
from jax import lax

from jcenas.nets.layers import depthwise as dw

Choose = Literal["branch", "blend"]


def chosen_depthwise(
    choose: Choose, stride: int, x: jax.Array, index: jax.Array, kernels: list[jax.Array]
) -> jax.Array:
    """`jcenas.nets.layers.depthwise.depthwise` with one of several kernels.

    Args:
        choose: "branch" runs the chosen size by `lax.switch`, and so does the gradient; "blend" runs the largest size,
            with the chosen kernel in the middle of zeros.
        stride: pixels between outputs.
        x: (B, H, W, C).
        index: int32 (), the number of the chosen kernel.
        kernels: each (K, K, C), K odd.

    Returns:
        (B, H / stride, W / stride, C).
    """
    if choose == "branch":
        return cast(jax.Array, _switched(stride, x, index, kernels))
    largest = max(kernel.shape[0] for kernel in kernels)
    borders = [(largest - kernel.shape[0]) // 2 for kernel in kernels]
    padded = [jnp.pad(k, ((b, b), (b, b), (0, 0))) for k, b in zip(kernels, borders, strict=True)]
    return dw.depthwise(x, pick(index, padded), stride=stride)


def pick(index: jax.Array, trees: list[Any]) -> Any:
    """The tree of a number, int32 (), among trees of equal shapes; the nearest one where the number is outside."""
    return jax.tree.map(lambda *leaves: lax.select_n(jnp.clip(index, 0, len(trees) - 1), *leaves), *trees)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _switched(stride, x, index, kernels):
    def branch(i):
        return lambda x, kernels: dw.depthwise(x, kernels[i], stride=stride)

    return lax.switch(index, [branch(i) for i in range(len(kernels))], x, kernels)


def _forward(stride, x, index, kernels):
    return _switched(stride, x, index, kernels), (x, index, kernels)


def _backward(stride, saved, g):
    """A switch too: automatic differentiation of one would save what every branch needs."""
    x, index, kernels = saved

    def branch(i):
        def pull(x, kernels, g):
            dx, dkernel = jax.vjp(lambda x, kernel: dw.depthwise(x, kernel, stride=stride), x, kernels[i])[1](g)
            return dx, [dkernel if i == j else jnp.zeros_like(kernel) for j, kernel in enumerate(kernels)]

        return pull

    dx, dkernels = lax.switch(index, [branch(i) for i in range(len(kernels))], x, kernels, g)
    return dx, None, dkernels


_switched.defvjp(_forward, _backward)
