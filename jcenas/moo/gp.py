"""Exact Gaussian-process regression on padded data (Rasmussen and Williams 2006, algorithm 2.1).

A posterior covariance is a difference of numbers as large as the prior variance, so its rounding error is a share of
that variance however small the posterior itself has become: the jitter of every factorisation is measured by it.

Letters: n data, q queries, d variables, m objectives, s samples. Masks mean *valid*. Write for one objective, vmap over
them.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas.moo import linalg
from jcenas.moo.descent import descend

Covariance = Literal["matern", "categorical"]
_JITTER = 1e-5  # of the prior variance, beside the noise
_DRAW_JITTER = 256  # roundings of the prior variance: 3e-5 of it in float32


class Hyperparameters(struct.PyTreeNode):
    """Logarithms of the kernel's numbers, for standardised targets."""

    log_scale: jax.Array  # (d,) inverse length of a variable ("matern"), or cost of a differing choice ("categorical")
    log_variance: jax.Array  # () of the signal
    log_noise: jax.Array  # () variance of the observations


class Posterior(struct.PyTreeNode):
    """A process conditioned on data."""

    inputs: jax.Array  # (n, d)
    mask: jax.Array  # (n,) bool
    factor: jax.Array  # (n, n) lower Cholesky factor of kernel plus noise; identity in padded rows
    weights: jax.Array  # (n,) inverse of that matrix times the targets
    hyper: Hyperparameters


def defaults(d: int, dtype=jnp.float32) -> Hyperparameters:
    """Mild correlation over d variables and little noise."""
    scale = jnp.full(d, jnp.log(2.0 / d), dtype)
    return Hyperparameters(scale, jnp.zeros((), dtype), jnp.asarray(jnp.log(1e-2), dtype))


def covariance(kind: Covariance, hyper: Hyperparameters, a: jax.Array, b: jax.Array) -> jax.Array:
    """Kernel (q, n) of a (q, d) against b (n, d).

    "matern" is Matern-5/2 with a length per variable; "categorical" is exp(-sum of the costs of the variables that
    differ), positive definite as a product of kernels on finite sets (Ru et al. 2020 use its Hamming form).
    """
    scale = jnp.exp(hyper.log_scale)
    variance = jnp.exp(hyper.log_variance)
    total = jnp.zeros((a.shape[0], b.shape[0]), scale.dtype)
    for i in range(a.shape[1]):
        x, y = a[:, i][:, None], b[:, i][None, :]
        total += scale[i] * (x != y) if kind == "categorical" else (scale[i] * (x - y)) ** 2
    if kind == "categorical":
        return variance * jnp.exp(-total)
    if kind == "matern":
        safe = jnp.where(total > 0, total, 1)
        r = jnp.where(total > 0, jnp.sqrt(5 * safe), 0)  # the double where keeps the gradient at 0 finite
        return variance * (1 + r + r**2 / 3) * jnp.exp(-r)
    raise ValueError(f"covariance must be 'matern' or 'categorical', got {kind!r}")


def _noisy_covariance(kind: Covariance, hyper: Hyperparameters, inputs: jax.Array, mask: jax.Array) -> jax.Array:
    """Covariance (n, n) of the observations at inputs (n, d); identity in padded rows."""
    matrix = jnp.where(mask[:, None] & mask[None, :], covariance(kind, hyper, inputs, inputs), 0)
    return matrix + jnp.diag(jnp.where(mask, jnp.exp(hyper.log_noise), 1.0))


def condition(
    kind: Covariance, hyper: Hyperparameters, inputs: jax.Array, targets: jax.Array, mask: jax.Array
) -> Posterior:
    """Process with mean 0 conditioned on targets (n,) at inputs (n, d) where mask (n,) is True."""
    matrix = _noisy_covariance(kind, hyper, inputs, mask)
    factor = linalg.cholesky_of_nearly_definite(matrix, _JITTER * jnp.exp(hyper.log_variance))
    weights = linalg.solve_definite(factor, jnp.where(mask, targets, 0))
    return Posterior(inputs, mask, factor, weights, hyper)


def negative_log_likelihood(
    kind: Covariance, hyper: Hyperparameters, inputs: jax.Array, targets: jax.Array, mask: jax.Array
) -> jax.Array:
    """Minus the log marginal likelihood, scalar (Rasmussen and Williams 2006, eq. 2.30)."""
    jitter = jnp.where(mask, _JITTER * jnp.exp(hyper.log_variance), 0)
    factor = linalg.cholesky(_noisy_covariance(kind, hyper, inputs, mask) + jnp.diag(jitter))
    targets = jnp.where(mask, targets, 0)
    fit = linalg.product(targets, linalg.solve_definite(factor, targets))
    logs = jnp.sum(jnp.log(jnp.diagonal(factor)))
    return fit / 2 + logs + jnp.sum(mask) * jnp.log(2 * jnp.pi) / 2


def fit(
    kind: Covariance,
    hyper: Hyperparameters,
    inputs: jax.Array,
    targets: jax.Array,
    mask: jax.Array,
    *,
    steps: int,
    rate: float = 0.1,
) -> Hyperparameters:
    """Improve hyper-parameters by `steps` of Adam on the likelihood, with a weak normal prior round the defaults."""

    def loss(hyper):
        away = jax.tree.map(
            lambda x, x0: jnp.sum((x - x0) ** 2), hyper, defaults(inputs.shape[1], hyper.log_variance.dtype)
        )
        penalty = jnp.sum(jnp.stack(jax.tree.leaves(away))) / 4
        return negative_log_likelihood(kind, hyper, inputs, targets, mask) + penalty

    return descend(loss, hyper, optax.adam(rate), steps=steps)


def predict(kind: Covariance, process: Posterior, queries: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Posterior mean (q,) and covariance (q, q) of the noise-free function at queries (q, d)."""
    cross = jnp.where(process.mask[:, None], covariance(kind, process.hyper, process.inputs, queries), 0)
    mean = linalg.product(cross.T, process.weights)
    half = linalg.solve_lower(process.factor, cross)
    return mean, covariance(kind, process.hyper, queries, queries) - linalg.product(half.T, half)


def sample(key: jax.Array, mean: jax.Array, matrix: jax.Array, s: int, variance: jax.Array | float) -> jax.Array:
    """Joint draws from a posterior.

    Args:
      key: consumed.
      mean: of the posterior, (q,).
      matrix: its covariance, (q, q), up to rounding.
      s: number of draws.
      variance: of the prior, (): what rounding errors of the matrix are in proportion to.

    Returns:
      (s, q).
    """
    jitter = _DRAW_JITTER * jnp.finfo(matrix.dtype).eps * jnp.asarray(variance, matrix.dtype)
    factor = linalg.cholesky_of_nearly_definite(matrix, jitter)
    normal = jax.random.normal(key, (s, mean.shape[0]), mean.dtype)
    return mean[None, :] + linalg.product(normal, factor.T)
