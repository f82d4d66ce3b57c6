"""The predictor stage: expected hypervolume improvement under a Gaussian process fitted to the finished trainings.

The process is `jcenas.engine.process`, and `jcenas.engine.improvement` the expectation: the costs are known without
training, so that it is over the error alone.

Proposals are picked one after the other by their improvement; after each the process is conditioned on its own
prediction ("kriging believer": Ginsbourger et al. 2010), so that the picks of one hour differ. What still trains counts
as picked. Improvement counts for each second of training (Snoek et al. 2012, section 3.2, divide in the same way); in
the last part of the budget the exponent of the seconds falls to 0 (cost cooling: Lee et al. 2020), as there is nothing
to save the time for.

Trainings fail: an error above `FAILED` times the lower quartile is set aside, and nothing that computes the same is
proposed again. CE-NAS's own table holds thousands of such accuracies (seeds that are missing count as 0).

A process can be wrong. Each time it is asked what it would have said of the last evaluations without having seen them;
where that does not rank them (`HOLDS`), the proposals keep the optimiser's order.

Letters: c room for evaluations, k candidates, s short list, f places for the front, g trainings, m objectives.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jcenas.engine import process, queue
from jcenas.engine.candidates import Candidates, Evaluated, Moment
from jcenas.engine.improvement import Belief, Front, improvement
from jcenas.engine.process import Process
from jcenas.moo import choice, linalg
from jcenas.moo.kernels import squared_distances
from jcenas.moo.pareto import dominance_number, first_of_equals, non_dominated
from jcenas.moo.sized import by_size

FAILED = 3.0
START = 10  # evaluations before the process is asked
SAME = 1e-3  # squared distance below which two architectures compute the same
FRONT = 64  # places for the front, more where it is longer; NAS-Bench-201's own, error against energy, has 29 points
LONG = 1024  # evaluations, for which one more size of the front is worth its compilation
SHORT_LIST = 4
COOLING = 0.25  # of the budget, its last part: earlier cooling cost carbon on digits and NAS-Bench-201
ROOM = 512  # evaluations that the process holds
WATCHED = 64  # evaluations, the last ones, that the process must rank
HOLDS = 0.1  # Kendall's tau that it must reach, once there are half so many


def failed(errors: jax.Array, mask: jax.Array) -> jax.Array:
    """Evaluations, bool (c,), whose error is more than `FAILED` times the lower quartile."""
    return mask & (errors > FAILED * process.quantile(errors, mask, 0.25))


def on_front(seen: jax.Array, told: jax.Array) -> jax.Array:
    """Mask, bool (c,), of the front of evaluations (c, m) where told (c,); the first of equal ones only."""
    best = non_dominated(seen, told)
    return best & first_of_equals(seen, best)


def front_of(seen: jax.Array, best: jax.Array, f: int) -> Front:
    """The front of evaluations (c, m), those that `best` (c,) marks, in f places that must hold them."""
    places = queue.compact(jnp.arange(seen.shape[0]), best, f, 0)
    return Front(seen[places], jnp.arange(f) < jnp.sum(best))


def by_improvement(evaluated: Evaluated, candidates: Candidates, moment: Moment, n: int) -> tuple[jax.Array, jax.Array]:
    """The n best candidates by expected hypervolume improvement, picked one by one.

    Only the `SHORT_LIST` n candidates that improve most by themselves can be picked. Before `START` evaluations, and
    while the process does not hold, the candidates keep their order.

    Args:
      evaluated: what the process is conditioned on, c evaluations.
      candidates: k proposals.
      moment: reference point, budget left, and what trains already.
      n: static number of picks, at most k.

    Returns:
      Places int32 (n,), and which of them count, bool (n,).
    """
    known, seen, told = evaluated
    bad = failed(seen[:, 0], told)
    repeated = squared_distances(known.computes, candidates.inputs.computes) < SAME
    candidates = candidates._replace(
        mask=candidates.mask & ~jnp.any(repeated & bad[:, None], axis=0),
        seconds=candidates.seconds ** _exponent(moment.goal.left),
    )
    held = _held(seen, told & ~bad)
    believed = process.condition(known.at(held), seen[held, 0], (told & ~bad)[held])
    best = on_front(seen, told)

    def choose(f: int) -> Callable[[], tuple[jax.Array, jax.Array]]:
        return lambda: _from_short_list(believed, candidates, front_of(seen, best, f), moment, n)

    # A long front is rare and slow: all evaluations have a place only where they need one.
    sizes = _places(seen.shape[0], seen.shape[1])
    chosen, counts = by_size(sizes, jnp.sum(best), [choose(size) for size in sizes])
    in_order = jnp.argsort(~candidates.mask, stable=True)[:n]
    plain = (jnp.sum(told) < START) | ~holds(believed, held)
    return (
        jnp.where(plain, in_order, chosen).astype(jnp.int32),
        jnp.where(plain, candidates.mask[in_order], counts),
    )


def _exponent(left: jax.Array) -> jax.Array:
    """Of the seconds of a training: 1, falling to 0 with what is left of the budget, float32 ().

    In sixteenths, so that two clusters whose budgets differ by a rounding error choose alike.
    """
    return jnp.round(jnp.minimum(left / COOLING, 1.0) * 16) / 16


def _places(room: int, objectives: int) -> tuple[int, ...]:
    """Ascending numbers of places for the front; those of more than two objectives, and of long searches, are long."""
    several = (FRONT, 4 * FRONT) if objectives > 2 or room > LONG else (FRONT,)
    return (*(size for size in several if size < room), room)


def _held(seen: jax.Array, fine: jax.Array) -> jax.Array:
    """Evaluations, int32 (at most `ROOM`,), that the process holds: half of them those that the fewest dominate.

    The others are spread over the rest, so that the process does not forget where it is bad.
    """
    if seen.shape[0] <= ROOM:
        return jnp.arange(seen.shape[0])
    order, half = jnp.argsort(dominance_number(seen, fine), stable=True), ROOM // 2
    rest = jnp.maximum(jnp.sum(fine) - half, ROOM - half)
    return order[jnp.concatenate([jnp.arange(half), half + jnp.arange(ROOM - half) * rest // (ROOM - half)])]


def holds(believed: Process, when: jax.Array) -> jax.Array:
    """Whether the process ranks the last evaluations without having seen them, bool (); True while there are few.

    Args:
      believed: the process on c evaluations.
      when: in which order they ended, int32 (c,).
    """
    last = choice.best_rows(when.astype(jnp.float32), believed.mask, min(WATCHED, when.shape[0]))
    mask, said, was = believed.mask[last], process.leave_one_out(believed)[last], believed.targets[last]
    pairs = mask[:, None] & mask[None, :] & (was[:, None] != was[None, :])
    agree = jnp.sign(said[:, None] - said[None, :]) * jnp.sign(was[:, None] - was[None, :])
    tau = jnp.sum(jnp.where(pairs, agree, 0)) / jnp.maximum(jnp.sum(pairs), 1)
    return (tau >= HOLDS) | (jnp.sum(mask) < WATCHED // 2)


def _from_short_list(
    believed: Process, candidates: Candidates, front: Front, moment: Moment, n: int
) -> tuple[jax.Array, jax.Array]:
    """The n picks, as of `by_improvement`, of the `SHORT_LIST` n candidates that improve a front most by themselves."""
    costs, seen = candidates.costs, process.predict(believed, candidates.inputs)
    alone = improvement(Belief(seen.mean, seen.deviation, seen.warp), costs, front, moment.goal.reference)
    short = choice.best_rows(alone / candidates.seconds, candidates.mask, min(SHORT_LIST * n, costs.shape[0]))
    listed = _joined(moment.pending, candidates.at(short))
    picks, free = _pick(believed, listed, front, moment, n)
    return short[picks], free


def _joined(first: Candidates, then: Candidates) -> Candidates:
    """Two lists as one."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, then)


