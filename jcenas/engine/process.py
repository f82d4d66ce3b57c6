"""The Gaussian process of the predictor stage: what the finished trainings say of the errors of other architectures.

The process sees an architecture in two ways. The *scores* that need no training (synflow, multiply-adds) give a smooth
trend over the whole space. What the architecture *computes* (path encoding of NAS-Bench-201, else the genome) gives an
effect of each choice, whatever the others are, and what the neighbours differ by beside that. Three covariances add:
squared exponential of the scores, linear and squared exponential of the computation.

How much each of them counts is fitted to the run's own evaluations by their marginal likelihood (Rasmussen and Williams
2006, section 5.4), with a wide prior: what is right for one space, error and reference is wrong for another. The target
is the logarithm of the error over the best one, scaled by the better part of the evaluations, where the front is.

Letters: c room for evaluations, k architectures that are asked for, n and k rows in general.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jcenas.engine.candidates import Inputs
from jcenas.moo import linalg
from jcenas.moo.descent import descend, steady
from jcenas.moo.kernels import squared_distances
from jcenas.moo.surrogate import Warp

PRIOR_SD = 1.0  # of the logarithm of each scale: a factor of e
FIT = 128  # evaluations, from the best to the worst, that the scales are fitted to
_STEPS, _RATE = 15, 0.25
_JITTER = 1e-5  # of the prior variance, beside the noise


class Scales(NamedTuple):
    """Logarithms of the covariance's numbers, float32 () each, for targets as `warp_of` scales errors."""

    trend: jax.Array  # variance of the part that follows the scores
    trend_rate: jax.Array  # what a squared distance of 1 (one deviation of one score) costs of its logarithm
    local: jax.Array  # variance of the part that follows the computation
    local_rate: jax.Array
    linear: jax.Array  # variance of the part that is linear in the computation, of a row of length 1
    noise: jax.Array  # variance of an observation


def usual() -> Scales:
    """The centre of the prior: what NAS-Bench-201 wants; of the linear part, that it counts little."""
    return Scales(*(jnp.log(jnp.float32(value)) for value in (7.4, 0.074, 0.34, 0.82, 0.1, 6.7e-3)))


class Process(NamedTuple):
    """The process conditioned on evaluations."""

    known: Inputs  # (c, ...)
    mask: jax.Array  # (c,) bool, which rows count
    targets: jax.Array  # (c,) float32, as `warp` scales errors; 0 where masked
    factor: jax.Array  # (c, c) lower Cholesky factor of covariance plus noise; identity in masked rows
    solved: jax.Array  # (c,), inverse of the factor times the targets
    warp: Warp
    scales: Scales


class Prediction(NamedTuple):
    """What would be observed of the architectures that were asked for, as `warp` scales errors."""

    mean: jax.Array  # (k,)
    deviation: jax.Array  # (k,) positive, noise included: what counts is the error that a training shows
    half: jax.Array  # (c, k), inverse of the Cholesky factor times the covariance with the evaluations
    warp: Warp

    def error(self) -> jax.Array:
        """Predicted median error, float32 (k,), %."""
        return self.warp.backward(self.mean)

    def at(self, rows: jax.Array) -> "Prediction":
        """Those of some candidates."""
        return Prediction(self.mean[rows], self.deviation[rows], self.half[:, rows], self.warp)


def quantile(values: jax.Array, mask: jax.Array, share: float) -> jax.Array:
    """Quantile of the valid values (n,), (): the value with `share` of them below; 0 without any."""
    last = jnp.maximum(jnp.sum(mask) - 1, 0)
    place = jnp.round(share * last).astype(jnp.int32)
    return jnp.where(jnp.any(mask), jnp.sort(jnp.where(mask, values, jnp.inf))[place], 0)


def warp_of(errors: jax.Array, mask: jax.Array) -> Warp:
    """Logarithmic warp of errors to the process's targets: 0 is the 40 % quantile, and the best one lies at -1.2."""
    low = quantile(errors, mask, 0.0)
    shift = jnp.maximum((quantile(errors, mask, 0.25) - low) / 2, 0.02 * low + 1e-3)
    mean = jnp.log(quantile(errors, mask, 0.4) - low + shift)
    deviation = (mean - jnp.log(shift)) / 1.2
    return Warp(low, shift, mean, jnp.where(deviation > 1e-3, deviation, 1.0))


