"""The cheapest schedule of one job: by hand, against every schedule there is, and its properties."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.alloc.schedule import cheapest_schedule, step_costs


def times(plan):
    return "".join("x" if one else "." for one in plan)


def plan(cost, work, **given):
    return times(cheapest_schedule(np.array(cost, float), work, **{"running": False, **given}))


def test_by_hand():
    cost = [5, 1, 9, 1, 9, 2]
    assert plan(cost, 2) == ".x.x.."
    assert plan(cost, 3) == ".x.x.x"
    assert plan(cost, 3, interruptible=False) == ".xxx.."  # 11, as are xxx... (15) not
    assert plan(cost, 6) == plan(cost, 9) == "xxxxxx"


def test_a_pause_costs_work():
    cost = [1, 9, 1, 9]
    assert plan(cost, 2) == "x.x."
    assert plan(cost, 2, pause_steps=1) == "xx.."  # x.xx would cost 11, and x.x. is one step short
    assert plan([1, 9, 1, 1], 2, pause_steps=1) == "..xx"
    assert plan([1, 99, 1, 1], 3, pause_steps=1) == "xxx."  # with a pause it could not end


def test_a_job_that_runs_may_wait_for_better_hours():
    assert plan([9, 9, 1, 1], 2, running=True) == "..xx"
    assert plan([9, 9, 1, 1], 2, running=True, interruptible=False) == "xx.."


def test_waiting_that_draws_power_is_weighed():
    assert plan([4, 4, 3], 1) == "..x"
    assert plan([4, 4, 3], 1, idle_share=0.2) == "x.."  # waiting would cost 0.8 + 0.8 for 1 that it spares
    assert plan([4, 4, 3], 1, idle_share=0.1) == "..x"


def test_of_equal_schedules_the_one_that_runs_at_once_and_through():
    assert plan([3] * 6, 2) == "xx...."
    assert plan([0] * 6, 2) == "xx...."
    assert plan([0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3], 2) == "xx.."  # a difference of rounding


def total(cost, run, *, pauses, idle_share):
    """What a schedule costs, and how many pauses it makes before its end."""
    ends = np.flatnonzero(run)[-1]
    return float(np.sum(cost * run) + idle_share * np.sum((cost * ~run)[:ends]))


def pauses_of(run, running):
    before = np.concatenate(([running], run[:-1]))
    ends = np.flatnonzero(run)[-1]
    return int(np.sum((before & ~run)[: ends + 1]))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=8),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.booleans(),
)
def test_no_schedule_costs_less(cost, work, running, pause_steps, idle_share, interruptible):
    cost = np.array(cost, float)
    found = cheapest_schedule(
        cost, work, running=running, pause_steps=pause_steps, idle_share=idle_share, interruptible=interruptible
    )
    if work >= len(cost):
        assert found.all()
        return
    best = np.inf
    for bits in itertools.product((False, True), repeat=len(cost)):
        run = np.array(bits)
        if not run.any():
            continue
        pauses = pauses_of(run, running)
        allowed = pauses == 0 or interruptible
        if allowed and run.sum() == work + pause_steps * pauses:
            best = min(best, total(cost, run, pauses=pauses, idle_share=idle_share))
    pauses = pauses_of(found, running)
    assert found.sum() == work + pause_steps * pauses
    assert interruptible or pauses == 0
    assert total(cost, found, pauses=pauses, idle_share=idle_share) == pytest.approx(best, abs=1e-4)


def test_costs_of_steps_that_cross_hours():
    costs = step_costs(np.array([10.0, 20.0, 40.0]), begin_h=0.5, step_h=1.0, steps=3)
    np.testing.assert_allclose(costs, [15, 30, 40])  # beyond the last hour it is repeated
    np.testing.assert_allclose(step_costs(np.array([12.0]), begin_h=0.0, step_h=0.25, steps=4), 3.0)
