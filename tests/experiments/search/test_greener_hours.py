"""The study of greener hours: its optimum and verdict by hand, its draws, and its smallest size."""

import datetime

import numpy as np
import pytest

from experiments.search import greener_grids as grids
from experiments.search import greener_hours as study
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import ask_here

START = grids.BEGIN - datetime.timedelta(days=10)


def series(hours=40 * 24):
    """A made-up grid that is green at noon."""
    hour = np.arange(hours)
    values = 300 + 150 * np.cos(2 * np.pi * hour / 24) + 20 * np.sin(hour / 31)
    return CarbonTrace(start=START, intensity_g_per_kwh=values, zone="TOY")


def test_the_optimum_by_hand():
    trace = CarbonTrace(start=START, intensity_g_per_kwh=np.array([300.0, 100, 200, 50]))
    grid = GridHours(trace, np.zeros(0), 1.0)
    config = GreenerConfig(work="90m", deadline="3h", power=1000, pue=1)
    # From half past the first hour to half past the last: half an hour at 50, one at 100.
    assert study.optimum_g(config, grid, 1800.0) == pytest.approx(25 + 100)
    # All of the time: half an hour at 300, one at 100, one at 200, half an hour at 50.
    whole = GreenerConfig(work="3h", deadline="3h", power=1000, pue=1)
    assert study.optimum_g(whole, grid, 1800.0) == pytest.approx(150 + 100 + 200 + 25)


def test_a_day_that_is_foreseen_comes_near_its_optimum():
    day = grids.Day(series(), grids.BEGIN + datetime.timedelta(days=3, minutes=20))
    done = study.outcome(GreenerConfig(work="3h", deadline="24h", forecast="actual"), day, ask_here)
    assert done.met
    assert done.optimum_g <= done.spent_g < done.at_once_g
    assert done.at_once_g - done.spent_g > 0.97 * (done.at_once_g - done.optimum_g)


@pytest.mark.slow
def test_the_study_forecasts_as_the_command_does():
    day = grids.Day(series(), grids.BEGIN + datetime.timedelta(days=3, minutes=20))
    grid, begin_s = study.grid_of(day)
    assert begin_s == 1200.0
    asked = study.asker(default_forecaster())(day)
    for hour, lead_h in ((0, 25), (7, 18)):
        np.testing.assert_allclose(asked(grid, "model", hour, lead_h), ask_here(grid, "model", hour, lead_h), rtol=2e-3)


def test_days_are_drawn_again_the_same():
    zones = {"A": [series()], "B": [series()]}
    drawn = grids.days(zones, 6, hours=145, seed=1)
    assert drawn[0].trace is zones["A"][0]
    assert drawn[1].trace is zones["B"][0]
    starts = [day.start for day in drawn]
    assert starts == [day.start for day in grids.days(zones, 6, hours=145, seed=1)]
    assert all(grids.BEGIN <= start <= grids.END - datetime.timedelta(hours=145) for start in starts)


def test_the_verdict_by_hand():
    row = ["3h", "24h", "held out", 200, 200, 20.0, 24.0, 83.3, 82.0, 1.0]
    assert study.verdict([row]) == (
        "met: deadline met on 200 of 200 days (and in all rows), 83.3 % of the optimum's saving"
    )
    low = [*row[:7], 71.5, *row[8:]]
    assert study.verdict([low]).startswith("missed by 8.5 points of the optimum's saving: deadline met on 200 of 200")
    late = [*row[:4], 198, *row[5:]]
    assert study.verdict([row, late]).startswith("missed by 2 deadlines: deadline met on 200 of 200 days, 83.3 %")


@pytest.mark.data
@pytest.mark.study
def test_smoke():
    rows = study.main(["--smoke"])
    assert all(row[4] == row[3] == 6 for row in rows)
