"""What a waiting job knows of the grid: the hours that have begun, and a forecast of those until its deadline.

`open_grid` is the one place where hours come from: a file, a typical year, or providers that are asked for each hour
when it comes, as in a search.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine import grid as grids
from jcenas.engine.grid import Grid, GridHours
from jcenas.errors import InputError
from jcenas.live import grid_start
from jcenas.live.greener.config import GreenerConfig

HOUR_S = units.SECONDS_PER_HOUR
# Quantiles of 10, 50 and 90 % weighted so give the mean of a skewed distribution (Hurst, Brown and Swanson 2000): the
# emissions of a plan are a sum, and what is expected of a sum is the sum of the means.
MEAN_OF_QUANTILES = np.array([0.3, 0.4, 0.3])

Ask = Callable[[GridHours, grids.Forecast, int, int], np.ndarray]


def ask_here(grid: GridHours, kind: grids.Forecast, hour: int, lead_h: int) -> np.ndarray:
    """Quantiles of the coming hours, (lead_h, 3), computed by this process."""
    return grid.forecast(kind, hour, lead_h=lead_h)


def open_grid(config: GreenerConfig, now: datetime, say: Callable[[str], None]) -> tuple[Grid, float]:
    """The grid's hours from that of now on until the deadline, and how many seconds after their begin now is.

    Args:
        config: of the job.
        now: UTC; `config.start` takes its place.
        say: told what is strange about a trace, who is asked, and of providers that fail, now and later.

    Raises:
        InputError: as of `jcenas.engine.grid.choose` and `jcenas.live.grid_start.begin`; the trace does not cover the
            time until the deadline.
    """
    begin = grids.parse_start(config.start) if config.start else now
    if config.provider:  # their own forecasts stay out: ours are made in a process of their own
        live = grid_start.begin(config, say, now=begin, beside=False)
        return live, (begin - live.start).total_seconds()
    hours = 1 if config.trace is not None else math.ceil(config.deadline_s / HOUR_S) + 1  # of a file comes all there is
    try:
        grid = grids.choose(
            trace=config.trace, zone=config.zone, start=begin.isoformat(), hours=hours, column=config.column
        )
    except InputError as error:
        if config.trace is None or config.start or "outside" not in str(error):
            raise
        raise InputError(f"{error}; give --start for a trace of the past, or --zone instead of it") from error
    begin_s = (begin - grid.trace.start).total_seconds()
    if grid.trace.hours * HOUR_S < begin_s + config.deadline_s:
        ends = grid.trace.start + timedelta(hours=grid.trace.hours)
        raise InputError(
            f"{config.trace}: ends at {ends:%Y-%m-%dT%H:%MZ}, before the deadline in {config.deadline}; give a longer "
            "trace, a sooner --deadline, or an earlier --start"
        )
    for note in grid.trace.notes:
        say(f"warning: {note}")
    return grid, begin_s


class GridView:
    """Intensities that are expected from an hour on, asked for once in each hour."""

    def __init__(self, grid: Grid, kind: grids.Forecast, *, until_s: float, ask: Ask = ask_here):
        """Bind the grid.

        Args:
            grid: its hours; they may become known as they come.
            kind: of the forecast.
            until_s: end of what is asked for, s since the begin of the grid's first hour.
            ask: who computes the quantiles.
        """
        self.grid, self._ask = grid, ask
        self._kind: grids.Forecast = kind
        self._hours = math.ceil(until_s / HOUR_S)
        self._last: tuple[int, np.ndarray] | None = None

    def expected(self, hour: int) -> np.ndarray:
        """Mean intensity of this hour, which is known, and of each until the end, g/kWh float64 (hours,)."""
        if self._last is None or self._last[0] != hour:
            quantiles = self._ask(self.grid.known(hour), self._kind, hour, max(self._hours - hour, 1))
            values = np.asarray(quantiles, float) @ MEAN_OF_QUANTILES
            self._last = hour, values
        return self._last[1]

    @property
    def start(self) -> datetime:
        """Begin of the grid's first hour, UTC."""
        return self.grid.known(0).trace.start

    @property
    def known_s(self) -> float:
        """End of the hours that are known, s."""
        return self.grid.known(0).trace.hours * HOUR_S

    def told(self) -> str:
        """Where what is expected comes from, in a few words."""
        return self.grid.known(0).told(self._kind)

    def when(self, moment_s: float) -> datetime:
        """The UTC time of a moment."""
        return datetime.fromtimestamp(self.start.timestamp() + moment_s, UTC)

    def trace(self, until_s: float) -> CarbonTrace:
        """The intensities to charge by until a moment that has come; beyond a record's end its last day is repeated."""
        return lengthened(self.grid.known(math.floor(until_s / HOUR_S)).trace, math.ceil(until_s / HOUR_S) + 1)


def lengthened(trace: CarbonTrace, hours: int) -> CarbonTrace:
    """A trace of so many hours at least, whose last day is repeated beyond its end."""
    missing = hours * trace.steps_per_hour - len(trace)
    if missing <= 0:
        return trace
    day = trace.intensity_g_per_kwh[-units.HOURS_PER_DAY * trace.steps_per_hour :]
    return trace.followed_by(np.tile(day, -(-missing // len(day))))


def expected_trace(grid: Grid, expected: np.ndarray) -> CarbonTrace:
    """Expected intensities from the grid's first hour on, as a trace."""
    trace, flags = grid.known(0).trace, np.ones(len(expected), bool)
    return CarbonTrace(start=trace.start, intensity_g_per_kwh=expected, zone=trace.zone, estimated=flags)
