"""The carbon-intensity trace of one run: chosen, checked against the run's length, and kept in the run folder."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig

_FILE, _PAST = "trace.csv", "history.csv"
_TYPICAL_START = datetime(2023, 6, 1, 12, tzinfo=UTC)  # a weekday's dawn in California: dirty, then sunny
PAST_H = 168  # hours before the run that a forecast needs
_AFTER_H = 1000  # hours behind the end of the run at the last intensity, for the job that is in flight there


def choose(config: SearchConfig) -> tuple[CarbonTrace, float]:
    """The trace from the run's start on, and the mean intensity of all that is known of it.

    Raises:
        InputError: unknown zone, unreadable file, a start outside it, or a trace shorter than the run.
    """
    if config.trace is None:
        trace, mean = _typical(config)
    else:
        from jcenas.carbon.csv_file import read_csv

        trace = read_csv(config.trace)
        mean = trace.mean()
        if config.start:
            trace = trace.slice(trace.index_of(_utc(config.start)))
    if trace.hours < config.hours or len(trace) < 2:
        where = config.trace or config.zone
        raise InputError(
            f"{where}: {trace.hours} h from {trace.start:%Y-%m-%dT%H:%MZ} on, but --hours {config.hours}; "
            f"set --hours {trace.hours} or less, an earlier --start, or give a longer trace"
        )
    return trace, mean


def _typical(config: SearchConfig) -> tuple[CarbonTrace, float]:
    from jcenas.carbon.typical_year import typical_year

    start = _utc(config.start) if config.start else _TYPICAL_START
    hours = config.hours + config.window
    return typical_year(config.zone, start=start, hours=hours), typical_year(config.zone).mean()


def choose_past(config: SearchConfig, trace: CarbonTrace) -> CarbonTrace | None:
    """The week before the run, hours that a forecast may look at; None where a file does not reach back so far."""
    if config.trace is None:
        from jcenas.carbon.typical_year import typical_year

        return typical_year(config.zone, start=trace.start - timedelta(hours=PAST_H), hours=PAST_H)
    from jcenas.carbon.csv_file import read_csv

    whole = read_csv(config.trace)
    first, steps = whole.index_of(trace.start), PAST_H * whole.steps_per_hour
    return whole.slice(first - steps, first) if first >= steps else None


def _utc(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--start {text}: not a time; write it like 2023-06-01T00:00Z") from error
    if when.tzinfo is None:
        raise InputError(f"--start {text}: has no time zone; write {text}Z for UTC")
    return when.astimezone(UTC)


def describe(trace: CarbonTrace, mean: float) -> dict:
    """What config.json says about the trace."""
    return {
        "zone": trace.zone,
        "source": trace.source,
        "kind": trace.kind,
        "factors": trace.factors,
        "start_utc": trace.start.isoformat(),
        "step_seconds": trace.step_seconds,
        "mean_g_per_kwh": mean,
    }


def keep(trace: CarbonTrace, folder: Path, past: CarbonTrace | None = None) -> None:
    """Write the trace and its past into the run folder: the run goes on with them even if the original changes."""
    _write(trace, folder / _FILE)
    if past is not None:
        _write(past, folder / _PAST)


def _write(trace: CarbonTrace, path: Path) -> None:
    times = np.datetime_as_string(trace.times, unit="s")
    lines = [f"{t}Z,{float(v)!r}\n" for t, v in zip(times, trace.intensity_g_per_kwh, strict=True)]
    path.write_text("time_utc,intensity_g_per_kwh\n" + "".join(lines))


def recall_past(folder: Path) -> CarbonTrace | None:
    """The week before the run that `keep` wrote, or None where there was none."""
    from jcenas.carbon.csv_file import read_csv

    path = folder / _PAST
    return read_csv(path) if path.exists() else None


def recall(folder: Path, record: dict) -> tuple[CarbonTrace, float]:
    """The trace that `keep` wrote, with the record of config.json.

    Raises:
        InputError: the file is missing or damaged.
    """
    from jcenas.carbon.csv_file import read_csv

    trace = read_csv(folder / _FILE)
    labels = {name: record[name] for name in ("zone", "source", "kind", "factors")}
    return dataclasses.replace(trace, **labels), float(record["mean_g_per_kwh"])


def extended(trace: CarbonTrace) -> CarbonTrace:
    """The trace with its last intensity held, so that the job in flight at the end of the run can be charged."""
    values = np.pad(trace.intensity_g_per_kwh, (0, _AFTER_H * trace.steps_per_hour), mode="edge")
    return CarbonTrace(start=trace.start, intensity_g_per_kwh=values, step_seconds=trace.step_seconds, zone=trace.zone)


def window(trace: CarbonTrace, hour: int, hours: int) -> np.ndarray:
    """The coming `hours` intensities from `hour` on, as a day-ahead forecast gives them; shifted back at the end."""
    length = min(hours, trace.hours)
    return trace.window(max(0, min(hour, trace.hours - length)), length)
