"""The pilot on a clock that jumps: when it starts, pauses and runs through, and what its account says."""

import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.live.greener.account import account_of
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import GridView, lengthened
from jcenas.live.greener.pilot import Pilot, outcome_lines
from jcenas.live.greener.planner import pauses_in
from jcenas.live.greener.virtual import VirtualClock, VirtualJob

HOUR = 3600.0
GB = {"provider": "gb", "zone": "GB"}


def fly(grid, *, begin_s=0.0, takes_s=None, leaving_at=None, **given):
    config = GreenerConfig(**{"forecast": "actual", "margin": "0s", "pause_cost": "0s", **given})
    clock, said = VirtualClock(begin_s), []
    job = VirtualJob(clock, config.work_s if takes_s is None else takes_s, pause_cost_s=config.pause_cost_s)
    view = GridView(grid, config.forecast, until_s=begin_s + config.deadline_s)
    flown = Pilot(config, view, job, clock=clock, begin_s=begin_s, say=said.append).fly()
    trace = view.trace(max(flown.ended_s, flown.deadline_s))
    return flown, account_of(config, trace, flown.spans, begin_s=begin_s, pauses=flown.pauses), said


def hours(flown):
    return [(first / HOUR, last / HOUR) for first, last in flown.spans]


def test_runs_in_the_two_greenest_hours(grid_of):
    flown, account, said = fly(grid_of([300, 100, 400, 50, 300, 300]), work="2h", deadline="6h", power=1000, pue=1)
    assert hours(flown) == [(1, 2), (3, 4)]
    assert (flown.pauses, flown.ended_s, flown.code) == (1, 4 * HOUR, 0)
    assert account.spent_g == pytest.approx(150)
    assert account.at_once_g == pytest.approx(400)
    assert account.energy_kwh == pytest.approx(2)
    assert account.saved_g == pytest.approx(250)
    assert [line.split(": ", 1)[1] for line in said] == [
        "waits, until Mon 01:00 or later",
        "starts",
        "pauses, until Mon 03:00 or later",
        "goes on",
    ]


def test_a_start_within_an_hour_and_a_deadline_within_another(grid_of):
    flown, account, _ = fly(grid_of([300, 200, 100, 100]), begin_s=1800.0, work="1h", deadline="2h", power=1000, pue=1)
    assert hours(flown) == [(1.5, 2.5)]  # the deadline is at half past two
    assert account.spent_g == pytest.approx(150)
    assert account.at_once_g == pytest.approx(250)


def test_no_slack_runs_at_once_and_through(grid_of):
    flown, account, said = fly(grid_of([900, 100, 100]), work="2h", deadline="2h")
    assert hours(flown) == [(0, 2)]
    assert account.saved_g == pytest.approx(0)
    assert any("runs through" in line for line in said)


def test_uninterrupted_takes_the_greenest_hours_in_a_row(grid_of):
    flown, *_ = fly(grid_of([100, 900, 100, 300, 200, 900]), work="2h", deadline="6h", uninterrupted=True)
    assert hours(flown) == [(2, 4)]
    assert flown.pauses == 0


def test_a_forecast_that_errs_cannot_miss_the_deadline(grid_of):
    # Yesterday the last hours were the greenest; today they are the dirtiest, and it is too late by then.
    yesterday = [500.0] * 20 + [10.0] * 4
    today = [500.0] * 20 + [900.0] * 8
    flown, account, _ = fly(grid_of(today, yesterday), work="3h", deadline="24h", forecast="persistence")
    assert flown.ended_s <= flown.deadline_s
    assert flown.ran_s == pytest.approx(3 * HOUR)
    assert account.saved_g < 0


def test_what_is_learnt_changes_the_plan(grid_of):
    # Yesterday repeats in the plan, but the hour that has begun is known: the green hour at 2 was not foreseen.
    yesterday = [300.0] * 5 + [200.0] + [300.0] * 18
    today = [300, 300, 20, 300, 300, 200] + [300] * 20
    flown, *_ = fly(grid_of(today, yesterday), work="1h", deadline="8h", forecast="persistence")
    assert hours(flown) == [(2, 3)]


def test_a_margin_that_is_not_given_is_what_the_work_leaves():
    for work, deadline, margin_s in (("3h", "24h", 300), ("3h", "3h2m", 120), ("3h", "3h", 0)):
        assert GreenerConfig(work=work, deadline=deadline).margin_s == margin_s


def test_longer_than_its_work_runs_on_and_says_so(grid_of):
    flown, _, said = fly(grid_of([300, 100, 300, 300]), work="1h", takes_s=3.5 * HOUR, deadline="3h")
    assert hours(flown) == [(1, 4.5)]
    assert sum("runs on, without a pause" in line for line in said) == 1
    lines = outcome_lines(flown, GreenerConfig(work="1h", deadline="3h"))
    assert "after 3 h 30 min of running without a pause, 1 h 30 min after the deadline" in lines[0]
    assert "took longer than --work 1h" in lines[1]


