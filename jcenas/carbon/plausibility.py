"""Warnings about a trace that is allowed but looks wrong: stuck readings, jumps, zeros, unlikely levels, estimates."""

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace

FLAT_HOURS = 24  # so many equal values in a row look like a stuck reading
JUMP_SHARE = 0.75  # a change within an hour by this share of the whole range looks like an error
HIGH_G_PER_KWH = 1500.0  # above every grid; a plant of lignite alone has some 1,200
LOW_G_PER_KWH = 2.0  # below every grid, but not below a grid in kg per kWh


def warnings(trace: CarbonTrace) -> list[str]:
    """Sentences on what looks wrong though it is allowed; empty for a sound trace."""
    values, found = trace.intensity_g_per_kwh, []
    per_hour = trace.steps_per_hour
    changes = np.flatnonzero(np.diff(values) != 0)
    runs = np.diff(np.concatenate(([-1], changes, [values.size - 1])))
    if runs.max() >= FLAT_HOURS * per_hour:
        begin = int(np.concatenate(([-1], changes))[runs.argmax()]) + 1
        found.append(f"{runs.max() / per_hour:g} hours of the same value from {_when(trace, begin)}: a stuck reading?")
    jumps = np.flatnonzero(np.abs(np.diff(values)) > JUMP_SHARE * max(np.ptp(values), 1e-9))
    if jumps.size and values.size > units.HOURS_PER_WEEK * per_hour:
        found.append(f"{jumps.size} jumps over most of the range, the first at {_when(trace, int(jumps[0]) + 1)}")
    if (values == 0).any():
        found.append(
            f"{int((values == 0).sum())} steps with intensity 0, the first at {_when(trace, int(values.argmin()))}"
        )
    if values.max() > HIGH_G_PER_KWH:
        found.append(f"intensities up to {values.max():.0f} gCO2eq/kWh: in g per kWh, not per MWh or pounds?")
    elif 0 < values.max() < LOW_G_PER_KWH:
        found.append(f"no intensity above {values.max():.3g}: in g, not in kg per kWh?")
    if trace.estimated is not None and trace.estimated.mean() > 0.5:
        found.append(f"{trace.estimated.mean():.0%} of the values are estimates")
    return found


def _when(trace: CarbonTrace, step: int) -> str:
    return str(trace.times[step]).replace("T", " ") + " UTC"
