"""The memory of a live search: what it does with proposals and results, and that it comes back from the database."""

import dataclasses
import json
import math
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.engine import hour
from jcenas.engine.observe import Budget
from jcenas.engine.queue import EMPTY
from jcenas.live import proposals as catalogue
from jcenas.live.progress import Quiet
from jcenas.live.state import Job, Outcome
from jcenas.problems import NasBench201Problem, Skeleton

BUDGET = Budget(*(jnp.float32(1.0) for _ in range(7)), devices=jnp.int32(1))


@pytest.fixture(scope="module")
def problem(kit):
    return kit.problem_of()


@pytest.fixture(scope="module")
def makers(kit, problem):
    """The engine's functions by the number of devices and the stage, compiled once."""
    made = {}

    def steps(devices=2, stage="one-shot", optimizer="random"):
        names = devices, stage, optimizer
        if names not in made:
            made[names] = kit.steps_maker(problem, devices=devices, stage=stage, optimizer=optimizer)
        return made[names]

    return steps


@pytest.fixture
def state(kit, problem, makers, database):
    return kit.state_of(database, problem, makers())


def outcome(error, cost, reason=None):
    return Outcome(error, (cost,), 10, 0.5, 1.0, 0.1, 0.2, reason)


def propose(state, at=0):
    return state.propose(hour.keys_of(state.search_key, at), float(at))


def enqueue(state, scores):
    """Score proposals by row, and rank the queue with them."""
    state.add_scores(scores, 0.0)
    rows = np.full(state.steps.sizes.proposals, EMPTY, np.int32)
    rows[: len(scores)] = list(scores)
    queue = state.steps.rank(state.search, state.catalog(), BUDGET, rows)
    state.search = state.search.replace(queue=queue)
    state.save_queue()
    return [row for row in np.asarray(queue).tolist() if row != EMPTY]


def test_proposals_are_noted_once(state, problem, database):
    rows, new = propose(state)
    assert new.sum() == len(set(rows.tolist())) >= 1
    assert state.genomes == [tuple(json.loads(r["genome"])) for r in database.rows("SELECT genome FROM proposals")]
    for row in set(rows.tolist()):
        assert problem.has(np.array([state.genomes[row]])).all()
        assert state.job(row) == Job(row, state.genomes[row])
        assert state.job(row).proposal == row + 1
    many = [propose(state, at)[0] for at in range(1, 40)]  # in the end all sixteen, each of them once
    assert len(state.genomes) == len(set(state.genomes)) <= 16
    assert set(np.concatenate(many).tolist()) <= set(range(16))


def test_from_proposal_to_front(state, database):
    rows, _ = propose(state)
    chosen = list(dict.fromkeys(rows.tolist()))[:3]
    for row in chosen:
        state.begin(state.job(row))
    assert set(state.running) == set(chosen)
    assert state.record(state.job(chosen[0]), outcome(50.0, 5.0), 0.1)
    assert state.record(state.job(chosen[1]), outcome(20.0, 8.0), 0.2)  # also on the front
    assert not state.record(state.job(chosen[2]), outcome(60.0, 9.0), 0.3)  # dominated by both
    assert state.pareto() == [chosen[1] + 1, chosen[0] + 1]
    # (50, 5) and (20, 8) before (100, 10): 50 * 5 + 30 * 2, over the table's 1000
    assert state.hypervolume() == pytest.approx(0.31)
    assert state.best_accuracy() == pytest.approx(1 - 20.0)
    assert not state.running
    assert int(state.search.count) == 0  # nothing is learnt before the end of the hour
    state.learn()
    assert int(state.search.count) == 3
    assert float(state.status().hypervolume) == pytest.approx(0.31)
    noted = database.rows("SELECT proposal, ordinal, hypervolume, told FROM evaluations ORDER BY ordinal")
    assert [tuple(row) for row in noted] == [
        (chosen[0] + 1, 1, pytest.approx(0.25), 1),
        (chosen[1] + 1, 2, pytest.approx(0.31), 1),
        (chosen[2] + 1, 3, pytest.approx(0.31), 1),
    ]


