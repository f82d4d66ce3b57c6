"""The predictor stage: expected hypervolume improvement under a Gaussian process fitted to the finished trainings.

The process sees an architecture in two ways and adds their covariances: the *scores* that need no training (synflow,
multiply-adds) give a smooth trend over the whole space, and what the architecture *computes* (path encoding of
NAS-Bench-201, else the genome) gives what the neighbours differ by. Its target is the logarithm of the error over the
best one, scaled by the better part of the evaluations, since that is where the front is.

Trainings fail: an error above `FAILED` times the lower quartile is set aside, and nothing that computes the same is
proposed again. CE-NAS's own table holds thousands of such accuracies (seeds that are missing count as 0).

Proposals are picked one after the other by expected hypervolume improvement for each second of training (Snoek et al.
2012, section 3.2, divide in the same way); after each the process is conditioned on its own prediction ("kriging
believer": Ginsbourger et al. 2010), so that the picks of one hour differ. The costs are known without training, so that
the expectation is over the error alone (`jcenas.engine.improvement`).

Letters: c room for evaluations, k candidates, s short list, f places for the front, m objectives.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jcenas.engine import queue
from jcenas.engine.candidates import Candidates, Evaluated, Inputs
from jcenas.engine.improvement import Belief, Front, improvement
from jcenas.moo import choice, linalg
from jcenas.moo.kernels import squared_distances
from jcenas.moo.pareto import dominance_number, first_of_equals, non_dominated
from jcenas.moo.sized import by_size
from jcenas.moo.surrogate import Warp

TREND = 7.4  # variance of the part that follows the scores
TREND_RATE = 0.074  # a squared distance of 1 (one deviation of one score) costs this much of its logarithm
LOCAL = 0.34  # variance of the part that follows the computation
LOCAL_RATE = 0.82
NOISE = 6.7e-3
FAILED = 3.0
START = 10  # evaluations before the process is asked
SAME = 1e-3  # squared distance below which two architectures compute the same
FRONT = 64  # places for the front, more where it is longer; NAS-Bench-201's own, error against energy, has 29 points
LONG = 1024  # evaluations, for which one more size of the front is worth its compilation
SHORT_LIST = 4
ROOM = 384  # evaluations that the process holds


class Prediction(NamedTuple):
    """Posterior of the Gaussian process at the candidates, as `warp` scales errors."""

    mean: jax.Array  # (k,)
    deviation: jax.Array  # (k,) positive
    half: jax.Array  # (c, k), inverse of the Cholesky factor times the covariance with the evaluations
    warp: Warp

    def error(self) -> jax.Array:
        """Predicted median error, float32 (k,), %."""
        return self.warp.backward(self.mean)

    def at(self, rows: jax.Array) -> "Prediction":
        """Those of some candidates."""
        return Prediction(self.mean[rows], self.deviation[rows], self.half[:, rows], self.warp)


def covariance(a: Inputs, b: Inputs) -> jax.Array:
    """Prior covariance of architectures, float32 (n, k): the sum of two squared-exponential kernels."""
    trend = TREND * jnp.exp(-TREND_RATE * squared_distances(a.scores, b.scores))
    return trend + LOCAL * jnp.exp(-LOCAL_RATE * squared_distances(a.computes, b.computes))


def quantile(values: jax.Array, mask: jax.Array, share: float) -> jax.Array:
    """Quantile of the valid values (n,), (): the value with `share` of them below; 0 without any."""
    last = jnp.maximum(jnp.sum(mask) - 1, 0)
    place = jnp.round(share * last).astype(jnp.int32)
    return jnp.where(jnp.any(mask), jnp.sort(jnp.where(mask, values, jnp.inf))[place], 0)


def failed(errors: jax.Array, mask: jax.Array) -> jax.Array:
    """Evaluations, bool (c,), whose error is more than `FAILED` times the lower quartile."""
    return mask & (errors > FAILED * quantile(errors, mask, 0.25))


def warp_of(errors: jax.Array, mask: jax.Array) -> Warp:
    """Logarithmic warp of errors to the process's targets: 0 is the 40 % quantile, and the best one lies at -1.2."""
    low = quantile(errors, mask, 0.0)
    shift = jnp.maximum((quantile(errors, mask, 0.25) - low) / 2, 0.02 * low + 1e-3)
    mean = jnp.log(quantile(errors, mask, 0.4) - low + shift)
    deviation = (mean - jnp.log(shift)) / 1.2
    return Warp(low, shift, mean, jnp.where(deviation > 1e-3, deviation, 1.0))


def predict(known: Inputs, errors: jax.Array, mask: jax.Array, asked: Inputs) -> Prediction:
    """Posterior of the process given errors (c,), %, of known architectures where the mask (c,) is True."""
    scale = warp_of(errors, mask)
    targets = jnp.where(mask, scale.forward(jnp.where(mask, errors, scale.low)), 0)
    matrix = jnp.where(mask[:, None] & mask[None, :], covariance(known, known), 0)
    factor = linalg.cholesky(matrix + jnp.diag(jnp.where(mask, NOISE, 1.0)))
    cross = jnp.where(mask[:, None], covariance(known, asked), 0)
    half = linalg.solve_lower(factor, cross)
    mean = linalg.product(half.T, linalg.solve_lower(factor, targets[:, None])[:, 0])
    variance = TREND + LOCAL - jnp.sum(half**2, axis=0)
    return Prediction(mean, jnp.sqrt(jnp.maximum(variance, 1e-6)), half, scale)


