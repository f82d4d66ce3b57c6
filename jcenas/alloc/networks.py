"""The actor-critic of the allocator, and the two distributions of its actions.

`ActorCritic` is the network; `stack` and `forward` are the same arithmetic in the order that XLA's CPU back end runs
fastest: both towers in one product, features before samples. Its library for products takes those of the gradient only
with the samples last; with the samples first they and the losses' sums cost a third more.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

LOG_2_PI = 1.8378770664093453


class Outputs(NamedTuple):
    """Outputs of the actor-critic for one observation: the action's distribution and the value."""

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


class Towers(NamedTuple):
    """Both perceptrons side by side: axis 0 of each array is actor, critic.

    The critic's last layer is filled up with zeros, which stay zeros: nothing depends on them.
    """

    kernels: tuple[jax.Array, ...]  # (2, w, f), (2, w, w), (2, a, w)
    biases: tuple[jax.Array, ...]  # (2, w), (2, w), (2, a)
    log_deviation: jax.Array  # ()


LAYERS = ("0", "1", "out")


def stack(params: Any) -> Towers:
    """The weights of an `ActorCritic` side by side."""
    weights = params["params"]

    def both(layer: str, part: str) -> jax.Array:
        actor, critic = (weights[f"{tower}_{layer}"][part].T for tower in ("actor", "critic"))
        missing = actor.shape[0] - critic.shape[0]
        return jnp.stack([actor, jnp.pad(critic, [(0, missing)] + [(0, 0)] * (critic.ndim - 1))])

    kernels, biases = (tuple(both(layer, part) for layer in LAYERS) for part in ("kernel", "bias"))
    return Towers(kernels, biases, weights["log_deviation"])


def unstack(towers: Towers) -> Any:
    """Inverse of `stack`."""
    weights: dict[str, Any] = {"log_deviation": towers.log_deviation}
    for layer, kernel, bias in zip(LAYERS, towers.kernels, towers.biases, strict=True):
        size = 1 if layer == "out" else bias.shape[1]
        weights[f"actor_{layer}"] = {"kernel": kernel[0].T, "bias": bias[0]}
        weights[f"critic_{layer}"] = {"kernel": kernel[1, :size].T, "bias": bias[1, :size]}
    return {"params": weights}


def forward(towers: Towers, x: jax.Array) -> Outputs:
    """What an `ActorCritic` says of normalised observations (f, n), the samples last: head (a, n), the others (n,)."""
    y = jnp.broadcast_to(x, (2, *x.shape))
    for i, (kernel, bias) in enumerate(zip(towers.kernels, towers.biases, strict=True)):
        y = jnp.einsum("twf,tfn->twn", kernel, y) + bias[:, :, None]
        y = jnp.tanh(y) if i + 1 < len(LAYERS) else y
    return Outputs(y[0], jnp.broadcast_to(towers.log_deviation, x.shape[1:]), y[1, 0])


def log_probability(outputs: Outputs, action: jax.Array, discrete: bool, axis: int = -1) -> jax.Array:
    """Log probability (density), float32 (...), of actions (...); `axis` of the head holds the actions."""
    if discrete:
        logs = jax.nn.log_softmax(outputs.head, axis=axis)
        # No gather: its transpose is slow on CPUs.
        taken = jax.nn.one_hot(action.astype(jnp.int32), logs.shape[axis], axis=axis)
        return jnp.sum(logs * taken, axis=axis)
    z = (action - jnp.take(outputs.head, 0, axis=axis)) * jnp.exp(-outputs.log_deviation)
    return -0.5 * (z**2 + LOG_2_PI) - outputs.log_deviation


def entropy(outputs: Outputs, discrete: bool, axis: int = -1) -> jax.Array:
    """Entropy, float32 (...), of the action."""
    if discrete:
        logs = jax.nn.log_softmax(outputs.head, axis=axis)
        return -jnp.sum(jnp.exp(logs) * logs, axis=axis)
    return 0.5 * (1 + LOG_2_PI) + outputs.log_deviation


def noise(key: jax.Array, shape: tuple[int, ...], actions: int) -> jax.Array:
    """What `sample` needs for actions of that shape: float32 (*shape, actions), or shape for real ones."""
    return jax.random.gumbel(key, (*shape, actions)) if actions else jax.random.normal(key, shape, jnp.float32)


def sample(drawn: jax.Array, outputs: Outputs, discrete: bool) -> jax.Array:
    """Actions (...), int32 or float32, from `noise` drawn before: the Gumbel-max trick, or mean + deviation z."""
    if discrete:
        return jnp.argmax(outputs.head + drawn, axis=-1).astype(jnp.int32)
    return outputs.head[..., 0] + jnp.exp(outputs.log_deviation) * drawn