def test_a_failed_training_counts_but_teaches_nothing_wrong(state, database):
    rows, _ = propose(state)
    job = state.job(int(rows[0]))
    state.begin(job)
    assert not state.record(job, outcome(math.nan, math.nan, "loss nan after 4 steps"), 0.1)
    assert (state.failed, state.evaluations, state.hypervolume(), state.best_accuracy()) == (1, 0, 0.0, None)
    row = database.rows("SELECT status, validation_error, costs, reason FROM evaluations")[0]
    assert tuple(row) == ("failed", None, None, "loss nan after 4 steps")
    state.learn()
    assert int(state.search.count) == 1
    assert not np.isfinite(state.search.observed[0]).any()
    _, new = propose(state, 1)
    assert not new[np.asarray(propose(state, 1)[0]) == job.row].any()  # it is not tried again


def test_scores_order_the_queue_and_the_worst_is_dropped(kit, problem, database):
    steps = kit.steps_maker(problem, proposals=16)
    state = kit.state_of(database, problem, steps)
    propose(state)
    known = dict(enumerate(problem.scores("one-shot", np.array(state.genomes)).tolist()))
    assert len(known) > 6
    waiting = enqueue(state, dict(list(known.items())[:6]))
    assert (state.queued, state.scored) == (6, 6)
    costs = problem.costs(np.array(state.genomes))[:, 0]
    first = waiting[0]
    assert not any(known[row] <= known[first] and costs[row] < costs[first] for row in waiting)
    places = database.rows("SELECT id FROM proposals WHERE status = 'queued' ORDER BY place")
    assert [row["id"] - 1 for row in places] == waiting
    scores = database.rows("SELECT proposal, score, error FROM scores")
    assert {row["proposal"] - 1: row["error"] for row in scores} == pytest.approx({row: known[row] for row in waiting})
    state.search = state.search.replace(queue=state.search.queue.at[1:].set(EMPTY))
    state.save_queue()
    assert database.value("SELECT COUNT(*) FROM proposals WHERE status = 'dropped'") == 5


def test_a_training_free_score_is_no_error(kit, problem, makers, database):
    state = kit.state_of(database, problem, makers(stage="zero-shot:synflow"))
    rows, _ = propose(state)
    state.add_scores({int(rows[0]): 7.5}, 0.25)
    assert tuple(database.rows("SELECT score, error, hour FROM scores")[0]) == (7.5, None, 0.25)
    estimate = np.asarray(state.catalog().estimate)
    assert estimate[rows[0]] == -7.5  # larger is better
    state.add_scores({int(rows[0]): math.nan}, 0.5)
    assert np.isinf(state.catalog().estimate[rows[0]])
    assert database.value("SELECT score FROM scores") is None


def test_the_catalogue_doubles(kit, problem, makers, database, monkeypatch):
    monkeypatch.setattr(catalogue, "FIRST_ROWS", 2)
    state = kit.state_of(database, problem, makers())
    first, _ = propose(state)
    state.add_scores({int(first[0]): 5.0}, 0.0)
    for at in range(1, 12):
        propose(state, at)
    assert len(state.genomes) > 4
    assert state.proposals.length >= len(state.genomes)
    assert state.search.scored.shape == (state.proposals.length,)
    np.testing.assert_array_equal(np.flatnonzero(state.search.scored), [first[0]])
    catalog = state.catalog()
    np.testing.assert_array_equal(catalog.genomes[: len(state.genomes)], state.genomes)
    np.testing.assert_allclose(
        catalog.costs[: len(state.genomes), 0], problem.costs(np.array(state.genomes))[:, 0], rtol=1e-6
    )
    assert len(database.rows("SELECT id FROM proposals")) == len(state.genomes)


# What comes back.

PARTS = ("optimizer", "rows", "objectives", "observed", "finish_s", "count", "queue", "half", "scored", "hypervolume")


def check_equal(again, state):
    """All that decides what comes next, bit by bit."""
    for name in PARTS:
        ours, theirs = getattr(again.search, name), getattr(state.search, name)
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert again.genomes == state.genomes
    assert (again.evaluations, again.failed, again.untold) == (state.evaluations, state.failed, state.untold)
    assert (again.queued, again.halfway, again.scored) == (state.queued, state.halfway, state.scored)
    assert again.hypervolume() == state.hypervolume()
    np.testing.assert_array_equal(again.proposals.scores, state.proposals.scores)
    for ours, theirs in zip(propose(again, 99), propose(state, 99), strict=True):  # and nothing else does
        np.testing.assert_array_equal(ours, theirs)


