"""Expected hypervolume improvement: by hand, against sampled hypervolume, and for one cost against its first form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from jcenas.engine.improvement import Belief, Front, improvement, quasi_random
from jcenas.moo.surrogate import Warp

IDENTITY = Warp(jnp.float32(0), jnp.float32(0), jnp.float32(0), jnp.float32(1))  # error = exp(z)
SURE = 1e-3  # a deviation that leaves no doubt
improve = jax.jit(improvement)


def believed(errors, deviation=SURE):
    mean = jnp.log(jnp.asarray(errors, jnp.float32))
    return Belief(mean, jnp.broadcast_to(jnp.asarray(deviation, jnp.float32), mean.shape), IDENTITY)


def front_of(points, padding=2):
    points = np.asarray(points, np.float32)
    padded = np.concatenate([points, np.zeros((padding, points.shape[1]), np.float32)])
    return Front(jnp.asarray(padded), jnp.arange(len(padded)) < len(points))


def dominated_volume(points, reference):
    """Volume of the union of boxes from points (n, m) to the reference, by inclusion and exclusion in numpy."""
    points = [p for p in np.asarray(points, float) if (p < reference).all()]
    total = 0.0
    for subset in range(1, 2 ** len(points)):
        chosen = [p for i, p in enumerate(points) if subset >> i & 1]
        sign = 1 if len(chosen) % 2 else -1
        total += sign * np.prod(reference - np.max(chosen, axis=0))
    return total


def test_one_cost_by_hand():
    front, reference = front_of([[4, 6], [6, 3]]), jnp.array([10.0, 8.0])
    costs = jnp.array([[4.0], [7.0], [9.0], [1.0]])
    # (5, 4) gains (6 - 5) from 4 to 6; (3, 7) gains (4 - 3) from 7 to 8; 9 is beyond the reference;
    # (5, 1) gains (10 - 5) from 1 to 3, then (6 - 5) up to 6.
    np.testing.assert_allclose(improve(believed([5, 3, 1, 5]), costs, front, reference), [2, 1, 0, 13], atol=0.01)


def test_two_costs_by_hand():
    front, reference = front_of([[4, 6, 1], [6, 3, 5]]), jnp.array([10.0, 8.0, 8.0])
    costs = jnp.array([[4.0, 2.0], [7.0, 7.0], [9.0, 1.0], [4.0, 6.0]])
    # (5, 4, 2): of the costs 4..8 x 2..8 the first point takes 6..8 x 2..8 with a smaller error; of the rest, 4..6 x
    # 2..8, the second halves 5..8: there 6 - 5 over 2 x 3, elsewhere 10 - 5 over 2 x 3.
    # (3, 7, 7): both reach 7..8 x 7..8, the better has 4: 4 - 3. (5, 4, 6): 6 - 5 over 4..6 x 6..8.
    got = improve(believed([5, 3, 1, 5]), costs, front, reference)
    np.testing.assert_allclose(got, [36, 1, 0, 4], atol=0.03)


def test_three_costs_by_hand():
    reference = jnp.array([10.0, 8.0, 8.0, 8.0])
    costs = jnp.array([[4.0, 2.0, 7.0], [8.5, 1.0, 1.0]])
    nothing = Front(jnp.zeros((3, 4)), jnp.zeros(3, bool))
    np.testing.assert_allclose(improve(believed([5, 1]), costs, nothing, reference), [5 * 4 * 6 * 1, 0], atol=0.1)
    front = front_of([[4, 6, 2, 1]])  # takes half of the box
    np.testing.assert_allclose(improve(believed([5, 1]), costs, front, reference), [5 * 2 * 6 * 1, 0], rtol=0.02)


@pytest.mark.parametrize(("m", "tolerance"), [(2, 1e-3), (3, 1e-3), (4, 0.03)])
def test_equals_the_mean_over_sampled_errors(m, tolerance):
    rng = np.random.default_rng(m)
    points = rng.uniform(2, 9, (6, m))
    reference = np.full(m, 10.0)
    mean, deviation, costs = rng.uniform(1, 2, 5), rng.uniform(0.1, 0.6, 5), rng.uniform(1, 8, (5, m - 1))
    belief = Belief(jnp.asarray(mean, jnp.float32), jnp.asarray(deviation, jnp.float32), IDENTITY)
    got = improve(belief, jnp.asarray(costs, jnp.float32), front_of(points), jnp.asarray(reference, jnp.float32))
    before = dominated_volume(points, reference)
    for i in range(5):
        # The volume is piecewise linear in the error: between the errors of the front, and nothing beyond the reference
        knots = np.unique(np.concatenate([points[:, 0], [0.0, 10.0]]))
        added = [dominated_volume([*points, [e, *costs[i]]], reference) - before for e in knots]
        errors = np.exp(rng.normal(mean[i], deviation[i], 400_000))
        gains = np.interp(errors, knots, added)
        limit = 4 * gains.std() / errors.size**0.5
        np.testing.assert_allclose(got[i], gains.mean(), rtol=tolerance, atol=limit)


def test_more_costs_that_are_all_alike_change_nothing():
    """A second cost that every point has at 3, below a reference of 5, multiplies everything by 2."""
    rng = np.random.default_rng(7)
    points, costs = rng.uniform(2, 9, (8, 2)), rng.uniform(1, 8, (20, 1))
    belief = Belief(jnp.asarray(rng.uniform(1, 2, 20)), jnp.asarray(rng.uniform(0.1, 0.6, 20)), IDENTITY)
    one = improve(belief, jnp.asarray(costs), front_of(points), jnp.array([10.0, 10.0]))
    threes = np.full((20, 1), 3.0)
    for more, tolerance in ((1, 1e-4), (2, 0.03)):
        wide = np.concatenate([points, np.full((8, more), 3.0)], axis=1)
        dear = jnp.asarray(np.concatenate([costs, *[threes] * more], axis=1))
        got = improve(belief, dear, front_of(wide), jnp.array([10.0, 10.0, *[5.0] * more]))
        np.testing.assert_allclose(got, one * 2**more, rtol=tolerance, atol=1e-3)


def first_form(belief, cost, front, reference):
    """The improvement with one cost as it was before there could be several."""
    scale = belief.scale
    cheap_first = jnp.argsort(jnp.where(front.known, front.points[:, 1], jnp.inf))
    errors, costs = jnp.where(front.known[:, None], front.points, jnp.inf)[cheap_first].T
    best = jnp.minimum(jnp.concatenate([jnp.full(1, jnp.inf), jax.lax.cummin(errors)]), reference[0])
    left = jnp.concatenate([jnp.full(1, -jnp.inf), costs])
    right = jnp.minimum(jnp.concatenate([costs, jnp.full(1, jnp.inf)]), reference[1])
    width = jnp.maximum(right[None, :] - jnp.maximum(left[None, :], cost[:, None]), 0)
    a = (belief.mean * scale.deviation + scale.mean)[:, None]
    b = (belief.deviation * scale.deviation)[:, None]
    step = jnp.maximum(best + scale.shift - scale.low, 1e-6)[None, :]
    z = (jnp.log(step) - a) / b
    gain = step * norm.cdf(z) - jnp.exp(jnp.minimum(a + b**2 / 2, 20.0)) * norm.cdf(z - b)
    return jnp.sum(width * jnp.maximum(gain, 0), axis=1)


def test_one_cost_gives_the_same_bits_as_before():
    rng = np.random.default_rng(3)
    scale = Warp(jnp.float32(2.1), jnp.float32(0.4), jnp.float32(0.7), jnp.float32(1.3))
    belief = Belief(jnp.asarray(rng.normal(size=200)), jnp.asarray(rng.uniform(0.05, 2, 200)), scale)
    front, reference = front_of(rng.uniform(2, 9, (12, 2))), jnp.array([10.0, 10.0])
    cost = jnp.asarray(rng.uniform(1, 10, 200))
    np.testing.assert_array_equal(
        improve(belief, cost[:, None], front, reference), jax.jit(first_form)(belief, cost, front, reference)
    )


def test_quasi_random_points_fill_the_cube_evenly():
    points = quasi_random(1024, 3)
    assert points.shape == (1024, 3)
    assert (points >= 0).all()
    assert (points < 1).all()
    np.testing.assert_allclose(points.mean(axis=0), 0.5, atol=1e-2)
    for corner in ([0.5, 0.5, 0.5], [0.2, 0.9, 0.7]):
        np.testing.assert_allclose((points < corner).all(axis=1).mean(), np.prod(corner), atol=5e-3)
