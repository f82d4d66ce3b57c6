"""One Gaussian process per objective, and batches chosen by expected hypervolume improvement over their joint draws.

The batch is chosen greedily, each pick maximising the mean over draws of what it adds to the archive and the picks
before it: qEHVI (Daulton, Balandat and Bakshy 2020). With `noisy=True` the archive itself is drawn from the processes:
qNEHVI (the same, 2021). Here the picks come from a finite pool, so no gradient ascent is needed, and the draws are
exact on the pool.

Objectives of a search often have long tails (networks that do not learn). They pass through log(y - min + half the
distance from minimum to median), are standardised, and draws are mapped back before volumes are taken, so volumes keep
their units.

Letters: c capacity, k candidates in the pool, m objectives, b picks, s draws. Masks mean *valid*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import expected, gp
from jcenas.moo.gp import Covariance
from jcenas.moo.hypervolume import gains
from jcenas.moo.pareto import dominance_number


@dataclass(frozen=True, kw_only=True)
class SurrogateConfig:
    """Settings of the processes and of the choice.

    Attributes:
      covariance: "categorical" looks at the genomes, "matern" at the space's features.
      pool: candidates that a batch is chosen from.
      local: share of the pool that are neighbours of the non-dominated samples, one or two mutations away.
      draws: joint posterior draws.
      fit_steps: Adam steps on the hyper-parameters in each `ask`, from the defaults.
      fit_points: samples, chosen at random, that the hyper-parameters see; the processes themselves see all.
      front: archive points, least dominated first, that are drawn again for qNEHVI.
      noisy: qNEHVI if True, else qEHVI.
    """

    covariance: Covariance = "categorical"
    pool: int = 256
    local: float = 0.5
    draws: int = 16
    fit_steps: int = 20
    fit_points: int = 96
    front: int = 32
    noisy: bool = False

    def __post_init__(self):
        if self.covariance not in ("categorical", "matern"):
            raise ValueError(f"covariance must be 'categorical' or 'matern', got {self.covariance!r}")
        if min(self.pool, self.draws, self.fit_points, self.front) < 1 or self.fit_steps < 0:
            raise ValueError(f"pool, draws, fit_points and front must be at least 1, fit_steps at least 0: {self}")


class Warp(struct.PyTreeNode):
    """The monotone map of one objective to roughly standard normal values."""

    low: jax.Array  # () smallest value
    shift: jax.Array  # () softens the logarithm
    mean: jax.Array  # ()
    deviation: jax.Array  # ()

    def forward(self, values: jax.Array) -> jax.Array:
        """Objective to process."""
        return (jnp.log(jnp.maximum(values - self.low, 0) + self.shift) - self.mean) / self.deviation

    def backward(self, values: jax.Array) -> jax.Array:
        """Process to objective."""
        return jnp.exp(jnp.minimum(values * self.deviation + self.mean, 60.0)) - self.shift + self.low


def warp(values: jax.Array, mask: jax.Array) -> Warp:
    """Fit the map to the valid values (n,)."""
    low = jnp.min(jnp.where(mask, values, jnp.inf))
    low = jnp.where(jnp.isfinite(low), low, 0)
    middle = jnp.sort(jnp.where(mask, values, jnp.inf))[jnp.maximum(jnp.sum(mask) - 1, 0) // 2]
    shift = jnp.where(jnp.isfinite(middle) & (middle > low), 0.5 * (middle - low), 1.0)
    logs = jnp.where(mask, jnp.log(jnp.maximum(jnp.where(mask, values, low) - low, 0) + shift), 0)
    count = jnp.maximum(jnp.sum(mask), 1)
    mean = jnp.sum(logs) / count
    variance = jnp.sum(jnp.where(mask, (logs - mean) ** 2, 0)) / count
    return Warp(low, shift, mean, jnp.where(variance > 1e-12, jnp.sqrt(jnp.maximum(variance, 1e-12)), 1.0))


def draw(
    key: jax.Array,
    config: SurrogateConfig,
    inputs: jax.Array,
    objectives: jax.Array,
    mask: jax.Array,
    queries: jax.Array,
    exact: Sequence[jax.Array | None],
) -> jax.Array:
    """Joint posterior draws (s, q, m) of the objectives at queries (q, d), given objectives (c, m) at inputs (c, d).

    `exact` holds, for each objective, its known values (q,) at the queries, which every draw then takes, or None.
    """
    some, paths = jax.random.split(key)
    chance = jnp.where(mask, jax.random.uniform(some, mask.shape), -1.0)
    rows = jax.lax.top_k(chance, min(config.fit_points, mask.shape[0]))[1]

    def one(key, values):
        scale = warp(values, mask)
        targets = jnp.where(mask, scale.forward(jnp.where(mask, values, 0)), 0)
        start = gp.defaults(inputs.shape[1])
        hyper = gp.fit(config.covariance, start, inputs[rows], targets[rows], mask[rows], steps=config.fit_steps)
        process = gp.condition(config.covariance, hyper, inputs, targets, mask)
        mean, matrix = gp.predict(config.covariance, process, queries)
        return scale.backward(gp.sample(key, mean, matrix, config.draws))

    modelled = [i for i, values in enumerate(exact) if values is None]
    keys = jax.random.split(paths, len(modelled))
    drawn = iter(jax.vmap(one, (0, 1), 0)(keys, objectives[:, jnp.array(modelled)]))
    shape = (config.draws, queries.shape[0])
    return jnp.stack(
        [next(drawn) if values is None else jnp.broadcast_to(values[None, :], shape) for values in exact], axis=2
    )


def choose(
    key: jax.Array,
    config: SurrogateConfig,
    inputs: jax.Array,
    objectives: jax.Array,
    mask: jax.Array,
    pool: jax.Array,
    allowed: jax.Array,
    reference: jax.Array,
    b: int,
    exact: Sequence[jax.Array | None] | None = None,
) -> jax.Array:
    """Places, int32 (b,), of the picks in the pool (k, d); of those allowed (k,), each at most once.

    `exact` holds, for each objective, its known values (k,) over the pool, or None for a modelled one.
    """
    k = pool.shape[0]
    order = jnp.argsort(dominance_number(objectives, mask), stable=True)[: config.front]
    exact = [None] * objectives.shape[1] if exact is None else exact
    queries = pool
    if config.noisy:
        queries = jnp.concatenate([pool, inputs[order]])
        exact = [v if v is None else jnp.concatenate([v, objectives[order, i]]) for i, v in enumerate(exact)]
    draws = draw(key, config, inputs, objectives, mask, queries, exact)
    if config.noisy:
        old = jax.vmap(lambda d: gains(d, reference, mask[order]))(draws[:, k:])
    else:
        old = jnp.broadcast_to(
            gains(objectives[order], reference, mask[order]), (config.draws, *objectives[order].shape)
        )
    new = jax.vmap(lambda d: gains(d, reference))(draws[:, :k])
    archive = jnp.concatenate([old, jnp.zeros((config.draws, b, old.shape[2]), old.dtype)], axis=1)

    def pick(carry, i):
        archive, free = carry
        value = jnp.mean(jax.vmap(expected.point_improvement)(new, archive), axis=0)
        best = jnp.argmax(jnp.where(free, value, -1.0))
        archive = jax.lax.dynamic_update_index_in_dim(archive, new[:, best], order.shape[0] + i, axis=1)
        return (archive, free.at[best].set(False)), best.astype(jnp.int32)

    return jax.lax.scan(pick, (archive, allowed), jnp.arange(b))[1]
