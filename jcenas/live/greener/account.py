"""What a job has emitted, and what it would have emitted had it started at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jcenas.carbon.accounting import charge
from jcenas.carbon.trace import CarbonTrace
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.known import HOUR_S

Span = tuple[float, float]  # begin and end, s


class Account(NamedTuple):
    """Modelled energy and emissions of a job.

    Attributes:
        energy_kwh: drawn from the grid, waiting included where that is charged.
        spent_g: emitted, gCO2eq.
        at_once_g: what the same work, without what the pauses cost, would have emitted from the begin on.
    """

    energy_kwh: float
    spent_g: float
    at_once_g: float

    @property
    def saved_g(self) -> float:
        """Emissions spared, gCO2eq; below 0 where waiting cost more than it spared."""
        return self.at_once_g - self.spent_g


def account_of(
    config: GreenerConfig, trace: CarbonTrace, spans: Sequence[Span], *, begin_s: float, pauses: int
) -> Account:
    """Charge the times in which a job ran, and those between where its waiting draws power.

    Args:
        config: powers, and what a pause costs.
        trace: intensities, until the last span ends.
        spans: in which it ran, in their order.
        begin_s: when it could have started.
        pauses: that it made.
    """
    if not spans:
        return Account(0.0, 0.0, 0.0)

    def charged(between: Sequence[Span], power_w: float) -> tuple[float, float]:
        first, last = np.array(between, float).reshape(-1, 2).T / HOUR_S
        done = charge(trace, first, last, power_w, pue=config.pue, hour_seconds=config.hour_seconds)
        return float(np.sum(done.energy_kwh)), float(np.sum(done.emissions_g))

    ran_s = sum(last - first for first, last in spans)
    at_once = charged([(begin_s, begin_s + max(ran_s - pauses * config.pause_cost_s, 0.0))], config.power)
    running = charged(spans, config.power)
    ends = [begin_s, *(last for _, last in spans[:-1])]
    waiting = charged([(end, first) for end, (first, _) in zip(ends, spans, strict=True)], config.idle_power)
    return Account(running[0] + waiting[0], running[1] + waiting[1], at_once[1])
