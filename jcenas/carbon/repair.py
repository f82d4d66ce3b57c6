"""A service's answer on equal steps: entries that come twice are averaged, short gaps filled, both marked estimated.

Services repeat and leave out entries, and no client can mend their records (Great Britain's has held the half hour from
2021-04-19 19:00 UTC twice ever since). A user's own CSV file is not treated so: there the user can look and decide.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jcenas.carbon.checks import commonest_step
from jcenas.errors import InputError

MAX_GAP_H = 6  # inside: a straight line over more would hide a ramp
MAX_END_H = 3  # at the ends, where the nearest value is held
REMEDY = "ask for another period, or name another provider to stand in"


class Series(NamedTuple):
    """Intensities on equal steps without gaps."""

    start: datetime.datetime
    step_seconds: int
    values: np.ndarray  # float64 (T,), the unit of the input
    estimated: np.ndarray  # bool (T,)
    notes: tuple[str, ...]


def regular(
    source: object, stamps: Sequence[datetime.datetime], values: Sequence[float], flags: Sequence[bool]
) -> Series:
    """Put a service's entries on equal steps.

    Args:
      source: address or file, for messages.
      stamps: times in UTC, in any order, at least one.
      values: intensities; NaN where the service gave none.
      flags: whether the service calls the value estimated.

    Raises:
      InputError: if no value is known, the steps are irregular or do not divide an hour, or more is missing than
        6 hours inside or 3 hours at an end.
    """
    order = np.argsort([when.timestamp() for when in stamps], kind="stable")
    seconds = np.array([stamps[i].timestamp() for i in order])
    given, marked = np.asarray(values, float)[order], np.asarray(flags, bool)[order]
    known = np.isfinite(given)
    if not known.any():
        raise InputError(f"{source}: the service gave no intensity at all; {REMEDY}")
    step = commonest_step(np.diff(seconds)) or 3600  # a single entry is an hour
    places, rest = np.divmod(seconds - seconds[0], step)
    if 3600 % step or rest.any():
        raise InputError(f"{source}: the service answered in irregular steps; {REMEDY}")
    present = np.unique(places[known])
    _check_gaps(source, stamps[order[0]], step, np.concatenate(([-1.0], present, [places[-1] + 1])))

    size = int(places[-1]) + 1
    index = places.astype(int)
    count = np.bincount(index[known], minlength=size)
    total = np.bincount(index[known], given[known], minlength=size)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, index[known], given[known])
    np.maximum.at(high, index[known], given[known])
    estimated = np.zeros(size, bool)
    np.logical_or.at(estimated, index[known], marked[known])
    missing, differing = count == 0, (count > 1) & (high > low)
    filled = np.interp(np.arange(size), np.flatnonzero(~missing), total[~missing] / count[~missing])
    notes = []
    if differing.any():
        notes.append(f"{differing.sum()} steps came more than once from the service: averaged, marked estimated")
    if missing.any():
        notes.append(f"{missing.sum()} of {size} steps were missing from the service: filled in, marked estimated")
    return Series(stamps[order[0]], step, filled, estimated | missing | differing, tuple(notes))


def _check_gaps(source: object, start: datetime.datetime, step: int, edges: np.ndarray) -> None:
    """Refuse gaps that are too long; `edges` are the known places with one before the first and after the last."""
    gaps = np.diff(edges) - 1
    limits = np.full(gaps.size, MAX_GAP_H * 3600 / step)
    limits[[0, -1]] = MAX_END_H * 3600 / step
    for i in np.flatnonzero(gaps > limits)[:1]:
        when = start + datetime.timedelta(seconds=float(edges[i] + 1) * step)
        hours = gaps[i] * step / 3600
        raise InputError(f"{source}: the service left out {hours:g} h from {when:%Y-%m-%d %H:%M} UTC on; {REMEDY}")