def test_shorter_than_its_work_ends_when_it_ends(grid_of):
    flown, *_ = fly(grid_of([100, 300, 100, 300]), work="2h", takes_s=1800.0, deadline="4h")
    assert hours(flown) == [(0, 0.5)]
    assert "before the deadline" in outcome_lines(flown, GreenerConfig(work="2h", deadline="4h"))[0]


def test_a_pause_that_costs_work_is_weighed_and_left_out_of_the_comparison(grid_of):
    cheap = fly(grid_of([100, 150, 100, 900]), work="2h", deadline="4h", pause_cost="0s")[0]
    dear, account, _ = fly(grid_of([100, 150, 100, 900]), work="2h", deadline="4h", pause_cost="30m")
    assert hours(cheap) == [(0, 1), (2, 3)]
    assert hours(dear) == [(0, 2)]
    many, account, _ = fly(
        grid_of([100, 900, 900, 100, 100]), work="2h", deadline="5h", pause_cost="30m", power=1000, pue=1
    )
    assert (many.pauses, many.ran_s) == (0, 2 * HOUR)
    assert hours(many) == [(3, 5)]
    assert account.at_once_g == pytest.approx(1000)


def test_waiting_that_draws_power_is_charged(grid_of):
    grid = grid_of([300, 100])
    _, account, _ = fly(grid, work="1h", deadline="2h", power=1000, idle_power=100, pue=2)
    assert account.spent_g == pytest.approx(2 * (30 + 100))
    assert account.energy_kwh == pytest.approx(2 * 1.1)
    flown, *_ = fly(grid, work="1h", deadline="2h", power=1000, idle_power=800)
    assert hours(flown) == [(0, 1)]  # 240 + 100 g against 300 g


def test_a_sped_up_hour_is_charged_for_its_seconds(grid_of):
    _, account, _ = fly(grid_of([300, 100]), work="1h", deadline="2h", power=1000, pue=1, hour_seconds=36)
    assert account.spent_g == pytest.approx(1.0)


def test_time_in_which_the_machine_slept_is_no_work(grid_of):
    class Sleeps(VirtualClock):
        slept = 0.0

        def steady_s(self):
            return self._now - self.slept

        def wait(self, until_s, changes):
            super().wait(until_s, changes)
            if self._now == HOUR and not self.slept:
                self.slept = 2 * HOUR
                self.advance(2 * HOUR)

    config = GreenerConfig(work="2h", deadline="5h", forecast="none", margin="0s", pause_cost="0s", power=1000, pue=1)
    clock = Sleeps()
    view = GridView(grid_of([100, 900, 900, 100, 900]), config.forecast, until_s=config.deadline_s)
    flown = Pilot(config, view, VirtualJob(clock, config.work_s), clock=clock, begin_s=0.0, say=list).fly()
    assert flown.ran_s == pytest.approx(2 * HOUR)
    assert flown.ended_s == pytest.approx(4 * HOUR)
    assert sum(last - first for first, last in flown.spans) == pytest.approx(2 * HOUR)


def test_a_job_that_pauses_late_goes_on_after_the_deadline(grid_of):
    class Late(VirtualJob):
        """Takes five hours to save."""

        def pause(self):
            self.state, self.left_s = "pausing", 5 * HOUR

        def passed(self, seconds):
            super().passed(seconds)
            if self.state == "ended" and self.starts == 1:
                self.state, self.left_s = "paused", HOUR

    config = GreenerConfig(work="2h", deadline="4h", forecast="actual", margin="0s", pause_cost="0s")
    clock, said = VirtualClock(), []
    view = GridView(grid_of([100, 900, 900, 100]), config.forecast, until_s=config.deadline_s)
    flown = Pilot(config, view, Late(clock, config.work_s), clock=clock, begin_s=0.0, say=said.append).fly()
    assert flown.ran_s == pytest.approx(7 * HOUR)  # while it saves it runs
    assert hours(flown) == [(0, 7)]
    assert said[-1] == "Mon 06:00 UTC, 900 g/kWh: goes on"  # the trace has ended: its last day again


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("forecast", ["none", "persistence", "actual"])
def test_the_deadline_is_met_on_any_grid(grid_of, seed, forecast):
    draw = np.random.default_rng(seed)
    grid = grid_of(draw.uniform(0, 900, 60), draw.uniform(0, 900, 24))
    for margin in (None, "0s", None, "0s"):
        deadline_m = int(draw.integers(30, 48 * 60))
        work_m = int(draw.integers(1, deadline_m + 1))
        given = {"work": f"{work_m}m", "deadline": f"{deadline_m}m", "forecast": forecast, "margin": margin}
        flown, *_ = fly(grid, begin_s=float(draw.uniform(0, HOUR)), pause_cost="1m", **given)
        assert flown.ended_s <= flown.deadline_s + 1e-6
        assert flown.ran_s == pytest.approx(60 * work_m + 60 * flown.pauses)


