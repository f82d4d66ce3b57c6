"""One Gaussian process per objective, and batches chosen by expected hypervolume improvement over their joint draws.

The batch is chosen greedily, each pick maximising the mean over draws of what it adds to the archive and the picks
before it: qEHVI (Daulton, Balandat and Bakshy 2020). With `noisy=True` the archive itself is drawn from the processes:
qNEHVI (the same, 2021). Here the picks come from a finite pool, so no gradient ascent is needed, and the draws are
exact on the pool. As a candidate's gain only falls while the archive grows, what it was is a bound on what it is, and
after each pick only those candidates are looked at whose bound is still the best (Minoux 1978).

The archive is the whole front, however long. Its arrays have one of a few fixed sizes, the smallest that holds it.

Objectives of a search often have long tails (networks that do not learn). They pass through log(y - min + half the
distance from minimum to median), are standardised, and draws are mapped back before volumes are taken, so volumes keep
their units.

Letters: c capacity, k candidates in the pool, m objectives, b picks, s draws, n archive points. Masks mean *valid*.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import choice, expected, gp
from jcenas.moo.gp import Covariance
from jcenas.moo.hypervolume import gains
from jcenas.moo.pareto import dominance_number, first_of_equals, non_dominated
from jcenas.moo.types import Space

_MOST_CATEGORIES = 32  # a variable of more choices is hardly ever seen twice with one of them
_AT_ONCE = 8  # candidates whose bounds are renewed together
_ARCHIVE = 128  # least size of an archive of three objectives or more: a size costs compilation


@dataclass(frozen=True, kw_only=True)
class SurrogateConfig:
    """Settings of the processes and of the choice.

    Attributes:
      covariance: "categorical" looks at the genomes, "matern" at the space's features. None follows the variables'
        kind: "matern" for a space that calls its variables `ordinal`, or one of whose variables has more than 32
        choices; else "categorical".
      pool: candidates that a batch is chosen from.
      local: share of the pool that are neighbours of the non-dominated samples, one or two mutations away.
      draws: joint posterior draws.
      fit_steps: Adam steps on the hyper-parameters in each `ask`, from the defaults.
      fit_points: samples, chosen at random, that the hyper-parameters see; the processes themselves see all.
      front: least number of archive points, least dominated first, that are drawn again for qNEHVI; a longer front is
        drawn whole.
      noisy: qNEHVI if True, else qEHVI.
    """

    covariance: Covariance | None = None
    pool: int = 256
    local: float = 0.5
    draws: int = 16
    fit_steps: int = 20
    fit_points: int = 96
    front: int = 32
    noisy: bool = False

    def __post_init__(self):
        if self.covariance not in (None, "categorical", "matern"):
            raise ValueError(f"covariance must be 'categorical', 'matern' or None, got {self.covariance!r}")
        if min(self.pool, self.draws, self.fit_points, self.front) < 1 or self.fit_steps < 0:
            raise ValueError(f"pool, draws, fit_points and front must be at least 1, fit_steps at least 0: {self}")

    @property
    def kernel(self) -> Covariance:
        """The covariance, once it is decided (see `for_space`)."""
        if self.covariance is None:
            raise ValueError("the covariance is not decided: use for_space(space)")
        return self.covariance

    def for_space(self, space: Space) -> "SurrogateConfig":
        """The same settings with a covariance that suits the variables of a space."""
        if self.covariance is not None:
            return self
        ordinal = getattr(space, "ordinal", False) or max(space.cardinalities) > _MOST_CATEGORIES
        return replace(self, covariance="matern" if ordinal else "categorical")

    def inputs(self, space: Space, genomes: jax.Array) -> jax.Array:
        """Inputs of the processes, float32 (n, d or f): genomes (n, d), or the space's features of them."""
        return genomes.astype(jnp.float32) if self.kernel == "categorical" else space.features(genomes)


class Samples(NamedTuple):
    """Evaluated genomes, as the processes see them."""

    inputs: jax.Array  # (c, d)
    objectives: jax.Array  # (c, m)
    mask: jax.Array  # (c,) bool


class Pool(NamedTuple):
    """Candidates of the choice, as the processes see them."""

    inputs: jax.Array  # (k, d)
    allowed: jax.Array  # (k,) bool, True where a candidate may be picked
    exact: Sequence[jax.Array | None]  # for each objective its known values (k,), or None where it is modelled


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


class Processes(NamedTuple):
    """One fitted process for each modelled objective, on a leading axis, and the map of that objective."""

    scale: Warp
    posterior: gp.Posterior


def fit_processes(
    key: jax.Array, config: SurrogateConfig, samples: Samples, exact: Sequence[jax.Array | None]
) -> Processes:
    """Fit a process to each objective that `exact` has None for."""
    mask, kernel = samples.mask, config.kernel
    rows = choice.best_rows(jax.random.uniform(key, mask.shape), mask, min(config.fit_points, mask.shape[0]))

    def one(values: jax.Array) -> Processes:
        scale = warp(values, mask)
        targets = jnp.where(mask, scale.forward(jnp.where(mask, values, 0)), 0)
        start = gp.defaults(samples.inputs.shape[1])
        hyper = gp.fit(kernel, start, samples.inputs[rows], targets[rows], mask[rows], steps=config.fit_steps)
        return Processes(scale, gp.condition(kernel, hyper, samples.inputs, targets, mask))

    modelled = [i for i, values in enumerate(exact) if values is None]
    return jax.vmap(one, 1)(samples.objectives[:, jnp.array(modelled)])