def _pick(believed: Process, listed: Candidates, front: Front, moment: Moment, n: int) -> tuple[jax.Array, jax.Array]:
    """Pick n of the short list as a kriging believer: each pick joins the front where the process expects it.

    Args:
      believed: the process.
      listed: what trains already, g of them, and behind them the short list.
      front: what is to be improved.
      moment: of the decision.
      n: static number of picks.

    Returns:
      Places in the short list, int32 (n,), and which of them count, bool (n,).
    """
    seen = process.predict(believed, listed.inputs)
    expected = jnp.concatenate([seen.error()[:, None], listed.costs], axis=1)
    f, g = front.points.shape[0], moment.pending.mask.shape[0]
    noise = jnp.exp(believed.scales.noise)

    def pick(carry: Any, i: jax.Array):
        matrix, front, free = carry
        deviation = jnp.sqrt(jnp.maximum(jnp.diagonal(matrix), 0) + noise)
        value = improvement(Belief(seen.mean, deviation, seen.warp), listed.costs, front, moment.goal.reference)
        at = jnp.where(i < g, i, choice.best(value / listed.seconds, free & (jnp.arange(free.shape[0]) >= g)))
        learnt = jnp.where(free[at], matrix[at] / jnp.sqrt(matrix[at, at] + noise), 0)
        points = front.points.at[f + i].set(expected[at])
        front = Front(points, front.known.at[f + i].set(free[at]))
        return (matrix - jnp.outer(learnt, learnt), front, free.at[at].set(False)), (at - g, free[at])

    posterior = process.covariance(listed.inputs, listed.inputs, believed.scales) - linalg.product(
        seen.half.T, seen.half
    )
    room = Front(
        jnp.concatenate([front.points, jnp.full((g + n, front.points.shape[1]), jnp.inf, front.points.dtype)]),
        jnp.concatenate([front.known, jnp.zeros(g + n, bool)]),
    )
    places, counts = jax.lax.scan(pick, (posterior, room, listed.mask), jnp.arange(g + n))[1]
    return places[g:], counts[g:]
