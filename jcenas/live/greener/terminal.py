"""A command in its greener hours, under a terminal: the plan, the run, and what it saved."""

import datetime
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jcenas.live.greener.account import Account, account_of
from jcenas.live.greener.child import Child, passing_signals
from jcenas.live.greener.clock import RealClock
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.forecast_process import ForecastProcess
from jcenas.live.greener.known import HOUR_S, GridView, expected_trace, open_grid
from jcenas.live.greener.pilot import Flown, Pilot, outcome_lines
from jcenas.live.greener.planner import Planner
from jcenas.live.live_grid import LiveGrid

KEEP_BELOW_S = 600.0  # hours that are shorter do not wait for a forecasting process to start anew


class Picture(NamedTuple):
    """What a plot of a plan or a run shows.

    Attributes:
        start: begin of the first hour, UTC.
        intensity_g_per_kwh: by hour, expected or followed.
        spans_h: begin and end of each time in which the job runs, in hours since `start`.
        begin_h: now, or when it could have started.
        deadline_h: of the job.
    """

    start: datetime.datetime
    intensity_g_per_kwh: np.ndarray
    spans_h: list[tuple[float, float]]
    begin_h: float
    deadline_h: float


class Outset(NamedTuple):
    """A job's grid, when in it the time to the deadline began, and its clock."""

    view: GridView
    begin_s: float
    clock: RealClock
    forecasts: ForecastProcess


def prepare(config: GreenerConfig, say: Callable[[str], None]) -> Outset:
    """Read the grid, and forecast the first hours, so that the clock of a demonstration does not wait for that.

    Raises:
        InputError: see `open_grid`.
    """
    now = datetime.datetime.now(datetime.UTC)
    grid, begin_s = open_grid(config, now, say)
    fast = config.hour_seconds < KEEP_BELOW_S
    clock = RealClock(begin_s, config.hour_seconds, began=now.timestamp())
    forecasts = ForecastProcess(say, keep=fast)
    view = GridView(grid, config.forecast, until_s=begin_s + config.deadline_s, ask=forecasts)
    view.expected(int(begin_s // HOUR_S))
    return Outset(view, begin_s, RealClock(begin_s, config.hour_seconds) if fast else clock, forecasts)


def dry_run(config: GreenerConfig, say: Callable[[str], None]) -> tuple[list[tuple[str, ...]], list[str], Picture]:
    """Plan, and start nothing: header and rows of the plan's times, lines about it, and its picture."""
    view, begin_s, _, forecasts = prepare(config, say)
    forecasts.close()
    plan = Planner(config, view, begin_s).plan(begin_s, config.work_s, running=False, started=False)
    expected = view.expected(0)
    trace = expected_trace(view.grid, expected)
    spans = plan.spans(config.work_s, config.pause_cost_s)
    rows = [("from, UTC", "until", "g/kWh, expected")]
    for first, last in spans:
        mean = account_of(config, trace, [(first, last)], begin_s=first, pauses=0)
        kwh = mean.energy_kwh or 1.0
        rows.append((f"{view.when(first):%a %d %b %H:%M}", _clock_time(view, last), f"{mean.spent_g / kwh:.0f}"))
    account = account_of(config, trace, spans, begin_s=begin_s, pauses=len(spans) - 1)
    lines = [f"expected: {line}" for line in account_lines(account, config)]
    lines.append(f"by {view.told()}; the plan is made anew every hour")
    picture = Picture(view.start, expected, _in_hours(spans), begin_s / HOUR_S, (begin_s + config.deadline_s) / HOUR_S)
    return rows, lines, picture


def run(config: GreenerConfig, child: Child, say: Callable[[str], None]) -> tuple[int, Picture | None]:
    """Run a command in its greener hours, and say what came of it; its exit code, and a picture if it ran.

    Raises:
        InputError: see `prepare`.
        OSError: the command cannot be started.
    """
    with passing_signals(child):
        view, begin_s, clock, forecasts = prepare(config, say)
        try:
            flown = Pilot(config, view, child, clock=clock, begin_s=begin_s, say=say).fly()
        finally:
            forecasts.close()
    if not flown.spans:
        say("stopped before the command was started")
        return flown.code, None
    if child.state != "ended":
        say("stopped while the command was paused at its checkpoint; start it again to go on")
    for line in report_lines(flown, view, config):
        say(line)
    return flown.code, _followed(flown, view)


def report_lines(flown: Flown, view: GridView, config: GreenerConfig) -> list[str]:
    """How a job ended, what it emitted and what it saved."""
    trace = view.trace(flown.ended_s)
    account = account_of(config, trace, flown.spans, begin_s=flown.begin_s, pauses=flown.pauses)
    lines = outcome_lines(flown, config) + account_lines(account, config)
    if flown.ended_s > view.known_s:
        lines.append("the trace ended before the command did; its last day was charged again")
    if isinstance(view.grid, LiveGrid):
        lines += [f"grid: {line}" for line in view.grid.in_words()]
    return lines


def account_lines(account: Account, config: GreenerConfig) -> list[str]:
    """What was emitted and saved, and by which model."""
    share = account.saved_g / account.at_once_g if account.at_once_g else 0.0
    word = "saved" if account.saved_g >= 0 else "more than"
    against = f"{abs(account.saved_g):.3g} g ({abs(share):.0%}) {word} {'against ' * (word == 'saved')}starting at once"
    waiting = f"{config.idle_power:g} W" if config.idle_power else "nothing"
    return [
        f"{account.spent_g:.3g} gCO2eq spent, {against} ({account.at_once_g:.3g} g)",
        f"modelled: {config.power:g} W while it runs, {waiting} while it waits, PUE {config.pue:g}",
    ]


def say_to_stderr(line: str) -> None:
    """A line of jcenas among those of the command."""
    print(f"jcenas: {line}", file=sys.stderr, flush=True)


def say_nothing(line: str) -> None:
    """For --quiet."""
    del line


def _clock_time(view: GridView, moment_s: float) -> str:
    return f"{view.when(moment_s):%a %H:%M}"


def _in_hours(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(first / HOUR_S, last / HOUR_S) for first, last in spans]


def _followed(flown: Flown, view: GridView) -> Picture:
    charged = view.trace(flown.ended_s)
    until_s = max(flown.ended_s, min(flown.deadline_s, view.known_s - 1))  # hours to come may be unknown
    values: Any = charged.hourly()[: int(until_s // HOUR_S) + 1]
    return Picture(view.start, values, _in_hours(flown.spans), flown.begin_s / HOUR_S, flown.deadline_s / HOUR_S)
