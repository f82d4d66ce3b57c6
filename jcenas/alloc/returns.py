"""Advantages of one sequence, and the running statistics that normalise observations."""

import jax
import jax.numpy as jnp
from flax import struct


def generalised_advantages(
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    done: jax.Array,
    discount: float,
    lambda_: float,
) -> jax.Array:
    """GAE (Schulman et al., arXiv 1506.02438, eq. 16), float32 (T,), of one sequence that may hold several episodes.

        delta_t = r_t + discount (1 - terminated_t) v_{t+1} - v_t
        A_t = delta_t + discount lambda (1 - done_t) A_{t+1}

    Args:
      reward: r_t, float32 (T,).
      value: v_t of the observation before the action, float32 (T,).
      next_value: v_{t+1} of the observation after it, before any reset, float32 (T,).
      terminated: bool (T,), nothing comes after.
      done: bool (T,), terminated or truncated: the next row belongs to another episode.
      discount: gamma.
      lambda_: of the exponential average.
    """
    delta = reward + discount * jnp.where(terminated, 0.0, next_value) - value

    def back(later, now):
        d, end = now
        advantage = d + discount * lambda_ * jnp.where(end, 0.0, later)
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros((), delta.dtype), (delta, done), reverse=True)[1]


class Normaliser(struct.PyTreeNode):
    """Mean and variance of every feature so far (Chan et al. 1983)."""

    mean: jax.Array  # (f,) float32
    variance: jax.Array  # (f,) float32
    count: jax.Array  # () float32

    @classmethod
    def empty(cls, features: int) -> "Normaliser":
        """Nothing seen: changes nothing."""
        zeros = jnp.zeros(features, jnp.float32)
        return cls(zeros, jnp.ones(features, jnp.float32), jnp.float32(1e-4))

    def update(self, rows: jax.Array) -> "Normaliser":
        """With rows (n, f) seen too."""
        n = jnp.float32(rows.shape[0])
        mean, variance = jnp.mean(rows, axis=0), jnp.var(rows, axis=0)
        total = self.count + n
        shift = mean - self.mean
        pooled = (self.variance * self.count + variance * n + shift**2 * self.count * n / total) / total
        return Normaliser(self.mean + shift * n / total, pooled, total)

    def apply(self, rows: jax.Array) -> jax.Array:
        """Rows (..., f) with zero mean and unit variance, cut at 10 deviations."""
        axes = (1,) * (rows.ndim - 1)
        mean, variance = self.mean.reshape(*axes, -1), self.variance.reshape(*axes, -1)
        return jnp.clip((rows - mean) * jax.lax.rsqrt(variance + 1e-6), min=-10.0, max=10.0)
