"""Devices that are lost, come back and join, without a cluster: what is charged, and that nothing is lost or repeated.

An hour lasts 3600 s. Training takes 3.6 kW, so that a second of it at 1000 g/kWh is a gram. Genome (i, j) trains for
1500 (1 + i / 8) s, in ten chunks.
"""

import random
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live.device_work import DeviceLostError
from jcenas.live.executors import remote
from jcenas.live.executors.executor import DevicePlan, Hooks, Parts, Plan
from jcenas.live.executors.remote import RemoteExecutor
from jcenas.live.executors.virtual import Costs
from jcenas.live.executors.virtual_device import VirtualDevice
from jcenas.live.ledger import Ledger
from jcenas.live.loop import Limits, Loop
from jcenas.live.progress import Quiet
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job

JOBS = [Job(0, (0, 3)), Job(1, (2, 1)), Job(2, (0, 0))]  # 1500 s, 1875 s, 1500 s
EVALUATES, SAMPLES = DevicePlan(False, True, 0.0), DevicePlan(True, False, 0.0)
CONFIG = SimpleNamespace(
    real_time=False, hour_s=3600.0, seed=0, latency_batch=1, how_to_resume=lambda f: f"jcenas search --resume {f}"
)


class Mortal(VirtualDevice):
    """A virtual device that dies when it is told to."""

    def __init__(self, fleet, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cluster, self.there, self.dies = fleet, True, lambda what: False

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in ("dies", "close"):
            return found
        if not self.there or self.dies(name):
            self.there = False
            raise DeviceLostError("kill -9")
        return found


class Fleet:
    """Devices, of which those that are gone come back when they may."""

    def __init__(self, problem, *, devices, costs=None, score=""):
        self.devices = [Mortal(self, problem, costs or Costs(), score=score) for _ in range(devices)]
        self.compiling_s = 36.0
        self.comes_back, self.dies, self.asked = lambda: True, lambda what: False, 0

    def joined(self, numbers=None):
        self.asked += 1
        found = {}
        for number, device in enumerate(self.devices):
            if not device.there and (numbers is None or number in numbers) and self.comes_back():
                device.there, device.dies = True, self.dies
                found[number] = SimpleNamespace(compiling_s=self.compiling_s)
        return found


class Bench:
    """An executor of devices that can be lost, and what it said."""

    def __init__(self, kit, database, folder, *, stage="none", devices=2, costs=None, config=CONFIG, seconds=1500.0):
        self.problem, self.stage, self.database = kit.problem_of(seconds), stage_from_name(stage), database
        self.fleet = Fleet(self.problem, devices=devices, costs=costs, score=self.stage.score)
        self.ledger = Ledger(
            database, kit.grid_of([1000.0] * 40).trace, kit.POWER, devices=devices, hour_seconds=3600.0
        )
        parts = Parts(
            config, RunFolder(folder, None), self.ledger, self.problem, self.fleet.devices, self.stage, devices
        )
        self.executor = RemoteExecutor.of(parts)
        self.said, self.outcomes, self.running, self.stop = [], {}, set(), False

    def begin(self):
        hooks = Hooks(lambda: self.stop, lambda job: self.running.add(job.row), self.record, self.cut, self.said.append)
        self.executor.begin(hooks)

    def record(self, job, outcome, hour):
        assert job.row not in self.outcomes
        self.running.discard(job.row)
        self.outcomes[job.row] = outcome
        return True

    def cut(self, job):
        self.running.discard(job.row)

    def work(self, jobs, hour=0, to_score=(), plans=None):
        plans = plans or [EVALUATES] * self.executor.devices
        return self.executor.work(Plan(float(hour), hour + 1.0, plans, jobs, to_score))

    def spent(self):
        query = "SELECT device, purpose, SUM(seconds) AS s FROM intervals GROUP BY device, purpose"
        return {(r["device"], r["purpose"]): round(r["s"], 3) for r in self.database.rows(query)}


@pytest.fixture
def bench(kit, database, tmp_path):
    def make(**choices):
        made = Bench(kit, database, tmp_path, **choices)
        made.begin()
        return made

    return make


def at_call(number, what="train"):
    """Dies when a method is called for the n-th time."""
    calls = []

    def dies(name):
        calls.append(name)
        return calls.count(what) == number and name == what

    return dies


def meet(one):
    """Let two devices begin to train together: else one of them may do everything before the other has begun."""
    both = threading.Barrier(2)

    def waiting(dies):
        first = []

        def waits(name):
            if name == "train" and not first:
                first.append(both.wait(60))
            return dies(name)

        return waits

    for device in one.fleet.devices:
        device.dies = waiting(device.dies)


def outlast(one, device):
    """Let a device end no training before the loss of another is known: else nobody is left to take that over."""
    dies = one.fleet.devices[device].dies

    def waits(name):
        lost_by = time.monotonic() + 60
        while name == "validation_error" and not any("is lost" in line for line in one.said):
            assert time.monotonic() < lost_by, "nobody was lost"
            time.sleep(0.001)
        return dies(name)

    one.fleet.devices[device].dies = waits


def test_a_lost_training_goes_on_elsewhere_in_the_same_hour_and_the_lost_device_costs_nothing(bench):
    one = bench()
    one.fleet.comes_back = lambda: False
    one.fleet.devices[1].dies = at_call(4)
    meet(one)
    outlast(one, 0)
    report = one.work(JOBS[:2])
    # One of the two is lost after three chunks, and trained again by the other, which has time for both: 3375 s.
    assert (report.started, report.ended, report.left_s) == ({0, 1}, {0, 1}, {})
    assert one.running == set()
    assert set(one.outcomes) == {0, 1}
    spent = one.spent()
    assert spent[0, "candidate"] == 3375.0
    assert spent[1, "candidate"] in (450.0, 562.5)
    assert spent[0, "idle"] == 225.0
    assert (1, "idle") not in spent
    assert one.ledger.clock == pytest.approx([1.0, 1.0])
    assert one.executor.devices == 1  # what the policy sees
    lost_s = spent[1, "candidate"]  # the training pays for what was lost, too
    assert sum(outcome.seconds for outcome in one.outcomes.values()) == pytest.approx(3375.0 + lost_s)
    assert one.said.count("device 1 is lost: kill -9") == 1


@pytest.mark.parametrize("what", ["enter", "validation_error", "save"])
def test_a_device_that_dies_at_any_step_of_a_training_loses_none(bench, what):
    one = bench()
    one.fleet.devices[0].dies = at_call(1, what)
    report = one.work(JOBS[:2])
    assert report.started == {0, 1}
    hour = 1
    while len(one.outcomes) < 2:
        report = one.work([job for job in JOBS[:2] if job.row not in one.outcomes], hour)
        hour += 1
    assert hour <= 3
    assert one.running == set()
    assert {row: outcome.validation_error for row, outcome in one.outcomes.items()} == {0: 4.0, 1: 22.0}


def test_where_all_are_lost_the_hour_ends_and_the_next_waits_for_one(bench, monkeypatch):
    monkeypatch.setattr(remote, "POLL_S", 0.0)
    one = bench()
    for device in one.fleet.devices:
        device.dies = at_call(3)
    meet(one)
    times = iter([False, False, False, True])  # of two devices in two looks: the second comes in the second
    one.fleet.comes_back = lambda: next(times, False)
    report = one.work(JOBS[:2])
    assert (report.started, report.ended) == ({0, 1}, set())
    assert report.left_s == pytest.approx({0: 1500.0, 1: 1875.0})  # nothing was saved
    assert one.executor.present == [1]
    assert one.fleet.asked >= 2
    assert one.spent()[1, "compiling"] == 36.0
    assert one.ledger.emissions_g == pytest.approx(1000 * (300 + 375 + 36) / 1000)  # no idle time
    report = one.work(JOBS[:2], hour=1)
    assert report.ended == {0, 1}
    assert one.ledger.clock == pytest.approx([2.0, 2.0])


def test_a_cut_training_goes_on_from_its_checkpoint_on_another_device(bench):
    one = bench(devices=1)
    report = one.work([Job(0, (0, 3)), Job(2, (0, 0)), Job(1, (2, 1))])
    assert report.ended == {0, 2}
    assert report.left_s == pytest.approx({1: 1875 * 0.6})  # four chunks of 187.5 s reach beyond 3600 s
    one.fleet.devices[0].there = False
    report = one.work([], hour=1)
    report = one.work([JOBS[1]], hour=2)
    assert report.ended == {1}
    assert one.outcomes[1].seconds == pytest.approx(1875.0)  # nothing twice


def test_nobody_comes(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "POLL_S", 0.0)
    monkeypatch.setattr(remote, "PATIENCE_S", 0.05)
    one = bench(devices=1)
    one.fleet.comes_back = lambda: False
    one.fleet.devices[0].dies = at_call(2)
    with pytest.raises(InputError, match=f"no device is left for 0 s; .*jcenas search --resume {tmp_path}"):
        one.work(JOBS)


def test_a_search_that_stops_waits_for_nobody(bench):
    one = bench(devices=1)
    one.fleet.comes_back = lambda: False
    one.fleet.devices[0].dies = at_call(2)
    one.record = None
    one.said = SimpleNamespace(append=lambda line: setattr(one, "stop", "lost" in line or one.stop))
    one.begin()
    report = one.work(JOBS)
    assert report.started == {0}


def test_the_supernet_goes_on_with_the_next_device_from_its_last_checkpoint(bench):
    one = bench(stage="one-shot", costs=Costs(prepare_s=4500.0, score_s=100.0))
    assert not one.executor.prepare(1.0)  # eight chunks of 450 s, of one device; the other waits
    assert one.ledger.clock == pytest.approx([1.0, 1.0])
    one.fleet.comes_back = lambda: False
    one.fleet.devices[0].there = False
    assert one.executor.prepare(2.0)
    assert one.spent() == {(0, "supernet"): 3600.0, (1, "idle"): 3600.0, (1, "supernet"): 900.0}
    assert one.executor.devices == 1


def test_proposals_are_scored_by_those_who_are_left(bench):
    one = bench(stage="one-shot", costs=Costs(score_s=10.0))
    jobs = [Job(row, (row // 4, row % 4)) for row in range(16)]
    one.fleet.devices[0].dies = at_call(1, "supernet_errors")
    report = one.work([], to_score=jobs, plans=[SAMPLES, SAMPLES])
    assert report.scores == {row: 12.0 * (row // 4) + 5 for row in range(16)}


def test_training_free_scores_too(bench):
    one = bench(stage="zero-shot:synflow", costs=Costs(score_s=10.0))
    jobs = [Job(row, (row // 4, row % 4)) for row in range(16)]
    one.fleet.devices[1].dies = at_call(1, "training_free")
    assert one.executor.score_together(jobs, 1.0) == {row: -1.0 * (row // 4) - row % 4 for row in range(16)}


def test_in_real_time_a_lost_device_is_waited_for_within_the_hour(kit, database, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "POLL_S", 0.001)
    config = SimpleNamespace(**vars(CONFIG) | {"real_time": True, "hour_s": 1.0})
    one = Bench(kit, database, tmp_path, config=config, seconds=0.01)
    trace = kit.grid_of([1000.0] * 4000).trace
    one.ledger = one.executor.ledger = Ledger(database, trace, kit.POWER, devices=2, hour_seconds=1.0, real_time=True)
    one.executor._shared = one.executor._shared._replace(ledger=one.ledger)
    times = iter([False] * 5 + [True])
    one.fleet.comes_back = lambda: next(times, False)
    one.fleet.compiling_s = 0.001
    one.begin()
    one.fleet.devices[1].dies = at_call(1, "enter")
    report = one.work([JOBS[0]], hour=0, plans=[SAMPLES, EVALUATES])
    assert report.started == report.ended == {0}  # by the device that took its place
    assert one.executor.present == [0, 1]
    assert "device 1 joins" in one.said


def test_a_resumed_run_does_not_pay_for_the_hours_of_an_absent_device(kit, database, bench):
    one = bench()
    one.fleet.comes_back = lambda: False
    one.fleet.devices[1].dies = at_call(1)
    meet(one)
    for hour in range(3):
        one.work([], hour) if hour else one.work(JOBS, hour)
    again = Ledger(database, one.ledger.trace, kit.POWER, devices=2, hour_seconds=3600.0)
    assert again.clock == pytest.approx([3.0, 3.0])
    assert again.emissions_g == pytest.approx(one.ledger.emissions_g)


OTHERS = [pytest.param(stage, marks=pytest.mark.slow) for stage in ("none", "zero-shot:synflow", "predictor")]


@pytest.mark.parametrize("stage", ["one-shot", *OTHERS])
def test_a_search_whose_devices_die_at_random_loses_nothing(kit, database, tmp_path, stage, monkeypatch):
    monkeypatch.setattr(remote, "POLL_S", 0.0)
    draw, problem = random.Random(7), kit.problem_of()
    one = Bench(kit, database, tmp_path, stage=stage, costs=Costs(prepare_s=600.0, score_s=30.0))
    seen, deaths = [], []

    def dies(name):
        if draw.random() < 0.04:
            deaths.append(name)
            return True
        return False

    one.fleet.comes_back, one.fleet.dies = lambda: draw.random() < 0.5, dies
    for device in one.fleet.devices:
        device.dies = dies
    steps = kit.steps_maker(problem, stage=stage, policy="static:0.7")
    state = kit.state_of(database, problem, steps, room=32)
    split = state.status
    monkeypatch.setattr(state, "status", lambda: (seen.append(one.executor.devices), split())[1])
    limits = Limits(
        grid=kit.grid_of([1000.0] * 40), forecast="none", hours=40, hour_s=3600.0, evaluations=14, power=kit.POWER
    )
    parts = {"ledger": one.ledger, "state": state, "executor": one.executor}
    loop = Loop("run", limits, **parts, observer=Quiet(), stop=threading.Event())
    assert loop.run() == "evaluations"
    loop.record_last_hours()
    assert len(deaths) >= 5
    assert set(seen) <= {1, 2}
    rows = database.rows("SELECT proposal, validation_error, seconds FROM evaluations")
    assert len(rows) == len({row["proposal"] for row in rows}) >= 14
    for row in rows:
        genome = state.genomes[row["proposal"] - 1]
        assert row["validation_error"] == problem.column("error", np.array([genome]))[0]
        assert row["seconds"] >= 0.999 * problem.seconds(np.array([genome]))[0]  # what was lost was paid, too
    intervals, hours = (database.value(f"SELECT SUM(emissions_g) FROM {table}") for table in ("intervals", "hours"))
    assert hours == pytest.approx(intervals)
