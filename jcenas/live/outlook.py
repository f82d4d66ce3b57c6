"""What the policy is told of the coming hours: the shipped forecaster's view of them, from what went before alone."""

from datetime import timedelta

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace
from jcenas.live import trace_source

MODEL = "jcenas forecaster, from the hours before"
TRACE = "the trace's own coming hours, as if forecast without error"


class Outlook:
    """Coming intensities of a run. With a week of history they are forecast anew each hour; else the trace's own."""

    def __init__(self, trace: CarbonTrace, past: CarbonTrace | None, hours: int):
        """Look `hours` ahead. `past` ends where `trace` begins; None tells the trace's own hours."""
        self.trace, self.hours = trace, hours
        self._all = None if past is None else _joined(past, trace)
        self._past_hours = 0 if past is None else past.hours

    @property
    def source(self) -> str:
        """Where the figures come from, for the books."""
        return TRACE if self._all is None else MODEL

    def window(self, hour: int) -> np.ndarray:
        """Intensities of the hours from `hour` on, gCO2eq/kWh; what the trace says of them is not looked at."""
        if self._all is None:
            return trace_source.window(self.trace, hour, self.hours)
        from jcenas.carbon.forecast import forecast_trace

        known = self._all.slice(0, self._past_hours + min(hour, self.trace.hours))
        return forecast_trace(known).point_g_per_kwh[: self.hours]


def _joined(past: CarbonTrace, trace: CarbonTrace) -> CarbonTrace:
    """Both as one hourly trace of intensities."""
    values = np.concatenate([past.window(0, past.hours), trace.window(0, trace.hours)])
    start = trace.start - timedelta(hours=past.hours)
    hour = int(units.SECONDS_PER_HOUR)
    return CarbonTrace(start=start, intensity_g_per_kwh=values, step_seconds=hour, zone=trace.zone)
