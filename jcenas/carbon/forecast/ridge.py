"""Ridge regression of a zone's next 96 hours on its past week and the hour of the week, refitted as hours come.

One set of weights for origins at every hour, in closed form, of log intensities against the mean of the past week.
Every fit sees only windows whose 96 hours are over. Older windows count less: half as much after `HALF_LIFE_DAYS`.
"""

from collections.abc import Sequence

import numpy as np

from jcenas import units
from jcenas.carbon.forecast.features import HORIZON_H, WINDOW_H

PENALTY = 1.0
HALF_LIFE_DAYS = 365.0
MIN_DAYS = 28  # of windows that are over, before there is a fit
# Cycles a week of the waves of the calendar: the week, the day and its parts, and how weekends differ in them.
_CYCLES = np.array([1, 2, 3, 6, 7, 8, 13, 14, 15, 21, 28])
_CALENDAR = 0.3  # size of the waves beside log intensities, whose own swings are about so large


def inputs(log_series: np.ndarray, hours_of_week: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, p) of windows and their levels (n, 1), float64.

    Args:
      log_series: log g/kWh (T,).
      hours_of_week: of the origins, (n,).
      rows: of the origins, (n,); the 168 hours before each are looked at.
    """
    past = log_series[rows[:, None] + np.arange(-WINDOW_H, 0)]
    level = past.mean(axis=1, keepdims=True)
    angle = 2 * np.pi / WINDOW_H * (hours_of_week[:, None] * _CYCLES)
    ones = np.ones((len(rows), 1))
    return np.concatenate((past - level, _CALENDAR * np.concatenate((np.sin(angle), np.cos(angle), ones), 1)), 1), level


def fits(log_series: np.ndarray, first_hour: int, ends: Sequence[int], *, begin: int = 0) -> list[np.ndarray | None]:
    """Weights (p, 96) for each end: fitted to the hours before it, None where they are too few.

    Args:
      log_series: log g/kWh (T,).
      first_hour: hour of the week of its first hour.
      ends: rows, ascending; T is the latest.
      begin: row before which nothing is looked at.
    """
    found: list[np.ndarray | None] = []
    first = begin + WINDOW_H
    size = WINDOW_H + 2 * len(_CYCLES) + 1
    gram, moment = np.zeros((size, size)), np.zeros((size, HORIZON_H))
    seen, before = first, first
    for end in ends:
        rows = np.arange(seen, max(seen, end - HORIZON_H + 1))
        if len(rows):
            age_days = (rows[-1] - rows) / units.HOURS_PER_DAY
            weight = 0.5 ** (age_days / HALF_LIFE_DAYS)
            x, level = inputs(log_series, (first_hour + rows) % WINDOW_H, rows)
            y = log_series[rows[:, None] + np.arange(HORIZON_H)] - level
            weighted = (x * weight[:, None]).T
            fade = 0.5 ** ((rows[-1] - before) / units.HOURS_PER_DAY / HALF_LIFE_DAYS)
            gram, moment = weighted @ x + fade * gram, weighted @ y + fade * moment
            before, seen = rows[-1], end - HORIZON_H + 1
        enough = end - HORIZON_H + 1 - first >= MIN_DAYS * units.HOURS_PER_DAY
        found.append(np.linalg.solve(gram + PENALTY * np.eye(size), moment) if enough else None)
    return found