def on_front(seen: jax.Array, told: jax.Array) -> jax.Array:
    """Mask, bool (c,), of the front of evaluations (c, m) where told (c,); the first of equal ones only."""
    best = non_dominated(seen, told)
    return best & first_of_equals(seen, best)


def front_of(seen: jax.Array, best: jax.Array, f: int) -> Front:
    """The front of evaluations (c, m), those that `best` (c,) marks, in f places that must hold them."""
    places = queue.compact(jnp.arange(seen.shape[0]), best, f, 0)
    return Front(seen[places], jnp.arange(f) < jnp.sum(best))


def by_improvement(
    evaluated: Evaluated, candidates: Candidates, reference: jax.Array, n: int
) -> tuple[jax.Array, jax.Array]:
    """The n best candidates by expected hypervolume improvement for each second of training, picked one by one.

    Only the `SHORT_LIST` n candidates that improve most by themselves can be picked. Before `START` evaluations the
    candidates keep their order.

    Args:
      evaluated: what the process is conditioned on, c evaluations.
      candidates: k proposals.
      reference: float32 (m,).
      n: static number of picks, at most k.

    Returns:
      Places int32 (n,), and which of them count, bool (n,).
    """
    known, seen, told = evaluated
    bad = failed(seen[:, 0], told)
    repeated = squared_distances(known.computes, candidates.inputs.computes) < SAME
    candidates = candidates._replace(mask=candidates.mask & ~jnp.any(repeated & bad[:, None], axis=0))
    belief = _believe(evaluated._replace(mask=told & ~bad), candidates.inputs)
    best = on_front(seen, told)

    def choose(f: int) -> Callable[[], tuple[jax.Array, jax.Array]]:
        return lambda: _from_short_list(belief, candidates, front_of(seen, best, f), reference, n)

    # A long front is rare and slow: all evaluations have a place only where they need one.
    sizes = _places(seen.shape[0], seen.shape[1])
    chosen, counts = by_size(sizes, jnp.sum(best), [choose(size) for size in sizes])
    in_order = jnp.argsort(~candidates.mask, stable=True)[:n]
    early = jnp.sum(told) < START
    return (
        jnp.where(early, in_order, chosen).astype(jnp.int32),
        jnp.where(early, candidates.mask[in_order], counts),
    )


def _places(room: int, objectives: int) -> tuple[int, ...]:
    """Ascending numbers of places for the front; those of more than two objectives, and of long searches, are long."""
    several = (FRONT, 4 * FRONT) if objectives > 2 or room > LONG else (FRONT,)
    return (*(size for size in several if size < room), room)


def _believe(evaluated: Evaluated, asked: Inputs) -> Prediction:
    """Posterior given the valid evaluations; of more than `ROOM`, given those that the fewest dominate."""
    known, seen, fine = evaluated
    if seen.shape[0] <= ROOM:
        return predict(known, seen[:, 0], fine, asked)
    held = jnp.argsort(dominance_number(seen, fine), stable=True)[:ROOM]
    return predict(known.at(held), seen[held, 0], fine[held], asked)


def _from_short_list(
    belief: Prediction, candidates: Candidates, front: Front, reference: jax.Array, n: int
) -> tuple[jax.Array, jax.Array]:
    """The n picks, as of `by_improvement`, of the `SHORT_LIST` n candidates that improve a front most by themselves."""
    costs = candidates.costs
    alone = improvement(Belief(belief.mean, belief.deviation, belief.warp), costs, front, reference)
    short = choice.best_rows(alone / candidates.seconds, candidates.mask, min(SHORT_LIST * n, costs.shape[0]))
    picks, free = _pick(belief.at(short), candidates.at(short), front, reference, n)
    return short[picks], free


def _pick(
    belief: Prediction, listed: Candidates, front: Front, reference: jax.Array, n: int
) -> tuple[jax.Array, jax.Array]:
    """Pick n of the short list as a kriging believer: each pick joins the front where the process expects it.

    Returns:
      Places in the short list, int32 (n,), and which of them count, bool (n,).
    """
    f, expected = front.points.shape[0], jnp.concatenate([belief.error()[:, None], listed.costs], axis=1)

    def pick(carry: Any, i: jax.Array):
        matrix, front, free = carry
        deviation = jnp.sqrt(jnp.maximum(jnp.diagonal(matrix), 1e-6))
        seen = Belief(belief.mean, deviation, belief.warp)
        value = improvement(seen, listed.costs, front, reference) / listed.seconds
        at = choice.best(value, free)
        learnt = matrix[at] / jnp.sqrt(matrix[at, at] + NOISE)
        points = front.points.at[f + i].set(expected[at])
        front = Front(points, front.known.at[f + i].set(free[at]))
        return (matrix - jnp.outer(learnt, learnt), front, free.at[at].set(False)), (at, free[at])

    posterior = covariance(listed.inputs, listed.inputs) - linalg.product(belief.half.T, belief.half)
    room = Front(
        jnp.concatenate([front.points, jnp.full((n, front.points.shape[1]), jnp.inf, front.points.dtype)]),
        jnp.concatenate([front.known, jnp.zeros(n, bool)]),
    )
    return jax.lax.scan(pick, (posterior, room, listed.mask), jnp.arange(n))[1]
