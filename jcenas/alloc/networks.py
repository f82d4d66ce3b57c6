"""The actor-critic of the allocator, and the two distributions of its actions."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

LOG_2_PI = 1.8378770664093453


class Outputs(NamedTuple):
    """What the network says of one observation."""

    head: jax.Array  # (a,) logits, or (1,) mean of a normal action
    log_deviation: jax.Array  # (), of the normal action
    value: jax.Array  # () float32


class ActorCritic(nn.Module):
    """Two separate perceptrons with tanh, orthogonal weights as in PPO's reference implementations.

    Attributes:
      actions: number of discrete actions; 0 for one real action.
      width: units of each of the two hidden layers.
    """

    actions: int
    width: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> Outputs:
        """Outputs for normalised observations (..., f)."""

        def tower(name: str, size: int, gain: float) -> jax.Array:
            y = x
            for i in range(2):
                init = nn.initializers.orthogonal(2**0.5)
                y = jnp.tanh(nn.Dense(self.width, kernel_init=init, name=f"{name}_{i}")(y))
            return nn.Dense(size, kernel_init=nn.initializers.orthogonal(gain), name=f"{name}_out")(y)

        head = tower("actor", max(self.actions, 1), 0.01)
        value = tower("critic", 1, 1.0)[..., 0]
        spread = self.param("log_deviation", nn.initializers.zeros, ())
        return Outputs(head, jnp.broadcast_to(spread, value.shape), value)


def log_probability(outputs: Outputs, action: jax.Array, discrete: bool) -> jax.Array:
    """Log probability (density), float32 (...), of actions (...)."""
    if discrete:
        chosen = jax.nn.one_hot(action, outputs.head.shape[-1])  # no gather: its transpose is slow on CPUs
        return jnp.sum(chosen * jax.nn.log_softmax(outputs.head), axis=-1)
    z = (action - outputs.head[..., 0]) * jnp.exp(-outputs.log_deviation)
    return -0.5 * (z**2 + LOG_2_PI) - outputs.log_deviation


def entropy(outputs: Outputs, discrete: bool) -> jax.Array:
    """Entropy, float32 (...), of the action."""
    if discrete:
        logs = jax.nn.log_softmax(outputs.head)
        return -jnp.sum(jnp.exp(logs) * logs, axis=-1)
    return 0.5 * (1 + LOG_2_PI) + outputs.log_deviation


def noise(key: jax.Array, shape: tuple[int, ...], actions: int) -> jax.Array:
    """What `sample` needs for actions of that shape: float32 (*shape, actions), or shape for real ones."""
    return jax.random.gumbel(key, (*shape, actions)) if actions else jax.random.normal(key, shape, jnp.float32)


def sample(drawn: jax.Array, outputs: Outputs, discrete: bool) -> jax.Array:
    """Actions (...), int32 or float32, from `noise` drawn before: the Gumbel-max trick, or mean + deviation z."""
    if discrete:
        return jnp.argmax(outputs.head + drawn, axis=-1).astype(jnp.int32)
    return outputs.head[..., 0] + jnp.exp(outputs.log_deviation) * drawn
