"""The decisions of one hour, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.engine import hour, stages
from jcenas.engine.candidates import Goal
from jcenas.engine.queue import EMPTY
from jcenas.engine.split import Split, split
from jcenas.moo.types import Optimizer

NAN, INF = np.nan, np.inf

# As programs, and not as one for each of their operations.
new_among, affordable_scores, remember = (jax.jit(f) for f in (hour.new_among, hour.affordable_scores, hour.remember))
line_up, settle = (jax.jit(f, static_argnums=0) for f in (hour.line_up, hour.settle))
rank = jax.jit(hour.rank, static_argnums=(0, 1, 6))


def mask(text):
    """A mask as ones and zeros."""
    return jnp.array([mark == "1" for mark in text])


def test_keys_belong_to_the_hour_alone():
    search = jax.random.key(7)
    first, again, next_hour = hour.keys_of(search, 3), hour.keys_of(search, jnp.int32(3)), hour.keys_of(search, 4)
    drawn = {tuple(jax.random.key_data(key).tolist()) for keys in (first, next_hour) for key in keys}
    assert len(drawn) == 6
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(jax.random.key_data(one), jax.random.key_data(other))


@pytest.mark.parametrize(
    ("stage", "evaluating", "train_unscored", "asks"),
    [
        ("one-shot", 0, False, True),  # samplers score what is proposed
        ("one-shot", 7, False, True),
        ("one-shot", 8, False, False),
        ("one-shot", 8, True, True),  # who evaluates may train it unscored
        ("predictor", 0, True, False),  # what is scored at once and not trained is forgotten
        ("predictor", 1, False, True),
        ("none", 0, True, False),
        ("none", 8, False, True),
    ],
)
def test_who_needs_proposals(stage, evaluating, train_unscored, asks):
    made = stages.stage_from_name(stage)
    who = Split(jnp.int32(evaluating), jnp.int32(8 - evaluating), jnp.float32(1.0))
    assert bool(hour.asks(made, who, jnp.asarray(train_unscored))) == asks


def test_a_device_that_slices_its_hour_has_proposals_to_score():
    one = stages.stage_from_name("one-shot")
    assert bool(hour.asks(one, split(jnp.float32(0.5), 1), jnp.asarray(False)))
    assert not bool(hour.asks(one, split(jnp.float32(1.0), 1), jnp.asarray(False)))


def test_new_proposals(kit):
    state = kit.state_of(queue=[3], half=[4], rows=[5, 6])
    rows = jnp.array([1, 3, 4, 6, 1, EMPTY, 2, 2], jnp.int32)
    np.testing.assert_array_equal(new_among(rows, state), mask("10000010"))


@pytest.mark.parametrize(
    ("device_s", "score_s", "scored", "seconds"),
    [
        (25.0, 10.0, "1011", 20.0),  # rows 3 and 8; row 7 has its score from before
        (20.0, 10.0, "1011", 20.0),
        (19.9, 10.0, "1010", 10.0),
        (5.0, 10.0, "0010", 0.0),
        (5.0, 0.0, "1011", 0.0),
        (0.0, 0.0, "0010", 0.0),  # no time, no scores, even for nothing
    ],
)
def test_scores_that_the_time_pays(kit, device_s, score_s, scored, seconds):
    rows, new = jnp.array([3, 5, 7, 8], jnp.int32), mask("1011")
    got = affordable_scores(new, rows, kit.state_of(scored=[7]), jnp.float32(device_s), jnp.float32(score_s))
    np.testing.assert_array_equal(got[0], mask(scored))
    assert float(got[1]) == seconds


def test_scores_are_remembered(kit):
    state = remember(kit.state_of(scored=[7]), jnp.array([3, 5, 7, EMPTY], jnp.int32), mask("1010"))
    np.testing.assert_array_equal(np.flatnonzero(state.scored), [3, 7])


def test_the_queue_is_ranked_with_what_is_new(kit):
    # Row 4 (error 1, cost 1) dominates all but row 5 (error 9, cost 0.5); row 0 has one dominator, row 2 two.
    catalog = kit.catalog_of(costs=[2, 1, 3, 1, 1, 0.5], estimates=[2, 1, 3, 1, 1, 9])
    waiting, scored = kit.padded([0, 2], 3), kit.padded([5, 4], 4)
    goal, state = Goal(jnp.array([10.0, 10.0]), jnp.float32(1.0)), kit.state_of()
    order = rank(stages.one_shot(), kit.sizes, state, catalog, jnp.concatenate([waiting, scored]), goal, (6,))
    np.testing.assert_array_equal(order, [5, 4, 0])  # of two without dominators the earlier proposal; 2 falls out
    order = rank(
        stages.one_shot(), kit.sizes, state, catalog, jnp.concatenate([kit.padded([2], 3), scored[2:]]), goal, (6,)
    )
    np.testing.assert_array_equal(order, [2, EMPTY, EMPTY])
    order = rank(stages.none(), kit.sizes, state, catalog, jnp.concatenate([waiting, scored]), goal, (6,))
    np.testing.assert_array_equal(order, [EMPTY] * 3)


def test_a_stage_that_refits_sees_the_evaluations_in_the_smallest_room(kit):
    seen = []

    def nearest(evaluated, candidates, moment, n):
        assert moment.pending.mask.shape == (kit.sizes.devices,)
        seen.append(evaluated.mask.shape[0])
        best = jnp.where(evaluated.mask, evaluated.objectives[:, 0], INF).min()
        order = jnp.argsort(jnp.abs(candidates.estimate - best))[:n]
        return order, candidates.mask[order]

    stage = stages.Stage("mine", nearest, "synflow", at_once=True, refits=True)
    catalog = kit.catalog_of(costs=range(6), estimates=[10, 20, 30, 40, 50, 60])
    state = kit.state_of(rows=[8, 9])
    state = state.replace(observed=state.observed.at[:2, 0].set(jnp.array([41.0, 52.0])))
    scored = kit.padded([0, 3, 4], 4)
    goal, rows = Goal(jnp.ones(2), jnp.float32(1.0)), jnp.concatenate([kit.padded([], 3), scored])
    order = rank(stage, kit.sizes, state, catalog, rows, goal, (2, 4, 6))
    np.testing.assert_array_equal(order[:2], [3, 4])  # nearest to the best evaluation, 41
    assert sorted(set(seen)) == [2, 4, 6]


LINE = {"half": [4], "half_s": [30.0]}
SECONDS = jnp.arange(100.0, 110.0)


def line_of(kit, *, count=0, waiting=(5, 6)):
    state = kit.state_of(**LINE).replace(count=jnp.int32(count))
    proposals, untried = jnp.array([1, 3, 2, 6], jnp.int32), mask("1111")
    return line_up(kit.sizes, state, SECONDS, kit.padded(waiting, 3), proposals, untried)


def test_the_line_by_hand(kit):
    line = line_of(kit)
    np.testing.assert_array_equal(line.jobs, [4, EMPTY, 5, 6, EMPTY, 2, 6])  # of the proposals the last two
    np.testing.assert_array_equal(line.valid, mask("1011010"))  # 6 waits already
    np.testing.assert_array_equal(line.fits, line.valid)
    np.testing.assert_array_equal(np.asarray(line.needs_s)[np.asarray(line.valid)], [30, 105, 106, 102])


def test_the_line_is_no_longer_than_the_room(kit):
    np.testing.assert_array_equal(line_of(kit, count=3).fits, mask("1011000"))
    np.testing.assert_array_equal(line_of(kit, count=3).valid, mask("1011010"))
    assert not line_of(kit, count=6).fits.any()


@pytest.mark.parametrize(
    ("started", "done", "queue", "half", "half_s"),
    [
        ("0000000", "0000000", [5, 6], [4], [30.0]),  # nobody evaluated
        ("1000000", "0000000", [5, 6], [4], [7.0]),  # cut again
        ("1010000", "1000000", [6], [5], [7.0]),
        ("1011010", "1010010", [], [6], [7.0]),
        ("1011010", "1011000", [], [2], [7.0]),  # an unscored one is cut as any
        ("1011010", "1011010", [], [], []),
    ],
)
def test_who_waits_and_who_is_cut_after_an_hour(kit, started, done, queue, half, half_s):
    left_s = jnp.full(7, 7.0)
    got = settle(kit.sizes, line_of(kit), mask(started), mask(done), left_s)
    np.testing.assert_array_equal(got[0], kit.padded(queue, 3))
    np.testing.assert_array_equal(got[1], kit.padded(half, 2))
    np.testing.assert_array_equal(got[2], [*half_s, *[0.0] * (2 - len(half_s))])


def noting():
    """An optimiser that remembers what it was told."""

    def tell(state, genomes, objectives):
        return state[0] + 1, genomes, objectives

    none = jnp.zeros((4, 1), jnp.int32), jnp.zeros((4, 2))
    return Optimizer(lambda key: (jnp.int32(0), *none), lambda key, state: (state, none[0]), tell)


@jax.jit
def learn_of(state, ended, reference):
    return hour.learn(noting(), state, ended, reference)


def learn(state, *, observed, objectives=None, finish, done):
    genomes, rows = jnp.array([[1], [2], [3], [4]], jnp.int32), jnp.array([1, 2, 3, 4], jnp.int32)
    observed = jnp.array(observed, jnp.float32)
    true = observed if objectives is None else jnp.array(objectives, jnp.float32)
    finish, reference = jnp.array(finish, jnp.float32), jnp.array([10.0, 10.0])
    return learn_of(state, hour.Ended(genomes, rows, true, observed, finish, mask(done)), reference)


def begin(kit):
    return kit.state_of(optimizer=noting().init(jax.random.key(0)))


def test_what_ended_is_told_in_the_order_of_its_end(kit):
    state = learn(
        begin(kit), observed=[[4, 6], [0, 0], [7, 3], [9, 9]], finish=[30.0, 5.0, 10.0, 20.0], done="1011"
    )  # the second still trains, whatever stands in its row
    assert int(state.count) == 3
    np.testing.assert_array_equal(state.rows[:4], [3, 4, 1, EMPTY])
    np.testing.assert_array_equal(state.observed[:4], [[7, 3], [9, 9], [4, 6], [INF, INF]])
    np.testing.assert_array_equal(state.finish_s[:4], [10, 20, 30, INF])
    assert float(state.hypervolume) == 33  # 6 * 4 and 3 * 7, both cover 3 * 4
    calls, genomes, objectives = state.optimizer
    assert int(calls) == 1
    np.testing.assert_array_equal(genomes[:, 0], [3, 4, 1, 3])  # copies of the first fill it up
    np.testing.assert_array_equal(objectives, [[7, 3], [9, 9], [4, 6], [7, 3]])
    later = learn(state, observed=[[1, 1]] * 4, finish=[50.0, 40.0, 1.0, 1.0], done="0100")
    np.testing.assert_array_equal(later.rows[:5], [3, 4, 1, 2, EMPTY])
    assert float(later.hypervolume) == 81


def test_nothing_ended_and_nothing_is_told(kit):
    before = begin(kit)
    state = learn(before, observed=[[1, 1]] * 4, finish=[1.0] * 4, done="0000")
    jax.tree.map(np.testing.assert_array_equal, state, before)


def test_a_failed_training_is_told_as_such_and_remembered_as_useless(kit):
    state = learn(
        begin(kit),
        observed=[[NAN, 5], [8, 8], [NAN, NAN], [1, 1]],
        objectives=[[2, 2], [7, 7], [NAN, NAN], [1, 1]],  # a table knows the true values, one failed all the same
        finish=[1.0, 2.0, 3.0, 4.0],
        done="1110",
    )
    assert int(state.count) == 3
    np.testing.assert_array_equal(state.observed[:3], [[INF, INF], [8, 8], [INF, INF]])
    np.testing.assert_array_equal(state.objectives[:3], [[2, 2], [7, 7], [INF, INF]])
    told = np.asarray(state.optimizer[2])
    np.testing.assert_array_equal(np.isfinite(told).all(axis=1), [False, True, False, False])
    np.testing.assert_array_equal(told[1], [8, 8])
    assert float(state.hypervolume) == 64  # of the true values


def test_more_than_the_room_holds_is_left_out(kit):
    state = begin(kit).replace(count=jnp.int32(5))
    full = learn(state, observed=[[5, 5], [1, 1], [6, 6], [9, 9]], finish=[1.0, 2.0, 3.0, 4.0], done="1100")
    np.testing.assert_array_equal(full.rows[4:], [EMPTY, 1])
