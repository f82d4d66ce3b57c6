"""The predictor by hand and against an oracle: a plain Gaussian process."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jcenas.engine import predictor, process
from jcenas.engine.candidates import Candidates, Evaluated, Goal, Inputs, Moment
from jcenas.moo.kernels import squared_distances
from jcenas.sim.inputs import inputs_of
from jcenas.spaces import NasBench201
from jcenas.tables.table import Table
from jcenas.tables.toy import toy

LINE = Inputs(jnp.linspace(-2, 2, 12)[:, None], 0.7 * jnp.eye(12))


def test_failures_by_hand():
    errors = jnp.array([8.0, 6.0, 30.0, 7.0, 10.0, 999.0])  # lower quartile 7
    np.testing.assert_array_equal(
        predictor.failed(errors, jnp.arange(6) < 5), [False, False, True, False, False, False]
    )


by_improvement = jax.jit(predictor.by_improvement, static_argnums=3)


def candidates_of(inputs, cost, seconds=None):
    k = inputs.scores.shape[0]
    seconds = jnp.ones(k) if seconds is None else seconds
    return Candidates(inputs, cost[:, None], jnp.zeros(k), seconds, jnp.ones(k, bool))


NOBODY = Inputs(jnp.zeros((0, 1)), jnp.zeros((0, 12)))


def moment_of(reference, left=1.0, pending=None):
    nobody = candidates_of(NOBODY, jnp.zeros(0)) if len(reference) == 2 else None
    if nobody is None:
        none = jnp.zeros(0)
        nobody = Candidates(NOBODY, jnp.zeros((0, len(reference) - 1)), none, none, jnp.zeros(0, bool))
    return Moment(Goal(jnp.asarray(reference), jnp.float32(left)), nobody if pending is None else pending)


def ask(errors, told, n=3, asked=LINE, seconds=None, **moment):
    seen = jnp.stack([jnp.asarray(errors, jnp.float32), jnp.full(len(errors), 5.0)], axis=1)
    candidates = candidates_of(asked, jnp.full(asked.scores.shape[0], 4.0), seconds)
    return by_improvement(Evaluated(LINE, seen, jnp.asarray(told)), candidates, moment_of([100.0, 10.0], **moment), n)


def test_picks_are_distinct_follow_the_trend_and_time():
    errors = 20.0 - jnp.arange(12.0)  # the last is the best
    picks, counts = ask(errors, np.ones(12, bool))
    assert len(set(picks.tolist())) == 3
    assert counts.all()
    half = Inputs(jnp.array([[-2.0], [2.1], [2.1]]), 0.7 * jnp.eye(12)[:3])
    first = ask(errors, np.ones(12, bool), 1, half, seconds=jnp.array([1.0, 1.0, 1.0]))[0]
    assert int(first[0]) in (1, 2)  # where the trend says that errors are small
    dear = ask(errors, np.ones(12, bool), 1, half, seconds=jnp.array([1.0, 100.0, 1.0]))[0]
    assert int(dear[0]) != 1
    last = ask(errors, np.ones(12, bool), 1, half, seconds=jnp.array([1.0, 100.0, 100.0]), left=0.0)[0]
    assert int(last[0]) in (1, 2)  # at the end of the budget nobody asks what a training takes
    picks, _ = ask(errors, np.arange(12) < predictor.START - 1)
    np.testing.assert_array_equal(picks, [0, 1, 2])  # too few evaluations: in the order of the proposals


def test_what_failed_is_set_aside_and_not_repeated():
    errors = (20.0 - jnp.arange(12.0)).at[6].set(90.0)
    clean, _ = ask(errors, np.arange(12) != 6, n=4)
    assert 6 in clean  # nobody has trained it
    picks, counts = ask(errors, np.ones(12, bool), n=4)
    assert 6 not in picks
    assert counts.all()
    only = Inputs(LINE.scores[6:7], LINE.computes[6:7])
    _, counts = ask(errors, np.ones(12, bool), 1, only)
    assert not counts[0]


def test_more_evaluations_than_the_process_holds(monkeypatch):
    errors = 20.0 - jnp.arange(12.0)
    monkeypatch.setattr(predictor, "ROOM", 11)
    fresh = jax.jit(lambda *arguments: predictor.by_improvement(*arguments), static_argnums=3)
    monkeypatch.setitem(globals(), "by_improvement", fresh)  # not the one compiled before
    picks, counts = ask(errors, np.ones(12, bool))
    assert counts.all()
    assert len(set(picks.tolist())) == 3


def test_the_front_is_whole_and_without_copies(monkeypatch):
    seen = jnp.stack([jnp.arange(12.0), 12.0 - jnp.arange(12.0)], axis=1).at[5].set(jnp.array([4.0, 8.0]))
    best = predictor.on_front(seen, jnp.arange(12) != 7)
    np.testing.assert_array_equal(best, ~np.isin(np.arange(12), [5, 7]))  # row 5 is a copy of row 4
    front = predictor.front_of(seen, best, 12)
    np.testing.assert_array_equal(front.points[front.known, 0], [0, 1, 2, 3, 4, 6, 8, 9, 10, 11])
    args = (Evaluated(LINE, seen, jnp.ones(12, bool)), candidates_of(LINE, seen[:, 1] - 0.5))
    wanted = by_improvement(*args, moment_of([20.0, 20.0]), 3)
    monkeypatch.setattr(predictor, "FRONT", 4)  # fewer places than the front has points
    fresh = jax.jit(lambda *arguments: predictor.by_improvement(*arguments, 3))  # not the one compiled before
    jax.tree.map(np.testing.assert_array_equal, fresh(*args, moment_of([20.0, 20.0])), wanted)


@pytest.mark.parametrize("m", [3, 4])
def test_picks_with_several_costs_prefer_what_is_cheaper_in_any_of_them(m):
    errors = 20.0 - jnp.arange(12.0)
    seen = jnp.concatenate([errors[:, None], jnp.full((12, m - 1), 5.0)], axis=1)
    alike = Inputs(jnp.full((4, 1), 2.1), 0.7 * jnp.eye(12)[:4])
    costs = jnp.full((4, m - 1), 5.0).at[1, m - 2].set(2.0).at[3, 0].set(9.9)
    candidates = Candidates(alike, costs, jnp.zeros(4), jnp.ones(4), jnp.ones(4, bool))
    moment = moment_of([100.0, *[10.0] * (m - 1)])
    picks, counts = by_improvement(Evaluated(LINE, seen, jnp.ones(12, bool)), candidates, moment, 4)
    assert counts.all()
    assert sorted(picks.tolist()) == [0, 1, 2, 3]
    assert picks[0] == 1
    assert picks[3] == 3


def test_what_the_process_knows_nothing_of_is_never_picked():
    broken = Inputs(LINE.scores.at[3].set(jnp.nan), LINE.computes)
    picks, counts = ask(20.0 - jnp.arange(12.0), np.ones(12, bool), n=5, asked=broken)
    assert 3 not in picks
    assert counts.all()


def test_what_trains_already_counts_as_picked():
    errors, told = 20.0 - jnp.arange(12.0), np.ones(12, bool)
    twin = Inputs(jnp.array([[2.2], [1.0]]), 0.7 * jnp.eye(12)[:2])  # one follows the trend, the other less so
    first, _ = ask(errors, told, 1, twin)
    assert int(first[0]) == 0
    trains = candidates_of(Inputs(twin.scores[:1], twin.computes[:1]), jnp.full(1, 4.0))
    same = Inputs(jnp.array([[2.2], [2.2]]), 0.7 * jnp.eye(12)[:2])
    now, counts = ask(errors, told, 2, same, pending=trains)
    assert int(now[0]) == 1  # of two that the scores call equal, the one of which nothing trains that is like it
    assert counts.all()
    nobody = trains._replace(mask=jnp.zeros(1, bool))
    assert int(ask(errors, told, 1, twin, pending=nobody)[0][0]) == 0


def test_where_the_process_ranks_nothing_the_optimisers_order_stays(rng):
    n = 80
    inputs = Inputs(jnp.asarray(rng.normal(size=(n, 1)), jnp.float32), jnp.asarray(0.7 * np.eye(n), jnp.float32))
    mask, order = jnp.ones(n, bool), jnp.arange(n)
    lawful = 20 + 5 * inputs.scores[:, 0]
    assert predictor.holds(process.condition(inputs, lawful, mask), order)
    # What was true of the first evaluations is the opposite for the last ones.
    turned = jnp.where(order < 16, lawful, 40 - lawful)
    few = process.condition(inputs, turned, order < 16)
    assert predictor.holds(few, order)  # sixteen say nothing
    known = process.condition(inputs, jnp.asarray(rng.permutation(np.asarray(lawful))), mask, process.usual())
    assert not predictor.holds(known, order)  # no law at all
    seen = jnp.stack([jnp.asarray(rng.permutation(np.asarray(lawful))), jnp.full(n, 5.0)], axis=1)
    candidates = candidates_of(inputs.at(order[:9]), jnp.full(9, 4.0))
    nobody = candidates_of(Inputs(jnp.zeros((0, 1)), jnp.zeros((0, n))), jnp.zeros(0))
    chosen, _ = by_improvement(Evaluated(inputs, seen, mask), candidates, moment_of([100.0, 10.0], pending=nobody), 3)
    np.testing.assert_array_equal(chosen, [0, 1, 2])


def test_half_of_what_is_held_are_the_least_dominated_and_the_rest_is_spread(monkeypatch):
    monkeypatch.setattr(predictor, "ROOM", 8)
    line = jnp.arange(24.0)
    seen = jnp.stack([line, line], axis=1)  # each is dominated by all before it
    held = np.asarray(predictor._held(seen, jnp.arange(24) < 20))
    assert held[:4].tolist() == [0, 1, 2, 3]
    assert held[4:].tolist() == [4, 8, 12, 16]
    assert predictor._held(seen[:8], jnp.ones(8, bool)).tolist() == list(range(8))


def test_inputs_of_tables():
    table = toy()
    inputs = inputs_of(table)
    assert inputs.scores.shape == (table.size, 0)
    twins = jnp.array([[2, 0, 0, 0, 1, 0], [1, 0, 0, 0, 2, 0], [3, 0, 0, 0, 1, 0]])  # 1x1 then skip, skip then 1x1, 3x3
    rows = table.rows(twins)
    apart = squared_distances(inputs.computes[rows], inputs.computes[rows])
    assert float(apart[0, 1]) < predictor.SAME < float(apart[0, 2])
    frame = pd.DataFrame({"a": [0, 0, 1], "b": [0, 1, 0], "log_synflow": [1.0, 1e9, 3.0], "params": [1.0, 1.0, 5.0]})
    inputs = inputs_of(Table.from_frame(frame, genome=["a", "b"]))
    assert inputs.scores.shape == (3, 2)
    np.testing.assert_allclose(inputs.scores.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(jnp.argsort(inputs.scores[:, 0]), [0, 2, 1])
    assert float(inputs.scores[0, 1]) == float(inputs.scores[1, 1])
    np.testing.assert_allclose(squared_distances(inputs.computes, inputs.computes)[0, 1], 0.98, rtol=1e-5)


@pytest.mark.data
def test_the_score_of_the_measured_table():
    from jcenas.tables.measured import nasbench201

    table = nasbench201()
    assert isinstance(table.space, NasBench201)
    assert inputs_of(table).scores.shape == (15_625, 2)
    ranks = pd.DataFrame({name: np.asarray(table.column(name)) for name in ("log_synflow", "error")}).rank()
    assert ranks.corr().iloc[0, 1] < -0.7
