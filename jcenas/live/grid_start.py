"""The live grid at the start of a process: every provider is asked once, so that what can never work shows now."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jcenas.carbon.providers import partial
from jcenas.carbon.providers.base import Fallback, ProviderError, RefusedError
from jcenas.carbon.providers.names import zone_to_ask
from jcenas.engine.grid import PAST_H, WEEK_H, parse_start
from jcenas.errors import InputError
from jcenas.live import live_grid, trace_files
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.live_grid import HOUR, Asking, GridHour, LiveGrid, chain_of

_LATE_H = 3  # hours before the start that a service may not have published yet; the last known one stands in


def begin(config: Asking, log: Callable[[str], None], *, now: datetime | None = None, beside: bool = True) -> LiveGrid:
    """The grid of a new run, of which the first hour and as much as there is of the week before are known.

    Args:
        config: of the run.
        log: told who is asked, and of providers that fail.
        now: present moment, UTC; None: the machine's clock.
        beside: see `LiveGrid`.

    Raises:
        InputError: a provider has no key, a refused one, or not the zone; or none knows the present hour.
    """
    chain = chain_of(config, log)
    start = _hour_of(parse_start(config.start) if config.start else now or live_grid.utc_now())
    before = ask_all(chain, zone_to_ask(config.provider, config.zone), start, WEEK_H, log)
    grid = LiveGrid(config, start, before, log=log, chain=chain)
    grid.beside = beside
    try:
        trace = grid.known(0).trace
    except InputError as error:
        remedy = "try again later, or name typical-year last to stand in"
        raise InputError(f"--provider {config.provider}: {error}; {remedy}") from error
    log(f"grid: {grid.zone} by {grid.source(0)}: {trace.kind} intensity, {trace.factors} factors")
    return grid


def go_on(
    config: SearchConfig, folder: Path, record: dict[str, Any], database: RunDatabase, log: Callable[[str], None]
) -> LiveGrid:
    """The grid of a run that goes on: the hours that it recorded, and the same providers for those to come.

    Args:
        config: of the run.
        folder: of the run.
        record: what config.json says of the trace.
        database: of the run; only read.
        log: told of providers that fail.

    Raises:
        InputError: the record is damaged, or a provider has no key any more, or a refused one.
    """
    try:
        start = datetime.fromisoformat(record["start_utc"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{folder / 'config.json'} is damaged (its trace); restore it, or start a new run") from error
    rows = database.rows("SELECT * FROM grid ORDER BY hour")
    if [row["hour"] for row in rows] != list(range(len(rows))):
        raise InputError(f"{database.path} is damaged (hours of the grid are missing); restore it, or start a new run")
    hours = [GridHour(**{name: row[name] for name in GridHour._fields}) for row in rows]
    hours = [hour._replace(estimated=bool(hour.estimated)) for hour in hours]
    chain = chain_of(config, log)
    latest = _hour_of(live_grid.utc_now()) if config.real_time else start
    ask_all(chain, zone_to_ask(config.provider, config.zone), latest, PAST_H, log)
    grid = LiveGrid(config, start, trace_files.recall_past(folder), log=log, hours=hours, chain=chain)
    if grid.began_h >= config.hours:
        log(f"grid: {grid.began_h:.1f} h have passed since the run began, and --hours is {config.hours}; give it more")
    return grid


def ask_all(chain: Fallback, zone: str, end: datetime, hours: int, log: Callable[[str], None]) -> np.ndarray:
    """Ask every provider for the hours before `end`.

    Returns:
        Hourly intensities of the first that answers, float64, the latest last; fewer where it lacks some, perhaps none.

    Raises:
        InputError: names a provider that will not answer whenever it is asked, and why.
    """
    found: np.ndarray | None = None
    for provider in chain.providers:
        begin = end - hours * HOUR
        try:
            part = partial.recorded(provider, zone, begin, end)
        except InputError as error:
            if isinstance(error, RefusedError) or not isinstance(error, ProviderError):
                raise InputError(f"--provider {provider.name}: {error}; or leave {provider.name} out") from error
            log(f"grid: {provider.name} gives no past hours now ({error}); it is asked again in each hour")
            continue
        if found is None:
            found = _joined_to_the_end(partial.by_hour(part, begin, hours)[0])
    return np.zeros(0) if found is None else found


def _joined_to_the_end(values: np.ndarray) -> np.ndarray:
    """The hours that lead to the end without a gap; the last known one stands in for a few that are late."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or len(values) - 1 - known[-1] > _LATE_H:
        return np.zeros(0)
    values = np.where(np.arange(len(values)) > known[-1], values[known[-1]], values)
    lacking = np.flatnonzero(~np.isfinite(values))
    return values[lacking[-1] + 1 :] if len(lacking) else values


def _hour_of(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
