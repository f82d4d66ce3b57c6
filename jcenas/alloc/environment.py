"""Reinforcement-learning environments as pure functions, with termination and truncation kept apart.

An episode is *terminated* when the task itself is over (no value behind it) and *truncated* when it is merely cut (the
value of the last observation still counts).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Step(NamedTuple):
    """Transition of the environment: what one action led to."""

    state: Any
    observation: jax.Array  # (f,) float32, of the new state, before any reset
    reward: jax.Array  # () float32
    terminated: jax.Array  # () bool
    truncated: jax.Array  # () bool


class Environment(NamedTuple):
    """One environment; `vmap` for many. Actions are int32 () in 0..actions-1, or float32 () if `actions` is 0."""

    reset: Callable[[jax.Array], tuple[Any, jax.Array]]  # key -> state, observation (f,)
    step: Callable[[jax.Array, Any, jax.Array], Step]  # key, state, action -> Step
    features: int  # f
    actions: int
