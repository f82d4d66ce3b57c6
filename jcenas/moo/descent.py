"""A few steps downhill for numbers that are few and a loss that may break down, such as the scales of a covariance."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import optax

_Point = TypeVar("_Point")
_STEEPEST = 50.0  # partial derivatives are cut there: far from the optimum likelihoods are as steep as one likes


def steady(rate: float) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015) for a few steps down losses that may be very steep; `rate` is about a step's length."""
    return optax.chain(optax.clip(_STEEPEST), optax.adam(rate, b1=0.8, b2=0.9))


def descend(
    loss: Callable[[_Point], jax.Array], start: _Point, optimiser: optax.GradientTransformation, *, steps: int
) -> _Point:
    """The point after so many steps of an optimiser from a start; a step that is not finite is not taken.

    Args:
      loss: of a pytree of float arrays, scalar, differentiable.
      start: where to begin.
      optimiser: such as `steady`.
      steps: static number.
    """

    def step(carry: tuple[_Point, Any], _: None):
        point, state = carry
        updates, moved = optimiser.update(jax.grad(loss)(point), state)
        new = cast(_Point, optax.apply_updates(cast(Any, point), updates))
        fine = jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(new)]))
        keep = lambda new, old: jnp.where(fine, new, old)  # noqa: E731
        return (jax.tree.map(keep, new, point), jax.tree.map(keep, moved, state)), None

    return jax.lax.scan(step, (start, optimiser.init(cast(Any, start))), length=steps)[0][0]
