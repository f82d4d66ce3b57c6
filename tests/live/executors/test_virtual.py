"""Hours of two devices without devices, worked out by hand.

An hour lasts 3600 s. Training takes 3.6 kW, scoring 1.8 kW and idling 0.36 kW, so that in an hour at 1000 g/kWh a
training device emits 3600 g. Genome (i, j) trains for 1500 (1 + i / 8) s.
"""

import math

import pytest

from jcenas.live.executors.executor import DevicePlan, Hooks, Plan
from jcenas.live.executors.virtual import Costs, VirtualExecutor
from jcenas.live.ledger import Ledger
from jcenas.live.state import Job

JOBS = [Job(0, (0, 3)), Job(1, (2, 1)), Job(2, (0, 0))]  # 1500 s, 1875 s, 1500 s
EVALUATES, SAMPLES = DevicePlan(False, True, 0.0), DevicePlan(True, False, 0.0)


class Bench:
    """An executor and what it said."""

    def __init__(
        self, kit, database, *, devices=2, costs=None, score="one-shot", budget_g=math.inf, values=(1000.0,) * 4
    ):
        trace = kit.grid_of(values).trace
        self.database = database
        self.ledger = Ledger(database, trace, kit.POWER, devices=devices, hour_seconds=3600.0)
        costs = Costs() if costs is None else costs
        budget = {"carbon_budget_g": budget_g}
        self.executor = VirtualExecutor(kit.problem_of(), self.ledger, costs, devices=devices, score=score, **budget)
        self.said, self.outcomes = [], {}
        self.executor.begin(Hooks(lambda: False, self.begin, self.record, self.cut, self.said.append))

    def begin(self, job):
        self.said.append(("begin", job.row))

    def cut(self, job):
        self.said.append(("cut", job.row))

    def record(self, job, outcome, hour):
        self.outcomes[job.row] = outcome
        self.said.append(("end", job.row, round(hour, 6)))
        return True

    def work(self, devices, jobs=JOBS, *, hour=0, to_score=()):
        return self.executor.work(Plan(float(hour), hour + 1.0, devices, jobs, to_score))

    def spent(self):
        query = "SELECT device, state, proposal, start_hour * 3600 AS b, end_hour * 3600 AS e FROM intervals"
        rows = self.database.rows(query + " ORDER BY device, start_hour")
        return [(r["device"], r["state"], r["proposal"], round(r["b"], 3), round(r["e"], 3)) for r in rows]


@pytest.fixture
def bench(kit, database):
    return lambda **choices: Bench(kit, database, **choices)


def test_three_trainings_on_two_devices(bench):
    one = bench()
    report = one.work([EVALUATES, EVALUATES])
    # Device 0 takes rows 0 and 2 and ends them at 1500 and 3000 s, device 1 takes row 1; both idle until 3600.
    assert one.spent() == [
        (0, "training", 1, 0, 1500),
        (0, "training", 3, 1500, 3000),
        (0, "idle", None, 3000, 3600),
        (1, "training", 2, 0, 1875),
        (1, "idle", None, 1875, 3600),
    ]
    assert (report.started, report.ended, report.left_s, report.scores) == ({0, 1, 2}, {0, 1, 2}, {}, {})
    ends = [said[1:] for said in one.said if said[0] == "end"]
    assert ends == [(0, round(1500 / 3600, 6)), (1, round(1875 / 3600, 6)), (2, round(3000 / 3600, 6))]
    assert one.ledger.clock == pytest.approx([1.0, 1.0])
    assert one.ledger.emissions_g == pytest.approx(3000 + 1875 + 0.1 * (600 + 1725))
    outcome = one.outcomes[1]
    assert (outcome.validation_error, outcome.costs, outcome.reason) == (22.0, (3.0,), None)
    assert outcome.seconds == pytest.approx(1875)
    assert outcome.emissions_g == pytest.approx(1875)


def test_the_budget_ends_within_the_hour(bench):
    # Both train: 2 g a second. 3600 g are spent after 1800 s: row 0 has ended, row 2 has run for 300 s, row 1 needs 75.
    one = bench(budget_g=3600.0)
    report = one.work([EVALUATES, EVALUATES])
    assert (report.started, report.ended) == ({0, 1, 2}, {0})
    assert report.left_s == pytest.approx({1: 75.0, 2: 1200.0})
    assert one.ledger.clock == pytest.approx([0.5, 0.5])
    assert one.ledger.emissions_g == pytest.approx(3600)
    assert {said for said in one.said if said[0] != "end"} == {
        *(("begin", r) for r in (0, 1, 2)),
        ("cut", 1),
        ("cut", 2),
    }


