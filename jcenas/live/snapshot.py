"""Where a running search stands, as the record that observers show."""

import math

from jcenas.carbon.trace import CarbonTrace
from jcenas.live.config import SearchConfig
from jcenas.live.ledger import Ledger
from jcenas.live.progress import Progress, Running
from jcenas.live.state import SearchState
from jcenas.spaces.nasbench201 import to_string

_FIRST_ESTIMATE_H = 0.5  # trace hours before the time left can be extrapolated


def snapshot(
    name: str,
    config: SearchConfig,
    trace: CarbonTrace,
    ledger: Ledger,
    state: SearchState,
    *,
    stage: str,
    share: float,
    fractions: dict[int, tuple[int, float]],
    elapsed_s: float,
    message: str,
) -> Progress:
    """The present moment.

    Args:
        name: of the run.
        config: of the run.
        trace: carbon intensities, hour 0 being the run's first.
        ledger: clocks and books.
        state: proposals, queue and evaluations.
        stage: "supernet" or "search".
        share: of evaluation in this hour; NaN before the first decision.
        fractions: device and share of the steps done, by the number of each running training.
        elapsed_s: wall seconds since the start of this process's part of the run.
        message: what has just happened.
    """
    hour = min(ledger.clock)
    whole = math.floor(hour + 1e-9)
    running = []
    for proposal, (device, fraction) in list(fractions.items()):
        job = state.running.get(proposal)
        if job is not None:
            running.append(Running(device, to_string(job.genome), fraction))
    return Progress(
        run=name,
        stage=stage,
        hour=min(whole, config.hours),
        hours_total=config.hours,
        time_utc=ledger.time_utc(whole),
        intensity_g_per_kwh=trace.at_hour(min(whole, trace.hours - 1)),
        evaluation_share=None if math.isnan(share) else share,
        queued=len(state.queue),
        halfway=len(state.halfway),
        running=tuple(running),
        evaluations=state.evaluations + state.failed,
        failed=state.failed,
        best_accuracy=state.best_accuracy(),
        hypervolume=state.hypervolume(),
        emissions_g=ledger.emissions_g,
        carbon_budget_g=config.carbon_budget,
        elapsed_s=elapsed_s,
        left_s=elapsed_s * (config.hours - hour) / hour if hour > _FIRST_ESTIMATE_H else None,
        message=message,
    )
