"""The adaptive forecast of one zone: the network that knows any zone, blended with what the zone's own past tells.

Experts: the network, a ridge regression of the zone's own past (`ridge`), yesterday, and the mean of the past week.
Origins of the past, some a day, tell how well each did; `blend` learns weights and intervals from them.
With a week of history the network speaks alone. Nothing from the origin on is looked at.
"""

import datetime
from typing import NamedTuple

import jax
import numpy as np

from jcenas import units
from jcenas.carbon.forecast import blend, features, ridge
from jcenas.carbon.forecast.blend import Blending, Learnt
from jcenas.carbon.forecast.features import HORIZON_H, WINDOW_H
from jcenas.carbon.forecast.forecaster import Forecaster, log_forecast
from jcenas.carbon.forecast.network import FLOOR_G_PER_KWH, LEVELS, MEDIAN
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.errors import InputError

EXPERTS: tuple[str, ...] = ("network", "ridge", "yesterday", "7-day mean")
PERIOD_DAYS = 90  # origins in one such period look back on the same origins of the past,
BACK_DAYS = 90  # which begin so long before it: a forecast depends on its origin, not on what is forecast beside it
HISTORY_DAYS = 730  # before these, that the ridge looks back
_REFIT_H = 168  # on Mondays
_CHUNK = 60  # windows that the network forecasts at once

_network = jax.jit(jax.vmap(log_forecast, in_axes=(None, 0, 0)))
_learn = jax.jit(blend.learn, static_argnames="config")
_quantiles = jax.jit(blend.quantiles, static_argnames="config")


class Adapted(NamedTuple):
    """Forecasts at n origins."""

    log_quantiles: np.ndarray  # float32 (n, 96, 7), log g/kWh
    weights: np.ndarray  # float32 (n, 4, 4), of `EXPERTS` by day ahead
    experts: np.ndarray  # float32 (n, 4, 96), log g/kWh, of each by itself
    network: np.ndarray  # float32 (n, 96, 7), log quantiles of the network by itself


class _Period(NamedTuple):
    first: int  # row of the first origin of the past, perhaps before the series
    fits: dict[int, np.ndarray | None]  # of the ridge, by the row before which they end
    learnt: Learnt