def test_a_budget_that_ends_before_a_training_begins(bench):
    one = bench(budget_g=2000.0)  # 1000 s, in which nothing ends
    report = one.work([EVALUATES, EVALUATES])
    assert (report.started, report.ended) == ({0, 1}, set())
    assert report.left_s == pytest.approx({0: 500.0, 1: 875.0})


def test_an_hour_cuts_and_the_next_goes_on(bench):
    one = bench()
    report = one.work([EVALUATES, SAMPLES], hour=0)
    assert (report.started, report.ended) == ({0, 1, 2}, {0, 1})
    assert report.left_s == pytest.approx({2: 1275.0})  # begun at 3375 s
    report = one.work([EVALUATES, SAMPLES], [JOBS[2]], hour=1)
    assert report.ended == {2}
    assert one.said[-1] == ("end", 2, round(1 + 1275 / 3600, 6))
    assert one.ledger.job(3).seconds == pytest.approx(1500)


def test_samplers_score_what_their_time_pays_and_then_idle(bench):
    one = bench(costs=Costs(score_s=1500.0))
    report = one.work([EVALUATES, SAMPLES], [], to_score=JOBS)
    assert report.scores == pytest.approx({0: 5.0, 1: 29.0})  # the supernet's error, 12 i + 5
    spent = [row[1:] for row in one.spent() if row[0] == 1]
    assert spent == [("scoring", None, 0, 3000), ("idle", None, 3000, 3600)]
    assert one.ledger.emissions_g == pytest.approx(0.1 * 3600 + 0.5 * 3000 + 0.1 * 600)


def test_one_device_samples_first_and_turns(bench):
    # 2700 s of scoring pay two of 1000 s; it idles to 2700, changes for 100 s and trains from 2800 on.
    one = bench(devices=1, costs=Costs(score_s=1000.0, switch_s=100.0))
    report = one.work([DevicePlan(True, True, 0.75)], JOBS[:1], to_score=JOBS)
    assert one.spent() == [
        (0, "scoring", None, 0, 2000),
        (0, "idle", None, 2000, 2700),
        (0, "switching", None, 2700, 2800),
        (0, "training", 1, 2800, 3600),
    ]
    assert report.left_s == pytest.approx({0: 700.0})
    # It evaluated last, so that it changes back first; its supernet scores for 1700 s, one proposal.
    report = one.work([DevicePlan(True, True, 1.5)], JOBS[:1], hour=1, to_score=JOBS[2:])
    assert set(report.scores) == {2}
    assert report.ended == {0}
    assert [row[1:2] + row[3:] for row in one.spent()[4:]] == [
        ("switching", 3600, 3700),
        ("scoring", 3700, 4700),
        ("idle", 4700, 5400),
        ("switching", 5400, 5500),
        ("training", 5500, 6200),
        ("idle", 6200, 7200),
    ]


def test_a_change_between_hours_takes_its_time(bench):
    one = bench(costs=Costs(switch_s=100.0))
    one.work([EVALUATES, SAMPLES], [])
    one.work([EVALUATES, EVALUATES], JOBS[:2], hour=1)
    assert [row for row in one.spent() if row[3] >= 3600] == [
        (0, "training", 1, 3600, 5100),
        (0, "idle", None, 5100, 7200),
        (1, "switching", None, 3600, 3700),
        (1, "training", 2, 3700, 5575),
        (1, "idle", None, 5575, 7200),
    ]


def test_all_devices_prepare_together_over_the_hours(bench):
    one = bench(costs=Costs(prepare_s=9000.0))  # 4500 s of both
    assert not one.executor.prepare(1.0)
    assert one.ledger.clock == pytest.approx([1.0, 1.0])
    assert one.executor.prepare(2.0)
    assert one.ledger.clock == pytest.approx([1.25, 1.25])
    assert one.ledger.seconds_by_purpose() == pytest.approx({"supernet": 9000.0})
    assert one.executor.prepare(2.0)  # nothing more
    assert one.ledger.clock == pytest.approx([1.25, 1.25])


def test_training_free_scores_by_all_devices(bench):
    one = bench(costs=Costs(score_s=1000.0), score="synflow")
    assert one.executor.score_together(JOBS, 1.0) == pytest.approx({0: -3.0, 1: -3.0, 2: 0.0})
    assert one.ledger.clock == pytest.approx([1500 / 3600] * 2)
    # 0.25 h of both are 1800 s: one score.
    assert set(one.executor.score_together(JOBS, 1500 / 3600 + 0.25)) == {0}


def test_scores_that_cost_nothing(bench):
    one = bench(score="synflow")
    assert len(one.executor.score_together(JOBS, 1.0)) == 3
    assert one.spent() == []
