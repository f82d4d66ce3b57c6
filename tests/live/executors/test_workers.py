"""Worker processes at work: pauses, time limits, and everything that can go wrong in a user's function."""

import importlib
import math
import operator
import os
import pathlib
import time

import pytest

from jcenas import Problem
from jcenas.live.executors.executor import DevicePlan, Hooks, Plan
from jcenas.live.executors.worker import problem_with
from jcenas.live.executors.workers import Settings, WorkersExecutor
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job

HOUR_S = 0.2
EVALUATES, SAMPLES = DevicePlan(False, True, 0.0), DevicePlan(True, False, 0.0)


class Bench:
    """Workers, and what they said."""

    def __init__(self, kit, database, folder, function, *, devices=1, costs=None, reference=(1.0, 5.0), **options):
        toy = importlib.import_module("toy_functions")
        costs = {"cost": toy.cost} if costs is None else costs
        function = getattr(toy, function)
        self.problem = Problem.from_function(toy.SPACE, function, costs=costs, reference=reference, **options)
        trace = kit.grid_of([1000.0] * 400).trace
        self.ledger = Ledger(database, trace, kit.POWER, devices=devices, hour_seconds=HOUR_S)
        self.database, self.folder, self.stop = database, folder, False
        settings = Settings(seed=0, epochs=3, real_time=False)
        run = RunFolder(folder, None)
        self.executor = WorkersExecutor(self.problem, run, self.ledger, settings, devices=devices)
        self.outcomes, self.cuts, self.said, self.on_front = {}, [], [], True
        self.executor.begin(Hooks(lambda: self.stop, self.begun, self.record, self.cut, self.said.append))

    def begun(self, job):
        pass

    def cut(self, job):
        self.cuts.append(job.row)

    def record(self, job, outcome, hour):
        self.outcomes[job.row] = outcome
        return self.on_front

    def work(self, jobs, *, hour=0, hours=1, plans=None):
        return self.executor.work(Plan(float(hour), float(hour + hours), plans or [EVALUATES], jobs, []))

    def of(self, job):
        return self.folder / "checkpoints" / f"candidate-{job.proposal}"


@pytest.fixture
def bench(kit, database, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[1]))
    made = []

    def make(function, **choices):
        made.append(Bench(kit, database, tmp_path, function, **choices))
        return made[-1]

    yield make
    for one in made:
        one.executor.close()


def job(x, y=0):
    return Job(4 * x + y, (x, y))


def test_evaluations_are_recorded_and_charged(bench):
    here = bench("evaluate", devices=2)
    here.on_front = False
    report = here.work([job(0), job(3, 3)], hours=100, plans=[EVALUATES, SAMPLES])
    assert report.started == report.ended == {0, 15}
    assert here.outcomes[0].validation_error == pytest.approx(0.1 + 0.3 + 0.15)
    assert here.outcomes[15][:2] == (pytest.approx(0.1), (4.0,))
    assert not here.of(job(0)).exists()  # what is not on the front leaves nothing
    rows = here.database.rows("SELECT device, purpose, SUM(seconds) AS s FROM intervals GROUP BY device, purpose")
    spent = {(row["device"], row["purpose"]): row["s"] for row in rows}
    assert set(spent) == {(0, "starting"), (1, "starting"), (0, "candidate"), (0, "idle"), (1, "idle")}
    assert spent[0, "candidate"] == pytest.approx(sum(one.seconds for one in here.outcomes.values()))
    one = here.outcomes[0]  # a kilowatt hour is an hour of 3.6 kW, at 1000 g
    assert one.energy_kwh == pytest.approx(3.6 * one.seconds / 3600)
    assert one.emissions_g == pytest.approx(1000 * one.energy_kwh)
    assert here.ledger.clock == pytest.approx([100.0, 100.0])


def test_an_evaluation_pauses_at_the_end_of_the_hour_and_goes_on_from_its_checkpoint(bench):
    here, one, hour = bench("in_steps"), job(3, 3), 0
    while not here.outcomes:
        report = here.work([one], hour=hour)
        if not here.outcomes:
            share = len((here.of(one) / "steps.txt").read_text()) / 10
            spent = here.ledger.job(one.proposal).seconds
            assert report.left_s[one.row] == pytest.approx(spent * (1 - share) / share)
            assert here.executor.progress() == {}
        hour = math.floor(here.ledger.clock[0] + 1e-9)
    assert len(here.cuts) >= 1
    assert here.outcomes[one.row].validation_error == pytest.approx(0.1)
    assert 0.5 < here.outcomes[one.row].seconds < 5  # ten steps of 0.05 s in all, none of them twice


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("nothing", "TypeError: evaluate returned 'None'; it must return a number or several"),
        ("leaves", "SystemExit: enough"),
        ("killed", "the worker process died (signal SIGKILL, perhaps for want of memory)"),
        ("percent", "error is 45, no fraction of 1; return one, or give a reference with an error above 1"),
        ("negative", "error is -0.45; it must not be negative"),
        ("evaluate_with_cost", "evaluate returned 2 values, not 1 (error)"),
    ],
)
def test_a_failure_is_recorded_with_its_reason(bench, function, reason):
    here = bench(function)
    report = here.work([job(1)], hours=100)
    assert report.ended == {4}
    assert here.outcomes[4].reason == reason
    assert math.isnan(here.outcomes[4].validation_error)