class StopAtHour(Quiet):
    def __init__(self, hour):
        self.hour, self.stop = hour, threading.Event()

    def update(self, progress):
        if progress.hour >= self.hour:
            self.stop.set()


def run_until(kit, database, state, stop_at, *, hours=12, **choices):
    watcher = StopAtHour(stop_at)
    values = 300 + 200 * np.sin(np.arange(hours))
    return kit.loop_of(database, state, values, stop=watcher.stop, observer=watcher, **choices).run()


@pytest.mark.parametrize(
    ("stage", "optimizer"), [("one-shot", "nsga2"), ("zero-shot:synflow", "random"), ("none", "random")]
)
def test_everything_is_rebuilt_from_the_database(kit, problem, makers, database, stage, optimizer):
    state = kit.state_of(database, problem, makers(2, stage, optimizer), room=64)
    assert run_until(kit, database, state, 3) == "interrupted"
    assert state.evaluations >= 3
    again = kit.state_of(database, problem, makers(2, stage, optimizer), room=64)
    assert database.value("SELECT COUNT(DISTINCT told) FROM evaluations") >= 2
    check_equal(again, state)


def test_cut_trainings_come_back_in_their_order(kit, problem, makers, database):
    state = kit.state_of(database, problem, makers())
    for at in range(6):
        propose(state, at)
    half = jnp.array([4, 1], jnp.int32)
    for row in (4, 1):
        state.begin(state.job(row))
        state.cut(state.job(row))
    state.search = state.search.replace(half=half)
    state.save_queue()
    assert (state.halfway, state.running) == (2, {})
    again = kit.state_of(database, problem, makers())
    np.testing.assert_array_equal(again.search.half, half)
    seconds = problem.seconds(np.array(state.genomes))
    np.testing.assert_allclose(again.search.half_s, seconds[[4, 1]], rtol=1e-6)  # as if it had to begin anew


def test_what_was_in_flight_when_the_process_was_killed_is_cut(kit, problem, makers, database):
    state = kit.state_of(database, problem, makers())
    propose(state)
    enqueue(state, {0: 5.0, 1: 7.0})
    first = int(state.search.queue[0])
    state.begin(state.job(first))
    again = kit.state_of(database, problem, makers())
    np.testing.assert_array_equal(again.search.half, [first, EMPTY])
    assert again.queued == 1
    assert first not in np.asarray(again.search.queue)


def test_fewer_devices_lose_no_cut_training(kit, problem, makers, database):
    state = kit.state_of(database, problem, makers())
    for at in range(6):
        propose(state, at)
    waiting = enqueue(state, {2: 5.0, 3: 7.0})
    state.search = state.search.replace(half=jnp.array([4, 1], jnp.int32))
    state.save_queue()
    one = kit.state_of(database, problem, makers(devices=1))
    np.testing.assert_array_equal(one.search.half, [4])
    assert np.asarray(one.search.queue)[:3].tolist() == [1, *waiting]
    three = kit.state_of(database, problem, makers(devices=3))
    np.testing.assert_array_equal(three.search.half, [4, 1, EMPTY])


def test_the_same_groups_on_fewer_devices(kit, problem, makers, database):
    """An hour in which more ended than one device can be told of at once."""
    state = kit.state_of(database, problem, makers(), room=64)
    run_until(kit, database, state, 4)
    rows = [row["proposal"] for row in database.rows("SELECT proposal FROM evaluations")]
    assert len(rows) >= 4
    database.execute("UPDATE evaluations SET told = 1")
    steps = makers(devices=1)(64)
    kept, steps.jobs = steps.jobs, 3
    try:
        again = kit.state_of(database, problem, makers(devices=1), room=64)
    finally:
        steps.jobs = kept
    assert int(again.search.count) == len(rows)
    assert sorted(np.asarray(again.search.rows)[: len(rows)] + 1) == sorted(rows)


