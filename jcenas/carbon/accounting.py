"""Energy and emissions of intervals of time, exact for an intensity that is constant in each step of its trace.

An interval [t0, t1) is given in trace hours. Its emissions are power * PUE * the integral of the intensity over it; the
integral is split at the borders of the trace's steps, so an interval that straddles two hours is charged to both.

Precision: float64 on the host, each interval integrated by itself (no difference of large running totals), sums
correctly rounded.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError


class Charge(NamedTuple):
    """Energy drawn from the grid (PUE included) and its emissions; floats or arrays of one shape."""

    energy_kwh: np.ndarray | float
    emissions_g: np.ndarray | float


def intensity_integral(trace: CarbonTrace, start_h, end_h) -> np.ndarray:
    """Integral of the intensity over trace hours [start_h, end_h), in g/kWh * h, float64 of the broadcast shape.

    The parts of the first and the last step are computed by themselves, so an interval inside one step has no rounding
    error from the rest of the trace.

    Args:
      trace: the intensities.
      start_h: begin in hours since the start of the trace, float or array.
      end_h: end in the same hours, float or array.

    Raises:
      InputError: if an interval is reversed or leaves the trace.
    """
    per_hour = trace.steps_per_hour
    start, end = np.broadcast_arrays(np.asarray(start_h, np.float64), np.asarray(end_h, np.float64))
    whole_h = len(trace) / per_hour
    bad = ~((start >= 0) & (start <= end) & (end <= whole_h))  # written so that NaN is bad
    if bad.any():
        raise InputError(
            f"interval {start[bad][0]:g} .. {end[bad][0]:g} h is not inside the trace's 0 .. {whole_h:g} h; "
            "give a longer trace or run shorter"
        )
    values = trace.intensity_g_per_kwh
    start, end = start * per_hour, end * per_hour
    first = np.minimum(np.floor(start).astype(int), len(trace) - 1)
    last = np.minimum(np.floor(end).astype(int), len(trace) - 1)
    lowest, highest = first.min(initial=len(trace) - 1), last.max(initial=0)
    before = np.concatenate(([0.0], np.cumsum(values[lowest:highest])))  # sum of the steps before lowest + k
    inside = values[first] * (end - start)
    whole = before[last - lowest] - before[np.minimum(first + 1, highest) - lowest]
    across = values[first] * (first + 1 - start) + whole + values[last] * (end - last)
    return np.where(first == last, inside, across) / per_hour


def charge(
    trace: CarbonTrace,
    start_h,
    end_h,
    power_w,
    *,
    pue: float = 1.0,
    hour_seconds: float = units.SECONDS_PER_HOUR,
) -> Charge:
    """Charge constant powers over trace hours [start_h, end_h), split exactly at the steps of the trace.

    Args:
      trace: intensities, gCO2eq/kWh.
      start_h: begin in hours since the start of the trace, float or array.
      end_h: end in the same hours, float or array.
      power_w: power of the device or of the devices together, W, float or array.
      pue: power usage effectiveness, >= 1.
      hour_seconds: device seconds that one trace hour lasts; 3600 in real time, fewer in a sped-up demonstration.

    Returns:
      Energy in kWh and emissions in gCO2eq, both with PUE: floats for floats, else float64 arrays.

    Raises:
      InputError: if an interval is reversed or leaves the trace.
    """
    integral = intensity_integral(trace, start_h, end_h)
    kwh_per_h = np.asarray(power_w, np.float64) * (hour_seconds / units.JOULES_PER_KWH) * pue
    energy = kwh_per_h * (np.asarray(end_h, np.float64) - np.asarray(start_h, np.float64))
    emissions = kwh_per_h * integral
    if emissions.ndim == 0:
        return Charge(float(energy), float(emissions))
    return Charge(np.broadcast_to(energy, emissions.shape), emissions)


def total(charges: Iterable[Charge]) -> Charge:
    """Sum of charges (of floats or arrays), correctly rounded (`math.fsum`): no drift, whatever their number."""
    charges = list(charges)
    energy = np.concatenate([np.ravel(one.energy_kwh) for one in charges]) if charges else ()
    emissions = np.concatenate([np.ravel(one.emissions_g) for one in charges]) if charges else ()
    return Charge(math.fsum(energy), math.fsum(emissions))
