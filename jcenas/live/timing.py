"""What trainings take, measured before the first hour: a light and a heavy network, a chunk of steps each.

Where nobody says how many candidates a device trains at once, several numbers are measured and the best is chosen.
"""

import math
from collections.abc import Sequence

import numpy as np

from jcenas.carbon.meters.metering import Metering
from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.images import RunImages
from jcenas.live.programs import DevicePrograms
from jcenas.live.side_by_side import MOST_SHARE, choose, refusing_too_many, slots_of
from jcenas.problems.network import NetworkProblem


def measure(
    config: SearchConfig,
    images: RunImages,
    problem: NetworkProblem,
    programs: Sequence[DevicePrograms],
    count: int | None,
    meter: Metering,
) -> dict:
    """The reference point, what trainings take, and how many at once train most in a device-second.

    Args:
        config: of the run.
        images: to learn.
        problem: without what is measured here.
        programs: of each device; the first one measures.
        count: candidates that a device trains at once; None: measure and choose.
        meter: that counts the joules of inferences, where they are a cost.

    Returns:
        As the database of the run keeps it: `reference`, `seconds_at`, `latency_at` and `energy_at` of the problem;
        `supernet_s`, of the stage's supernet; `side_by_side`, the number at once; and `at_once_s`, device-seconds of an
        epoch of one candidate by number at once.

    Raises:
        InputError: a device has no room for so many at once, or the meter's readings are of no use.
    """
    error = config.reference_error or images.reference_error
    first, ends = programs[0], (problem.lightest, problem.dearest[0])

    def epochs_s(count: int) -> tuple[float, ...]:
        slots = slots_of(first, count)
        slots.seconds_per_epoch(ends[0])  # the first call is slower
        return tuple(slots.seconds_per_epoch(genome) for genome in ends)

    if count is None:
        # No more slots than the optimiser fills in an hour.
        most = min(config.proposals, config.evaluations or config.proposals) // len(programs)
        count, times = choose(epochs_s, most=most, limit_s=MOST_SHARE * config.hours * config.hour_s)
    else:
        with refusing_too_many(count):
            times = {count: epochs_s(count)}
    light, heavy = (config.epochs * seconds for seconds in times[count])
    counts = np.asarray(problem.multiply_adds(np.array(ends)), float)
    lines = {"latency_at": problem.latency_at, "energy_at": problem.energy_at}
    dearest: dict[str, float] = {}
    for line, names, counter in (("latency_at", problem.clocked, None), ("energy_at", problem.metered, meter)):
        if names:
            least = _cost_of(first, config.latency_batch, counter, ends[0])
            most = [_cost_of(first, config.latency_batch, counter, genome) for genome in problem.dearest]
            lines[line] = _line(counts, (least, most[0]))
            dearest |= dict.fromkeys(names, max(most))
    supernet = stage_from_name(config.stage).supernet
    return {
        "reference": problem.reference_point(error, dearest),
        "seconds_at": _line(counts, (light, heavy), least=1e-3),
        **lines,
        "supernet_s": config.supernet_epochs * first.seconds_per_epoch(None) if supernet else 0.0,
        "side_by_side": count,
        "at_once_s": {str(number): float(np.mean(seconds)) for number, seconds in times.items()},
    }


def _cost_of(programs: DevicePrograms, batch: int, meter: Metering | None, genome: tuple[int, ...]) -> float:
    """Seconds of one inference, or where a meter is given its joules.

    Raises:
        InputError: the meter's readings are of no use.
    """
    if meter is None:
        return programs.latency_s(genome, batch)
    joules = programs.inference_energy_j(genome, batch, meter, device=0)
    if math.isnan(joules):
        raise InputError(f"meter {meter.name} gives no readings that could be used for the energy of an inference")
    return joules


def _line(counts: np.ndarray, seconds: tuple[float, float], least: float = 0.0) -> tuple[float, float]:
    """Seconds that two networks of so many multiply-adds take as (fixed, per multiply-add)."""
    each = max(0.0, seconds[1] - seconds[0]) / max(counts[1] - counts[0], 1.0)
    return max(seconds[0] - each * counts[0], least), each
