"""The live loop on a clock that jumps: what it tells policies, what it records, and what ends it."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.learned import DEFAULT
from jcenas.alloc.policies import policy_from_name
from jcenas.engine.hour import keys_of
from jcenas.engine.observe import observe
from jcenas.live.executors.virtual import Costs
from jcenas.live.progress import Quiet

DAY = np.array([500.0] * 8 + [100.0] * 8 + [500.0] * 8)  # clear clean and dirty hours
ALL_CLEAN_G = 8 * 100 * 3.6  # what the device emits if it trains in all clean hours


@pytest.fixture(scope="module")
def problem(kit):
    return kit.problem_of()


def hours_of(database):
    return [dict(row) for row in database.rows("SELECT * FROM hours ORDER BY hour")]


@pytest.fixture(params=["plan:0.3", "pace:0.5", "ppo", "FILE.npz"])
def policy(request, tmp_path):
    if request.param != "FILE.npz":
        return request.param
    (tmp_path / "mine.npz").write_bytes(DEFAULT.read_bytes())
    return str(tmp_path / "mine.npz")


def test_a_policy_that_plans_sees_the_forecast_and_waits_for_clean_hours(kit, problem, database, policy, monkeypatch):
    steps = kit.steps_maker(problem, stage="none", devices=1, policy=policy)
    state = kit.state_of(database, problem, steps, room=64)
    seen = []
    act = state.steps.act

    def spy(key, params, status, outlook, budget):
        seen.append((key, status, outlook, budget))
        return act(key, params, status, outlook, budget)

    monkeypatch.setattr(state.steps, "act", spy)
    grid, budget_g = kit.grid_of(DAY, before=np.tile(DAY, 7)), 2 * ALL_CLEAN_G
    loop = kit.loop_of(database, state, grid, devices=1, costs=Costs(), forecast="model", carbon_budget_g=budget_g)
    assert loop.run() in {"time", "carbon budget"}
    hours = hours_of(database)
    named = policy_from_name(policy)
    params, apply, told = named.init_params(jax.random.key(0)), jax.jit(named.apply), jax.jit(observe)
    spent = np.concatenate([[0.0], np.cumsum([hour["emissions_g"] for hour in hours])])
    before = [{"queued": 0, "halfway": 0, "evaluations": 0, "hypervolume": 0.0}, *hours]
    for hour, (key, status, outlook, budget) in enumerate(seen):
        # What it was told is what the grid, the books and the record of the hour before say.
        np.testing.assert_array_equal(outlook.forecast, grid.forecast("model", hour))
        np.testing.assert_array_equal(outlook.past, [*DAY, *DAY][hour : hour + 24])
        assert outlook.past_known.all()
        assert np.isnan(outlook.future).all()
        assert outlook.future.shape == (24,)
        observation = told(status, outlook, budget)
        assert float(observation.intensity_now) == DAY[hour]
        assert float(observation.hours_left) == 24 - hour
        assert float(observation.affordable) == pytest.approx((budget_g - spent[hour]) / 3.6, rel=1e-5)
        assert float(observation.carbon_left) == pytest.approx(1 - spent[hour] / budget_g, abs=1e-5)
        assert float(observation.idle_share) == pytest.approx(0.1)
        past = before[hour]
        assert (int(status.queued), int(status.half_finished)) == (past["queued"], past["halfway"])
        assert int(status.evaluations) == past["evaluations"]
        assert float(status.hypervolume) == pytest.approx(past["hypervolume"], rel=1e-5)
        expected = keys_of(state.search_key, hour).act
        np.testing.assert_array_equal(jax.random.key_data(key), jax.random.key_data(expected))
        # And what was recorded is what the policy, asked in the same way as in the simulator, answers.
        share = float(apply(key, params, observation))
        assert hours[hour]["evaluation_share"] == pytest.approx(share, abs=1e-6)
    shares = np.array([hour["evaluation_share"] for hour in hours])
    clean = DAY[: len(hours)] == 100
    assert shares[clean].mean() - shares[~clean].mean() > 0


def test_the_record_of_an_hour_by_hand(kit, problem, database):
    """Two devices, one in each role: a supernet of half an hour, then twenty minutes of scores."""
    steps = kit.steps_maker(problem, policy="static:0.5")
    state = kit.state_of(database, problem, steps)
    costs = Costs(prepare_s=3600.0, score_s=1200.0, switch_s=0.0)
    assert kit.loop_of(database, state, [100.0], costs=costs, train_unscored=False).run() == "time"
    (hour,) = hours_of(database)
    assert (hour["time_utc"], hour["intensity_g_per_kwh"]) == ("2023-06-01T12:00:00Z", 100.0)
    assert (hour["evaluation_share"], hour["evaluating"]) == (0.5, 1)
    assert (hour["evaluations"], hour["queued"], hour["halfway"]) == (0, 1, 0)  # nobody waited when the hour began
    seconds = {name: hour[f"{name}_s"] for name in ("training", "scoring", "idle", "switching", "compiling")}
    assert seconds == pytest.approx(
        {"training": 3600.0, "scoring": 1200.0, "idle": 1800.0 + 600.0, "switching": 0.0, "compiling": 0.0}
    )
    assert hour["energy_kwh"] == pytest.approx(3.6 + 1.8 / 3 + 0.36 * 2 / 3)
    assert hour["emissions_g"] == pytest.approx(100 * (3.6 + 1.8 / 3 + 0.36 * 2 / 3))
    assert database.get_meta("status") == "running"


class Stop(Quiet):
    """Stops at the n-th report."""

    def __init__(self, n):
        self.left, self.event = n, threading.Event()

    def update(self, progress):
        self.left -= 1
        if self.left <= 0:
            self.event.set()


def test_hours_and_what_was_found_are_the_same_with_and_without_interruptions(kit, problem, database, tmp_path):
    values = 300 + 200 * np.sin(np.arange(10))
    steps = kit.steps_maker(problem, stage="zero-shot:synflow", policy="heuristic")
    whole = kit.state_of(database, problem, steps, room=64)
    assert kit.loop_of(database, whole, values, costs=Costs(score_s=60.0)).run() == "time"
    other = type(database)(tmp_path / "other.db", create=True)
    ended, runs = "interrupted", 0
    while ended == "interrupted":
        watcher, runs = Stop(3), runs + 1
        state = kit.state_of(other, problem, steps, room=64)
        parts = {"costs": Costs(score_s=60.0), "stop": watcher.event, "observer": watcher}
        ended = kit.loop_of(other, state, values, **parts).run()
    assert runs >= 3
    assert ended == "time"
    hours, again = hours_of(database), hours_of(other)
    assert [row["hour"] for row in again] == list(range(10))
    for name in ("evaluation_share", "evaluating"):  # the heuristic looks at nothing but the grid
        assert [row[name] for row in again] == [row[name] for row in hours]
    for each in (database, other):
        by_interval = each.value("SELECT SUM(emissions_g) FROM intervals")
        assert each.value("SELECT SUM(emissions_g) FROM hours") == pytest.approx(by_interval, rel=1e-9)
        told = each.value("SELECT COUNT(*) FROM evaluations WHERE told IS NOT NULL")
        assert told == each.value("SELECT COUNT(*) FROM evaluations") >= 8
    other.close()


class Killed(BaseException):
    pass


def test_hours_that_a_killed_job_crossed_have_the_share_that_was_decided_before_it(kit, problem, database):
    steps = kit.steps_maker(problem, devices=1, policy="static:0.75")
    state = kit.state_of(database, problem, steps)
    loop = kit.loop_of(database, state, [300.0] * 8, devices=1)
    work = loop.executor.work

    def crosses(plan):
        if plan.begin >= 2:
            loop.ledger.spend(0, "training", "candidate", 2.5 * 3600, 1)
            raise Killed
        return work(plan)

    loop.executor.work = crosses
    with pytest.raises(Killed):
        loop.run()
    assert len(hours_of(database)) == 2
    steps = kit.steps_maker(problem, devices=1, policy="static:0.25")
    again = kit.loop_of(database, kit.state_of(database, problem, steps), [300.0] * 8, devices=1)
    assert again.run() == "time"
    assert [row["evaluation_share"] for row in hours_of(database)] == [0.75] * 4 + [0.25] * 4


def test_a_number_of_evaluations_ends_it_and_begins_no_more(kit, problem, database):
    steps = kit.steps_maker(problem, stage="none", policy="evaluate-all")
    state = kit.state_of(database, problem, steps, room=64)
    assert kit.loop_of(database, state, [100.0] * 9, evaluations=3).run() == "evaluations"
    assert state.evaluations == 3
    assert database.value("SELECT COUNT(DISTINCT proposal) FROM intervals WHERE proposal IS NOT NULL") == 3


def test_unscored_proposals_are_trained_only_where_that_is_allowed(kit, problem, database):
    steps = kit.steps_maker(problem, policy="static:0.5")
    state = kit.state_of(database, problem, steps)
    kit.loop_of(database, state, [100.0], costs=Costs(score_s=600.0)).run()
    first = database.rows("SELECT MIN(start_hour) FROM intervals WHERE proposal IS NOT NULL")[0][0]
    assert first == 0.0  # nobody waited, and the evaluating device trained all the same


def test_what_is_charged_behind_the_last_hour_belongs_to_it(kit, problem, database):
    steps = kit.steps_maker(problem, stage="none", policy="evaluate-all")
    state = kit.state_of(database, problem, steps, room=64)
    loop = kit.loop_of(database, state, [100.0, 200.0])
    assert loop.run() == "time"
    before = hours_of(database)
    loop.ledger.standing(0, "scoring", "test", 100.0)  # the clock stands at the border behind the run
    loop.record_last_hours()
    first, last = hours_of(database)
    assert first == before[0]
    assert last["scoring_s"] == pytest.approx(before[1]["scoring_s"] + 100.0)
    assert last["emissions_g"] == pytest.approx(before[1]["emissions_g"] + 0.05 * 200)
    by_interval = database.value("SELECT SUM(energy_kwh) FROM intervals")
    assert first["energy_kwh"] + last["energy_kwh"] == pytest.approx(by_interval)


def test_a_run_of_two_devices_goes_on_with_one_and_with_three(kit, problem, database):
    values = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    choices = {"stage": "none", "policy": "evaluate-all"}
    two = kit.state_of(database, problem, kit.steps_maker(problem, **choices), room=64)
    watcher = Stop(2)  # at the begin of the second hour
    stopped = {"stop": watcher.event, "observer": watcher}
    assert kit.loop_of(database, two, values, costs=Costs(), **stopped).run() == "interrupted"
    known = set(two.done)
    one = kit.state_of(database, problem, kit.steps_maker(problem, devices=1, **choices), room=64)
    watcher = Stop(3)
    stopped = {"stop": watcher.event, "observer": watcher}
    loop = kit.loop_of(database, one, values, devices=1, costs=Costs(), **stopped)
    assert loop.run() == "interrupted"
    assert len(loop.ledger.clock) == 1
    assert known < set(one.done)
    three = kit.state_of(database, problem, kit.steps_maker(problem, devices=3, **choices), room=64)
    loop = kit.loop_of(database, three, values, devices=3, costs=Costs())
    assert loop.ledger.clock == pytest.approx([max(loop.ledger.clock)] * 3)  # nobody works in hours that are over
    assert loop.run() == "time"
    assert set(one.done) < set(three.done)
    assert [row["hour"] for row in hours_of(database)] == list(range(6))
    assert database.value("SELECT COUNT(*) FROM proposals WHERE status = 'training'") == three.halfway
    by_interval = database.value("SELECT SUM(emissions_g) FROM intervals")
    assert database.value("SELECT SUM(emissions_g) FROM hours") == pytest.approx(by_interval, rel=1e-9)


def test_progress_tells_where_the_search_stands(kit, problem, database):
    class Keep(Quiet):
        def __init__(self):
            self.moments = []

        def update(self, progress):
            self.moments.append(progress)

    keep = Keep()
    state = kit.state_of(database, problem, kit.steps_maker(problem, stage="none", policy="static:0.5"), room=64)
    loop = kit.loop_of(database, state, [100.0, 250.0], observer=keep, carbon_budget_g=1e6)
    loop.run()
    first, second = keep.moments
    assert (first.hour, second.hour, second.hours_total) == (0, 1, 2)
    assert (second.intensity_g_per_kwh, second.time_utc) == (250.0, "2023-06-01T13:00:00Z")
    assert (second.evaluation_share, second.carbon_budget_g) == (0.5, 1e6)
    assert second.emissions_g == pytest.approx(hours_of(database)[0]["emissions_g"])
    assert second.evaluations == hours_of(database)[0]["evaluations"]
    assert jnp.isfinite(second.hypervolume)
