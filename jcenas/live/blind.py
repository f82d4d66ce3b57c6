"""The same search blind to the grid: its own recorded work, done at once and without pause.

What a run saved by waiting for cleaner hours is a comparison with what it would have emitted had it not waited: the
same trainings in the same order, scores and preparations before them, on the same devices, from the first hour on. It
holds the work equal, so it says nothing of what another search method would have found.
"""

import heapq
from collections.abc import Sequence

from jcenas.carbon.accounting import charge
from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace


def blind_emissions_g(
    trace: CarbonTrace,
    power: PowerModel,
    *,
    before_s: dict[str, float],
    trainings_s: Sequence[float],
    devices: int,
    hour_s: float,
) -> float:
    """Emissions, gCO2eq, of the work done without pause from the trace's begin.

    Args:
      trace: whose first step is the run's first hour.
      power: of a device by state, and PUE.
      before_s: device-seconds by state of what all devices share before and beside the trainings (supernet as
        "training", "scoring", "compiling").
      trainings_s: device-seconds of each training, in the order in which they ended.
      devices: that take the trainings, the first free one next; who has none left waits for the last.
      hour_s: device-seconds that an hour of the trace lasts.
    """
    last_h = len(trace) / trace.steps_per_hour

    def grams(state: str, begin: float, end: float) -> float:
        begin, end = min(begin, last_h), min(end, last_h)
        watts = power.power_w(state)
        return float(charge(trace, begin, end, watts, pue=power.pue, hour_seconds=hour_s).emissions_g)

    total, now = 0.0, 0.0
    for state, seconds in before_s.items():
        end = now + seconds / hour_s / devices
        total += devices * grams(state, now, end)
        now = end
    free = [now] * devices
    for seconds in trainings_s:
        begin = heapq.heappop(free)
        heapq.heappush(free, begin + seconds / hour_s)
        total += grams("training", begin, begin + seconds / hour_s)
    end = max(free)
    return total + sum(grams("idle", begin, end) for begin in free)
