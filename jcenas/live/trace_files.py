"""The grid's hours in the run folder: a run goes on with them even if the original changes."""

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.trace_file import read_trace
from jcenas.engine.grid import GridHours
from jcenas.errors import InputError

_FILE, _PAST = "trace.csv", "history.csv"
_AFTER_H = 1000  # hours behind the end of the run at the last intensity, for the job that is in flight there
_LABELS = {"zone", "source", "kind", "factors"}
_HOUR_S = int(units.SECONDS_PER_HOUR)


def describe(grid: GridHours) -> dict:
    """What config.json says about the trace."""
    trace = grid.trace
    return {
        "zone": trace.zone,
        "source": trace.source,
        "kind": trace.kind,
        "factors": trace.factors,
        "start_utc": trace.start.isoformat(),
        "step_seconds": trace.step_seconds,
        "mean_g_per_kwh": grid.mean_g_per_kwh,
    }


def keep(grid: GridHours, folder: Path) -> None:
    """Write the hours of the run, and those before it, into the run folder."""
    _write(grid.trace, folder / _FILE)
    keep_past(grid, folder)


def keep_past(grid: GridHours, folder: Path) -> None:
    """Write the hours before the run only, as of a live grid, whose hours to come nobody knows."""
    if len(grid.before):
        start = grid.trace.start - timedelta(hours=len(grid.before))
        _write(CarbonTrace(start=start, intensity_g_per_kwh=grid.before, step_seconds=_HOUR_S), folder / _PAST)


def _write(trace: CarbonTrace, path: Path) -> None:
    times = np.datetime_as_string(trace.times, unit="s")
    lines = [f"{t}Z,{float(v)!r}\n" for t, v in zip(times, trace.intensity_g_per_kwh, strict=True)]
    path.write_text("time_utc,intensity_g_per_kwh\n" + "".join(lines))


def recall(folder: Path, record: dict) -> GridHours:
    """The hours that `keep` wrote, with the record of config.json.

    Raises:
        InputError: a file is missing or damaged.
    """
    numbers = [record.get("step_seconds"), record.get("mean_g_per_kwh")]
    if not all(isinstance(value, int | float) for value in numbers) or _LABELS - record.keys():
        raise InputError(f"{folder / 'config.json'} is damaged (its trace); restore it, or start a new run")
    labels = {name: record[name] for name in _LABELS}
    trace = dataclasses.replace(_read(folder / _FILE, record["step_seconds"]), **labels)
    return GridHours(trace, recall_past(folder), float(record["mean_g_per_kwh"]))


def recall_past(folder: Path) -> np.ndarray:
    """The hours before the run, hourly, float64; perhaps none.

    Raises:
        InputError: the file is damaged.
    """
    return _read(folder / _PAST, _HOUR_S).hourly() if (folder / _PAST).exists() else np.zeros(0)


def _read(path: Path, step_seconds: int) -> CarbonTrace:
    """What `_write` wrote; of a single row the reader of foreign files could not tell the step."""
    rows = path.read_text(errors="replace").splitlines()[1:] if path.is_file() else []
    if len(rows) == 1:
        try:
            time, value = rows[0].split(",")
            start, values = datetime.fromisoformat(time), np.array([float(value)])
        except ValueError as error:
            raise InputError(
                f"{path} is damaged ({error}); restore it, or start a new run under another --name"
            ) from error
        return CarbonTrace(start=start, intensity_g_per_kwh=values, step_seconds=step_seconds)
    return read_trace(path)


def extended(trace: CarbonTrace) -> CarbonTrace:
    """The trace with its last intensity held, so that the job in flight at the end of the run can be charged."""
    return trace.followed_by(np.repeat(trace.intensity_g_per_kwh[-1], _AFTER_H * trace.steps_per_hour))