@pytest.mark.parametrize("seed", range(2))
def test_pauses_of_less_than_a_step_leave_the_deadline_met(grid_of, seed):
    # Eight days in steps of half an hour, without a margin, of which all but a day is work, in hours of any colour.
    draw = np.random.default_rng(seed)
    grid = grid_of(draw.uniform(0, 900, 200), draw.uniform(0, 900, 24))
    work_m = int(draw.integers(168 * 60, 191 * 60))
    flown, *_ = fly(grid, work=f"{work_m}m", deadline="192h", pause_cost="7m", forecast="persistence")
    assert flown.pauses > 0
    assert flown.ended_s <= flown.deadline_s + 1e-6
    assert flown.ran_s == pytest.approx(60 * work_m + 420 * flown.pauses)


def test_a_pause_costs_what_it_costs_whatever_the_steps(grid_of):
    # Twelve days are planned in steps of half an hour; a minute of work is worth going on three hours later, and the
    # half hour before it is not.
    values = [100.0 if hour in (20, 24) else 130.0 for hour in range(300)]
    for cost, expected in (("1m", [(20, 21), (24, 24.75 + 1 / 60)]), ("30m", [(19, 20.75)])):
        flown, *_ = fly(grid_of(values), work="105m", deadline="288h", pause_cost=cost)
        assert hours(flown) == [pytest.approx(span) for span in expected]


def test_pauses_of_a_schedule():
    for text, running, pauses in (("xx..", False, 0), ("..xx", False, 0), ("x.x.", False, 1), ("x.x.", True, 1)):
        assert pauses_in(np.array([one == "x" for one in text]), running) == pauses
    assert pauses_in(np.array([False, True]), True) == 1


def test_a_trace_that_ends_is_lengthened_by_its_last_day(grid_of):
    trace = grid_of(range(30)).trace
    longer = lengthened(trace, 60)
    assert longer.at_hour(30) == 6
    assert longer.at_hour(53) == 29
    assert longer.at_hour(54) == 6
    assert lengthened(trace, 10) is trace


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"work": "4h", "deadline": "3h"}, "--deadline 3h cannot be met by --work 4h"),
        ({"work": "0s", "deadline": "3h"}, "--work 0s"),
        ({"work": "1h", "deadline": "40d"}, "--deadline 40d: must be at most 31d"),
        ({"work": "1h", "deadline": "soon"}, "--deadline soon: no length of time"),
        ({"work": "1h", "deadline": "3h", "power": 0}, "--power 0"),
        ({"work": "1h", "deadline": "3h", "idle_power": 500}, "--idle-power 500: must be between 0 and --power 167"),
        ({"work": "1h", "deadline": "3h", "pue": 0.5}, "--pue 0.5"),
        ({"work": "1h", "deadline": "3h", "hour_seconds": 7200}, "--hour-seconds 7200"),
        ({"work": "1h", "deadline": "3h", "margin": "x"}, "--margin x"),
        ({"work": "3h", "deadline": "24h", "margin": "25h"}, "--margin 25h: --work 3h does not end so long before"),
        ({"work": "3h", "deadline": "24h", "margin": "21h1s"}, "give a shorter margin, or a later deadline"),
        ({"work": "1h", "deadline": "3h", "pause_cost": "9" * 400 + "h"}, "must be at most 31d; --uninterrupted never"),
        ({"work": "1h", "deadline": "3h", "provider": "gb"}, "--provider gb needs a --zone"),
        ({"work": "1h", "deadline": "3h", "provider": "gb", "zone": "GB", "hour_seconds": 1}, "knows real hours only"),
        ({"work": "1h", "deadline": "3h", "provider": "gb", "zone": "GB", "margin": "4m"}, "--margin 4m: a service's"),
        (
            {"work": "1h", "deadline": "3h", "provider": "gb", "zone": "GB", "trace": "a.csv"},
            "--provider gb and --trace",
        ),
        ({"work": "1h", "deadline": "3h", "provider": "gb", "zone": "GB", "start": "2024-01-01T00:00Z"}, "begins now"),
        ({"work": "1h", "deadline": "3h", "provider": "typical-year", "forecast": "actual"}, "--forecast actual: --pr"),
        ({"work": "1h", "deadline": "3h", "provider": "gbb"}, "did you mean 'gb'"),
    ],
)
def test_what_cannot_be(given, message):
    with pytest.raises(InputError, match=message):
        GreenerConfig(**given)