class Adaptive:
    """Adaptive forecasts of one hourly series; what has been learnt of a period is kept."""

    def __init__(
        self,
        start: datetime.datetime,
        intensity_g_per_kwh: np.ndarray,
        forecaster: Forecaster | None = None,
        config: Blending | None = None,
    ):
        """Bind a series.

        Args:
          start: UTC begin of its first hour.
          intensity_g_per_kwh: hourly, finite, (T,).
          forecaster: the network; default: the one that ships.
          config: how fast weights and intervals follow the errors.
        """
        self._config = config or Blending()
        self._values = np.asarray(intensity_g_per_kwh, np.float64)
        self._log = np.log(np.maximum(self._values, FLOOR_G_PER_KWH))
        since = start.astimezone(datetime.UTC) - datetime.datetime(1970, 1, 5, tzinfo=datetime.UTC)  # a Monday
        self._first_hour = int(since // datetime.timedelta(hours=1))
        self._forecaster = default_forecaster() if forecaster is None else forecaster
        times = np.datetime64("1970-01-05T00", "h") + self._first_hour + np.arange(len(self._values) + HORIZON_H)
        self._calendar = features.calendar(times)
        self._periods: dict[int, _Period] = {}

    def at(self, rows: np.ndarray) -> Adapted:
        """Forecasts at origins: rows of the series, each with a week before it; T is the latest.

        Raises:
          InputError: a row with less than a week before it, or beyond the series.
        """
        rows = np.asarray(rows)
        if len(rows) and (rows.min() < WINDOW_H or rows.max() > len(self._values)):
            raise InputError(f"a forecast needs {WINDOW_H} h of history, and an origin at most at its end")
        periods = (self._first_hour + rows) // (PERIOD_DAYS * units.HOURS_PER_DAY)
        made = Adapted(
            np.empty((len(rows), HORIZON_H, len(LEVELS)), np.float32),
            np.empty((len(rows), blend.DAYS, len(EXPERTS)), np.float32),
            np.empty((len(rows), len(EXPERTS), HORIZON_H), np.float32),
            np.empty((len(rows), HORIZON_H, len(LEVELS)), np.float32),
        )
        for number in np.unique(periods):
            period, chosen = self._period(int(number)), np.flatnonzero(periods == number)
            experts, network = self._experts(rows[chosen], period.fits)
            origins = (rows[chosen] - period.first) * self._config.a_day // units.HOURS_PER_DAY
            found = _quantiles(period.learnt, experts, _spread(network), origins, config=self._config)
            made.log_quantiles[chosen], made.weights[chosen] = found
            made.experts[chosen], made.network[chosen] = experts, network
        return made

    def _period(self, number: int) -> _Period:
        """What is learnt for one period, from origins of the past that begin `BACK_DAYS` before it."""
        if number in self._periods:
            return self._periods[number]
        hours, length = units.HOURS_PER_DAY, len(self._values)
        first = (number * PERIOD_DAYS - BACK_DAYS) * hours - self._first_hour
        begin = max(0, first - HISTORY_DAYS * hours)
        count, step = (PERIOD_DAYS + BACK_DAYS) * self._config.a_day, hours // self._config.a_day
        rows = first + step * np.arange(count)
        monday = first - (self._first_hour + first) % _REFIT_H
        ends = [end for end in range(monday, first + count * step, _REFIT_H) if WINDOW_H <= end <= length]
        fits = dict(zip(ends, ridge.fits(self._log, self._first_hour, ends, begin=begin), strict=True))
        known = (rows >= WINDOW_H) & (rows <= length)
        experts = np.zeros((count, len(EXPERTS), HORIZON_H), np.float32)
        network = np.zeros((count, HORIZON_H, len(LEVELS)), np.float32)
        experts[known], network[known] = self._experts(rows[known], fits)
        ahead = rows[:, None] + np.arange(HORIZON_H)
        target = self._log[np.clip(ahead, 0, length - 1)].astype(np.float32)
        over = known[:, None] & (rows[:, None] + hours * (1 + np.arange(blend.DAYS)) <= length)
        learnt = _learn(experts, _spread(network), target, over, config=self._config)
        self._periods[number] = _Period(first, fits, learnt)
        return self._periods[number]

    def _experts(self, rows: np.ndarray, fits: dict[int, np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        """Log forecasts of every expert (n, 4, 96), and the network's quantiles (n, 96, 7)."""
        quantiles = self._by_network(rows)
        experts = np.empty((len(rows), len(EXPERTS), HORIZON_H), np.float32)
        experts[:, 0] = quantiles[..., MEDIAN]
        experts[:, 1] = experts[:, 0]  # until there is a fit
        ends = rows - (self._first_hour + rows) % _REFIT_H
        for end in np.unique(ends):
            chosen = np.flatnonzero(ends == end)
            if (weights := fits.get(int(end))) is not None:
                hours = (self._first_hour + rows[chosen]) % WINDOW_H
                x, level = ridge.inputs(self._log, hours, rows[chosen])
                experts[chosen, 1] = x @ weights + level
        days = self._values[rows[:, None] + np.arange(-WINDOW_H, 0)].reshape(len(rows), -1, units.HOURS_PER_DAY)
        for number, day in enumerate((days[:, -1], days.mean(axis=1)), start=2):
            experts[:, number] = np.log(np.maximum(np.tile(day, (1, blend.DAYS)), FLOOR_G_PER_KWH))
        return experts, quantiles

    def _by_network(self, rows: np.ndarray) -> np.ndarray:
        """Log quantiles of the network, float32 (n, 96, 7); in chunks of one size, so that one program serves all."""
        found, size = np.empty((len(rows), HORIZON_H, len(LEVELS)), np.float32), _CHUNK
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            padded = np.pad(some, (0, size - len(some)), mode="edge")
            history = np.full((size, WINDOW_H, len(features.HISTORY)), np.nan, np.float32)
            past = padded[:, None] + np.arange(-WINDOW_H, 0)
            history[..., features.INTENSITY] = self._values[past]
            history[..., -1] = self._calendar[past][..., -1]
            known = np.full((size, HORIZON_H, len(features.KNOWN)), np.nan, np.float32)
            known[..., : len(features.CALENDAR)] = self._calendar[padded[:, None] + np.arange(HORIZON_H)]
            found[begin : begin + size] = _network(self._forecaster, history, known)[: len(some)]
        return found


def _spread(quantiles: np.ndarray) -> np.ndarray:
    """Distances of quantiles (n, 96, 7) from their median."""
    return quantiles - quantiles[..., MEDIAN : MEDIAN + 1]