def test_growing_keeps_everything(kit, problem, makers, database):
    state = kit.state_of(database, problem, makers(), room=64)
    run_until(kit, database, state, 4)
    before, sizes = state.search, state.steps.sizes
    state.grow()
    assert state.steps.sizes is sizes  # there is room for an hour's
    state.steps.jobs, kept = 64, state.steps.jobs
    state.grow()
    makers()(64).jobs = kept
    assert state.steps.sizes.room == 128
    count = int(before.count)
    assert int(state.search.count) == count >= 3
    for name in ("rows", "objectives", "observed", "finish_s"):
        now, then = np.asarray(getattr(state.search, name)), np.asarray(getattr(before, name))
        np.testing.assert_array_equal(now[:64], then)
        assert len(now) == 128
    for name in ("queue", "half", "scored", "hypervolume"):
        np.testing.assert_array_equal(getattr(state.search, name), getattr(before, name))


def test_a_search_that_outgrows_its_room_goes_on(kit, problem, database):
    steps = kit.steps_maker(problem, stage="none", proposals=4, policy="evaluate-all")
    state = kit.state_of(database, problem, steps, room=8)
    sizes = state.steps.sizes
    assert run_until(kit, database, state, 99, hours=10) == "time"
    assert state.steps.sizes.room > sizes.room
    assert state.evaluations == int(state.search.count) == len(set(np.asarray(state.search.rows)[: state.evaluations]))
    again = kit.state_of(database, problem, steps, room=8)
    assert again.evaluations == state.evaluations


def test_cells_that_are_trained_for_real(kit, database):
    """The same memory on the problem of the live search: what cannot pass a signal is never proposed."""
    skeleton = Skeleton(image_size=8, image_channels=1, classes=10, channels=4, cells=1)
    cells = NasBench201Problem(skeleton=skeleton)
    cells = dataclasses.replace(cells, reference=cells.reference_point(0.9))
    steps = kit.steps_maker(cells, optimizer="random", stage="predictor", proposals=16)
    state = kit.state_of(database, cells, steps, room=16)
    rows, new = propose(state)
    assert new.sum() == len(set(rows.tolist()))
    assert cells.has(np.array([state.genomes[row] for row in rows[new]])).all()
    state.add_scores({int(row): float(place) for place, row in enumerate(rows[new])}, 0.0)
    catalog = state.catalog()
    assert catalog.inputs.scores.shape == (state.proposals.length, 2)  # synflow and multiply-adds
    known = np.asarray(catalog.inputs.scores)[rows[new], 0]
    assert (np.diff(known) > 0).all()  # the scores' order
    state.record(state.job(int(rows[0])), outcome(0.25, cells.reference[1] / 2), 0.5)
    assert state.hypervolume() == pytest.approx((1 - 0.25 / 0.9) / 2, rel=1e-5)
    state.learn()
    again = kit.state_of(database, cells, steps, room=16)
    check_equal(again, state)


def test_two_costs_are_kept_by_name_and_come_back(kit, database):
    problem = kit.problem_of(costs=("cost", "area"))
    steps = kit.steps_maker(problem)
    state = kit.state_of(database, problem, steps)
    rows = list(dict.fromkeys(propose(state)[0].tolist()))[:2]
    state.add_scores({rows[0]: 5.0}, 0.0)
    for place, (row, costs) in enumerate(zip(rows, [(3.0, 4.0), (2.0, 5.0)], strict=True)):
        job = state.job(row)
        state.begin(job)
        state.record(job, Outcome(20.0, costs, 10, 0.5, 1.0, 0.1, 0.2), 0.1 * (place + 1))
    state.learn()
    assert [json.loads(r["costs"]) for r in database.rows("SELECT costs FROM evaluations ORDER BY ordinal")] == [
        {"cost": 3.0, "area": 4.0},
        {"cost": 2.0, "area": 5.0},
    ]
    expected = problem.costs(np.array([state.genomes[rows[0]]]))[0]
    kept = json.loads(database.value("SELECT costs FROM scores"))
    assert kept == {"cost": expected[0], "area": expected[1]}
    volume = 80 * (7 * 2 + 1 * 1)  # 100 - 20 errors; costs from (3, 4) and (2, 5) to (10, 6)
    assert state.hypervolume() == pytest.approx(volume / 1000.0, rel=1e-5)
    again = kit.state_of(database, problem, steps)
    assert again.done == state.done
    assert sorted(again.pareto()) == sorted(row + 1 for row in rows)  # each is cheaper in one of the costs
    np.testing.assert_array_equal(again.search.objectives, state.search.objectives)
