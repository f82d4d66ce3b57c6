import math

import jax
import numpy as np
import pytest

from jcenas.live.database import RunDatabase
from jcenas.live.state import Outcome, SearchState
from jcenas.moo import Optimizer, random_search
from jcenas.spaces import NasBench201


def make_optimizer(capacity):
    return Optimizer(*map(jax.jit, random_search(NasBench201(connected_only=True), capacity=capacity, batch=4)))


@pytest.fixture
def database(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    yield database
    database.close()


def state_of(database):
    return SearchState(database, make_optimizer, reference=(1.0, 10.0), queue=5, batch=4, seed=0)


def score(state, batch, errors):
    state.score(batch, np.array(errors), np.arange(1.0, 1 + len(batch)))


def outcome(error, cost, reason=None):
    return Outcome(error, cost, 10, 0.5, 1.0, 0.1, 0.2, reason)


def test_from_proposal_to_front(database):
    state = state_of(database)
    batch = state.propose(0.0)
    assert len({p.genome for p in batch}) == 4
    score(state, batch, [0.4, 0.3, 0.2, 0.1])
    jobs = [state.next_training() for _ in range(3)]
    assert state.finish(jobs[0], outcome(0.5, 5.0), 0.1)
    assert state.finish(jobs[1], outcome(0.2, 8.0), 0.2)  # also on the front
    assert not state.finish(jobs[2], outcome(0.6, 9.0), 0.3)  # dominated by both
    assert state.pareto() == [jobs[1].proposal, jobs[0].proposal]
    # normalised: (0.5, 0.5) and (0.2, 0.8) in the unit box: 0.5 * 0.5 + 0.3 * 0.2
    assert state.hypervolume() == pytest.approx(0.31)
    assert state.best_accuracy() == pytest.approx(0.8)


def test_a_failed_training_counts_but_teaches_nothing_wrong(database):
    state = state_of(database)
    score(state, state.propose(0.0), [0.1, 0.2, 0.3, 0.4])
    job = state.next_training()
    assert not state.finish(job, outcome(math.nan, math.nan, "loss nan after 4 steps"), 0.1)
    assert (state.failed, state.evaluations, state.hypervolume()) == (1, 0, 0.0)
    row = database.rows("SELECT status, validation_error, reason FROM evaluations")[0]
    assert tuple(row) == ("failed", None, "loss nan after 4 steps")


def test_everything_is_rebuilt_from_the_database(database):
    state = state_of(database)
    score(state, state.propose(0.0), [0.4, 0.3, 0.2, 0.1])
    score(state, state.propose(0.1), [0.5, 0.6, 0.05, 0.7])  # three fall out of the queue of five
    unscored = state.propose(0.2)
    done, failed, cut = (state.next_training() for _ in range(3))
    state.finish(done, outcome(0.5, 5.0), 0.3)
    state.finish(failed, outcome(math.nan, math.nan, "diverged"), 0.4)
    again = state_of(database)
    assert again.unscored == unscored
    assert again.halfway == [cut]
    assert again.queue.waiting == state.queue.waiting
    assert (again.evaluations, again.failed, again.scored, again.started) == (1, 1, 8, 3)
    assert again.hypervolume() == state.hypervolume()
    assert again.propose(0.5) == unscored  # scored first, not proposed anew
    seen = {tuple(map(int, r["genome"].strip("[]").split(","))) for r in database.rows("SELECT genome FROM proposals")}
    fresh = again.propose(0.6)
    assert not seen & {p.genome for p in fresh}
    assert [p.genome for p in fresh] == [p.genome for p in state.propose(0.6)]  # the optimiser lived the same life


def test_cut_trainings_go_first_and_the_bounded_queue_drops_the_worst(database):
    state = state_of(database)
    score(state, state.propose(0.0), [0.4, 0.3, 0.2, 0.1])
    score(state, state.propose(0.1), [0.9, 0.9, 0.9, 0.05])
    assert len(state.queue) == 5
    assert database.value("SELECT COUNT(*) FROM proposals WHERE status = 'dropped'") == 3
    first = state.next_training()
    state.cut(first)
    assert state.next_training() == first


def test_the_memory_grows_with_the_search(database, monkeypatch):
    monkeypatch.setattr("jcenas.live.state._FIRST_CAPACITY", 8)
    state = state_of(database)
    genomes = [p.genome for i in range(6) for p in state.propose(i)]
    assert len(set(genomes)) == len(genomes) == 24