class _Apart(NamedTuple):
    """What the covariances of architectures are made of: (n, k) each."""

    scores: jax.Array  # squared distances
    computes: jax.Array
    products: jax.Array  # of what they compute

    @classmethod
    def of(cls, a: Inputs, b: Inputs) -> "_Apart":
        products = linalg.product(a.computes, b.computes.T)
        return cls(squared_distances(a.scores, b.scores), squared_distances(a.computes, b.computes), products)

    def covariance(self, scales: Scales) -> jax.Array:
        trend = jnp.exp(scales.trend - jnp.exp(scales.trend_rate) * self.scores)
        local = jnp.exp(scales.local - jnp.exp(scales.local_rate) * self.computes)
        return trend + local + jnp.exp(scales.linear) * self.products


def covariance(a: Inputs, b: Inputs, scales: Scales) -> jax.Array:
    """Prior covariance of architectures, float32 (n, k)."""
    return _Apart.of(a, b).covariance(scales)


def variance(a: Inputs, scales: Scales) -> jax.Array:
    """Prior variance of architectures, float32 (n,): the diagonal of `covariance`."""
    return jnp.exp(scales.trend) + jnp.exp(scales.local) + jnp.exp(scales.linear) * jnp.sum(a.computes**2, axis=1)


def _noisy(matrix: jax.Array, mask: jax.Array, scales: Scales) -> jax.Array:
    """Covariance (c, c) of what was observed; identity in masked rows."""
    noise = jnp.exp(scales.noise) + _JITTER * (jnp.exp(scales.trend) + jnp.exp(scales.local))
    return jnp.where(mask[:, None] & mask[None, :], matrix, 0) + jnp.diag(jnp.where(mask, noise, 1.0))


def negative_log_posterior(apart: Any, targets: jax.Array, mask: jax.Array, scales: Scales) -> jax.Array:
    """Minus the logarithm of the marginal likelihood of targets (c,) times the scales' prior, up to a constant, ()."""
    factor = linalg.cholesky(_noisy(apart.covariance(scales), mask, scales))
    fit = jnp.sum(linalg.solve_lower(factor, targets[:, None]) ** 2) / 2
    away = sum((x - y) ** 2 for x, y in zip(scales, usual(), strict=True)) / (2 * PRIOR_SD**2)
    return fit + jnp.sum(jnp.log(jnp.diagonal(factor))) + away


def fit(known: Inputs, targets: jax.Array, mask: jax.Array) -> Scales:
    """The scales by the marginal likelihood of targets (c,); of many, of `FIT` from the least to the largest."""
    c, count = targets.shape[0], jnp.sum(mask)
    if c > FIT:
        ascending = jnp.argsort(jnp.where(mask, targets, jnp.inf), stable=True)
        spread = jnp.where(count <= FIT, jnp.arange(FIT), jnp.arange(FIT) * count // FIT)
        some = ascending[spread]
        known, targets, mask = known.at(some), targets[some], mask[some]
    apart = _Apart.of(known, known)
    return descend(
        lambda scales: negative_log_posterior(apart, targets, mask, scales), usual(), steady(_RATE), steps=_STEPS
    )


def condition(known: Inputs, errors: jax.Array, mask: jax.Array, scales: Scales | None = None) -> Process:
    """The process given errors (c,), %, of known architectures where the mask (c,) is True.

    Args:
      known: c architectures.
      errors: float32 (c,).
      mask: bool (c,).
      scales: of the covariance; default: fitted.
    """
    warp = warp_of(errors, mask)
    targets = jnp.where(mask, warp.forward(jnp.where(mask, errors, warp.low)), 0)
    scales = fit(known, targets, mask) if scales is None else scales
    factor = linalg.cholesky(_noisy(covariance(known, known, scales), mask, scales))
    solved = linalg.solve_lower(factor, targets[:, None])[:, 0]
    return Process(known, mask, targets, factor, solved, warp, scales)


def predict(process: Process, asked: Inputs) -> Prediction:
    """What trainings of k architectures would show."""
    cross = jnp.where(process.mask[:, None], covariance(process.known, asked, process.scales), 0)
    half = linalg.solve_lower(process.factor, cross)
    mean = linalg.product(half.T, process.solved)
    left = variance(asked, process.scales) - jnp.sum(half**2, axis=0)
    return Prediction(mean, jnp.sqrt(jnp.maximum(left, 0) + jnp.exp(process.scales.noise)), half, process.warp)


def leave_one_out(process: Process) -> jax.Array:
    """What the process expects of each evaluation from all others, float32 (c,), scaled as its targets.

    Rasmussen and Williams 2006, eq. 5.12.
    """
    inverse = linalg.solve_lower(process.factor, jnp.eye(process.mask.shape[0]))
    weights = linalg.product(inverse.T, process.solved)
    return process.targets - weights / jnp.sum(inverse**2, axis=0)