def test_an_error_of_another_scale_needs_a_reference_of_it(bench):
    here = bench("percent", reference=(50.0, 5.0))
    here.work([job(1)], hours=100)
    assert here.outcomes[4].validation_error == pytest.approx(45)


def test_returned_numbers_that_32_bits_do_not_hold():
    assert problem_with([0.1, -1e300], ("ms",)) == "ms is -1e+300, no number of 32 bits"
    assert problem_with([0.1, math.inf], ("ms",)) == "ms is inf"
    assert problem_with([0.1, -1e30], ("ms",)) is None


def test_the_work_goes_on_after_exceptions_nan_and_dead_workers(bench):
    here = bench("odd")
    here.work([job(0), job(1), job(2), job(3)], hours=300)
    assert {row: outcome.reason for row, outcome in here.outcomes.items()} == {
        0: "ValueError: no such layer",
        4: "error is nan",
        8: "the worker process died (exit code 3)",
        12: None,
    }
    assert "in odd" in (here.of(job(0)) / "error.txt").read_text()
    restarts = here.database.rows("SELECT end_hour - start_hour AS h FROM intervals WHERE purpose = 'starting'")
    assert sum(row["h"] > 0 for row in restarts) >= 1  # another process took its place, and that was charged


def test_costs_that_an_evaluation_returns(bench):
    here = bench("evaluate_with_cost", costs={"latency_ms": None})
    here.work([job(3, 2)], hours=100)
    assert here.outcomes[14][:2] == (pytest.approx(0.15), (3.0,))
    both = {"x": operator.itemgetter("x"), "latency_ms": None}  # one by formula, one returned
    two = bench("evaluate_with_cost", costs=both, reference=(1.0, 4.0, 5.0))
    two.work([job(3, 2)], hour=100, hours=100)
    assert two.outcomes[14][:2] == (pytest.approx(0.15), (3.0, 3.0))
    other = bench("evaluate", costs={"latency_ms": None})
    other.work([job(0)], hour=200, hours=100)
    assert other.outcomes[0].reason == "evaluate returned 1 values, not 2 (error, latency_ms)"


class Watched:
    """A meter that notes whose energy it is asked to count."""

    def __init__(self):
        self.said = []

    def begin(self, devices):
        self.said.append(("begin", *devices))

    def end(self, devices):
        self.said.append(("end", *devices))

    def take(self, device, *, at_rest=False):
        self.said.append(("take", device))
        return 7.0


def test_a_meter_counts_a_worker_while_it_evaluates(bench):
    one = bench("evaluate")
    meter = one.ledger.meter = Watched()
    one.work([job(3, 3)])
    rows = one.database.rows("SELECT purpose, measured_j FROM intervals WHERE purpose = 'candidate'")
    takes = [said for said in meter.said if said[0] == "take"]
    assert meter.said == [("begin", 0), *takes, ("end", 0)]
    assert sum(row["measured_j"] for row in rows) == pytest.approx(7.0 * len(takes))


def test_a_time_limit_ends_an_evaluation(bench):
    here = bench("long", time_limit_s=0.3)
    here.work([job(0)], hours=300)
    assert here.outcomes[0].reason == "longer than the time limit of 0.3 s"
    assert 0.3 <= here.outcomes[0].seconds < 3


def test_tries_are_bounded(bench):
    here = bench("second_time", retries=1)
    here.work([job(0)], hours=100)
    assert here.outcomes[0].reason is None
    assert "candidate 1 is tried again: OSError: disk" in here.said
    other = bench("killed", retries=1)
    other.work([job(1)], hour=100, hours=200)
    assert sum("tried again" in text for text in other.said) == 1
    assert "SIGKILL" in other.outcomes[4].reason


def test_a_search_that_stops_kills_what_does_not_pause(bench, monkeypatch):
    monkeypatch.setattr("jcenas.live.executors.workers.GRACE_S", 0.2)
    here = bench("long")
    here.executor.hooks = here.executor.hooks._replace(should_stop=(here.of(job(0)) / "pid.txt").exists)
    report = here.work([job(0)], hours=300)
    assert report.started == {0}
    assert not report.ended
    assert here.cuts == [0]
    with pytest.raises(ProcessLookupError):
        os.kill(int((here.of(job(0)) / "pid.txt").read_text()), 0)


def test_workers_import_no_jax(bench):
    here = bench("modules")
    here.work([job(0)], hours=100)
    assert here.outcomes[0].validation_error == 0.0


def test_in_real_time_a_device_waits_on_the_wall(bench):
    here = bench("evaluate")
    here.executor.settings = here.executor.settings._replace(real_time=True)
    began = time.monotonic()
    here.work([job(0)], hours=2, plans=[DevicePlan(True, True, 1.0)])  # samples for an hour, then evaluates
    assert 0.4 <= time.monotonic() - began < 3
    first = here.database.rows("SELECT MIN(start_hour) AS h FROM intervals WHERE purpose = 'candidate'")[0]["h"]
    assert first == pytest.approx(1.0)
    assert 0 in here.outcomes