def posterior_draws(
    key: jax.Array,
    config: SurrogateConfig,
    processes: Processes,
    queries: jax.Array,
    exact: Sequence[jax.Array | None],
) -> jax.Array:
    """Joint posterior draws (s, q, m) of the objectives at queries (q, d).

    `exact` holds, for each objective, its known values (q,) at the queries, which every draw then takes, or None.
    """

    def one(key: jax.Array, process: Processes) -> jax.Array:
        mean, matrix = gp.predict(config.kernel, process.posterior, queries)
        variance = jnp.exp(process.posterior.hyper.log_variance)
        return process.scale.backward(gp.sample(key, mean, matrix, config.draws, variance))

    keys = jax.random.split(key, sum(values is None for values in exact))
    drawn = iter(jax.vmap(one)(keys, processes))
    shape = (config.draws, queries.shape[0])
    return jnp.stack(
        [next(drawn) if values is None else jnp.broadcast_to(values[None, :], shape) for values in exact], axis=2
    )


def choose(
    key: jax.Array, config: SurrogateConfig, samples: Samples, *, pool: Pool, reference: jax.Array, b: int
) -> jax.Array:
    """Places, int32 (b,), of the picks in the pool (k, d); of those allowed, each at most once."""
    objectives, mask = samples.objectives, samples.mask
    some, paths = jax.random.split(key)
    processes = fit_processes(some, config, samples, pool.exact)
    front = non_dominated(objectives, mask)
    if config.noisy:

        def pick_noisy(rows: jax.Array) -> jax.Array:
            queries = jnp.concatenate([pool.inputs, samples.inputs[rows]])
            exact = [
                None if values is None else jnp.concatenate([values, objectives[rows, i]])
                for i, values in enumerate(pool.exact)
            ]
            draws = posterior_draws(paths, config, processes, queries, exact)
            new, old = draws[:, : pool.inputs.shape[0]], draws[:, pool.inputs.shape[0] :]
            archive = jax.vmap(gains, (0, None, None))(old, reference, mask[rows])
            return _greedy(_gains_of_draws(new, reference), archive, pool.allowed, b)

        return _with_whole_front(pick_noisy, samples, front, config.front)
    draws = posterior_draws(paths, config, processes, pool.inputs, pool.exact)
    new = _gains_of_draws(draws, reference)

    def pick(rows: jax.Array) -> jax.Array:
        return _greedy(new, gains(objectives[rows], reference, mask[rows])[None], pool.allowed, b)

    if objectives.shape[1] <= 2:  # a staircase takes all rows: dominated ones and copies add nothing to it
        return pick(jnp.arange(mask.shape[0]))
    return _with_whole_front(pick, samples, front & first_of_equals(objectives, front), max(config.front, _ARCHIVE))


def _gains_of_draws(draws: jax.Array, reference: jax.Array) -> jax.Array:
    """Draws (s, k, m) as distances from the reference; NaN, which `gains` has no use for, stays NaN."""
    broken = jnp.any(jnp.isnan(draws), axis=2, keepdims=True)
    return jnp.where(broken, jnp.nan, jax.vmap(gains, (0, None))(draws, reference))


def _with_whole_front(
    run: Callable[[jax.Array], jax.Array], samples: Samples, front: jax.Array, least: int
) -> jax.Array:
    """Call `run` on the rows of the front (c,), then the least dominated others, as many as a fixed size asks for.

    The sizes are `least` times 1, 4, 16, ..., up to the capacity; the smallest that holds the front counts.
    """
    capacity = front.shape[0]
    number = jnp.where(front, -1, dominance_number(samples.objectives, samples.mask))
    order = jnp.argsort(number, stable=True)
    sizes = [min(least, capacity)]
    while sizes[-1] < capacity:
        sizes.append(min(4 * sizes[-1], capacity))

    def with_size(size: int) -> Callable[[], jax.Array]:
        return lambda: run(order[:size])

    too_small = jnp.sum(front) > jnp.array(sizes, jnp.int32)
    return jax.lax.switch(jnp.sum(too_small, dtype=jnp.int32), [with_size(size) for size in sizes])


def _greedy(new: jax.Array, archive: jax.Array, allowed: jax.Array, b: int) -> jax.Array:
    """Pick b candidates one after the other, each by the mean over draws of the volume that it adds.

    Args:
      new: the candidates, (s, k, m), as gains.
      archive: (s, n, m) as gains, or (1, n, m) if it is the same in all draws.
      allowed: (k,) bool.
      b: number of picks.

    Returns:
      Places int32 (b,).
    """
    s, k, _ = new.shape
    chunk = min(_AT_ONCE, k)
    ready = jax.vmap(lambda gain: expected.prepare(gain, room=b))(archive)
    ready = jax.tree.map(lambda x: jnp.broadcast_to(x, (s, *x.shape[1:])), ready)

    def gain_of(candidates: jax.Array, ready: expected.Archive) -> jax.Array:
        return jnp.mean(jax.vmap(expected.point_improvement)(candidates, ready), axis=0)

    def pick(carry, i):
        bound, free, ready = carry

        def outdated(state):
            bound, renewed = state
            return ~renewed[choice.best(bound, free)]

        def renew(state):
            bound, renewed = state
            rows = choice.best_rows(bound, free & ~renewed, chunk)
            return bound.at[rows].set(gain_of(new[:, rows], ready)), renewed.at[rows].set(True)

        bound, _ = jax.lax.while_loop(outdated, renew, (bound, jnp.broadcast_to(i == 0, (k,))))
        best = choice.best(bound, free)
        ready = jax.vmap(expected.insert)(ready, new[:, best])
        return (bound, free.at[best].set(False), ready), best

    return jax.lax.scan(pick, (gain_of(new, ready), allowed, ready), jnp.arange(b))[1]
