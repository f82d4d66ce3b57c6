"""What a provider knows of a period where it does not know all of it: the hour that has just begun, the coming day.

Services publish the present hour late, or as a forecast that begins some minutes into it. What there is counts, and is
marked as estimated.
"""

import dataclasses
import datetime
from collections.abc import Callable

import numpy as np

from jcenas.carbon.providers.base import (
    NoAnswerError,
    NotCoveredError,
    Provider,
    ProviderError,
    RefusedError,
    full_hours,
    hours_from,
)
from jcenas.carbon.trace import CarbonTrace

HOUR = datetime.timedelta(hours=1)
_HOUR_S = 3600
_LEAST_SHARE = 0.5  # of the present hour that must be known or expected


def recorded(provider: Provider, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
    """As much of [start, end) as a provider has, in its own steps.

    Raises:
      ProviderError: if it has nothing of it, or fails.
    """
    start, end = full_hours(start, end)
    return _part(lambda: provider.history(zone, start, end), start, end)


def present(provider: Provider, zone: str, start: datetime.datetime) -> CarbonTrace:
    """The hour from `start` on, which has just begun, as one step of an hour.

    What the provider has of it; for the rest of the hour what it expects. Where half of the hour or more is neither,
    the provider does not know it.

    Raises:
      ProviderError: if it does not know the hour, or fails.
    """
    start, end = full_hours(start, start + HOUR)
    had = expected = None
    try:
        had = _part(lambda: provider.history(zone, start, end), start, end)
    except (NoAnswerError, RefusedError):
        raise
    except ProviderError as error:
        failure = error
    else:
        failure = ProviderError(f"{provider.name} knows too little of the hour from {start:%Y-%m-%d %H:%M} UTC on")
        if had.hours == 1:
            return had.resample(_HOUR_S)
    try:
        expected = _part(lambda: provider.forecast(zone, start, 1), start, end)
    except ProviderError:
        if had is None:
            raise failure from None
    parts = [part for part in (expected, had) if part is not None]
    seconds = _by_second(parts, start, 1)
    known = np.isfinite(seconds)
    if known.mean() < _LEAST_SHARE:
        raise failure
    return CarbonTrace(
        start=start,
        intensity_g_per_kwh=np.array([seconds[known].mean()]),
        zone=parts[-1].zone,
        source=parts[-1].source,
        kind=parts[-1].kind,
        factors=parts[-1].factors,
        estimated=np.ones(1, bool),
        notes=parts[-1].notes,
    )


def coming(provider: Provider, zone: str, start: datetime.datetime, hours: int) -> np.ndarray:
    """A provider's own forecast of the hours from `start` on, gCO2eq/kWh, float64 (hours,); NaN where it has none.

    Raises:
      ProviderError: if it has none of them, or fails.
    """
    start, end = hours_from(start, hours)
    return by_hour(_part(lambda: provider.forecast(zone, start, hours), start, end), start, hours)[0]


def by_hour(trace: CarbonTrace, start: datetime.datetime, hours: int) -> tuple[np.ndarray, np.ndarray]:
    """A trace in the hours from `start` on, which it may cover in part.

    Returns:
      Means, gCO2eq/kWh, float64 (hours,), NaN for an hour that the trace has not all of; and which are estimated, bool.
    """
    seconds = _by_second([trace], start, hours).reshape(hours, _HOUR_S)
    first = seconds[:, :1]
    values = (first + (seconds - first).mean(axis=1, keepdims=True))[:, 0]  # exact where an hour has one value
    if trace.estimated is None:
        return values, np.zeros(hours, bool)
    flags = dataclasses.replace(trace, intensity_g_per_kwh=trace.estimated.astype(float))
    estimated = np.nan_to_num(_by_second([flags], start, hours)).reshape(hours, _HOUR_S)
    return values, np.asarray(estimated.any(axis=1))


def _part(ask: Callable[[], CarbonTrace], start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
    """What an answer has of [start, end), in whole steps."""
    try:
        return ask()
    except NotCoveredError as error:
        trace, step = error.trace, datetime.timedelta(seconds=error.trace.step_seconds)
        first = max(0, -((trace.start - start) // step) if trace.start < start else 0)
        last = min(len(trace), (end - trace.start) // step)
        if first >= last:
            raise
        return trace.slice(first, last)


def _by_second(parts: list[CarbonTrace], start: datetime.datetime, hours: int) -> np.ndarray:
    """Intensities by second from `start` on, float64 (hours * 3600,), NaN where unknown; later parts rule."""
    seconds = np.full(hours * _HOUR_S, np.nan)
    for part in parts:
        first = int((part.start - start).total_seconds())
        values = np.repeat(part.intensity_g_per_kwh, part.step_seconds)
        seconds[first : first + len(values)] = values[: len(seconds) - first]
    return seconds
