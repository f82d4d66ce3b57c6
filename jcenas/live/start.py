"""Start a run or go on with one, and turn what the disk refuses into one line: what `jcenas.search` does.

CE-NAS (NeurIPS 2024, arXiv 2406.01414): cheap sampling (an optimiser proposes cells, a cheap stage scores them) while
the grid is dirty, costly evaluation (training from scratch) while it is clean.
"""

import contextlib
import dataclasses
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jcenas import registry
from jcenas.engine import grid as grids
from jcenas.engine.grid import Grid
from jcenas.errors import InputError, one_line
from jcenas.live import finish, functions, grid_start, prepare, run_folder, trace_files
from jcenas.live.changes import as_changed, check_changes, differences, said
from jcenas.live.config import ARRAYS, SearchConfig
from jcenas.live.database import RunDatabase, write_error
from jcenas.live.device_work import DeviceLostError
from jcenas.live.executors.executor import Parts
from jcenas.live.finish import SearchResult
from jcenas.live.images import check_same
from jcenas.live.ledger import Ledger
from jcenas.live.live_grid import LiveGrid
from jcenas.live.loop import Limits, Loop
from jcenas.live.prepare import Prepared
from jcenas.live.progress import Observer, Quiet
from jcenas.live.record import check_sums, read_record, sums
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import RunState
from jcenas.problems.function import FunctionProblem
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.images import ImageSet


def run(
    config: SearchConfig | None = None,
    *,
    problem: FunctionProblem | None = None,
    resume: Path | str | None = None,
    changes: Mapping[str, Any] | None = None,
    images: ImageSet | None = None,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Run a search, or go on with one, as `jcenas.live.entry.search` says."""
    if (config is None) == (resume is None) or (changes and resume is None):
        raise ValueError("give either a config, or a run folder to resume and perhaps changes")
    check_changes(changes or {})
    with observer or Quiet() as watched:
        if resume is None:
            began = _new(config, images, problem, watched)
        elif (known := _known_result(Path(resume), changes or {})) is not None:
            return known
        else:
            began = _resumed(Path(resume), changes or {}, images, problem, watched)
        try:
            return _run(*began, watched, stop or threading.Event())
        except sqlite3.OperationalError as error:
            raise write_error(error, began[0].database, began[1].how_to_resume(began[0].path)) from error
        except OSError as error:
            raise InputError(
                f"{error.filename or began[0].path}: {error.strerror or error}; free the disk, then go on with: "
                f"{began[1].how_to_resume(began[0].path)}"
            ) from error
        finally:
            began[3].close()
            began[0].close()


def _new(
    config: SearchConfig | None, given: ImageSet | None, problem: FunctionProblem | None, watched: Observer
) -> tuple[RunFolder, SearchConfig, Grid, Prepared]:
    """Check everything, then make the run folder."""
    assert config is not None
    if given is not None:
        config = dataclasses.replace(config, images=ARRAYS)
    path = run_folder.planned_path(config)
    prepare.check(config)
    functions.check(config, problem)
    grid = _grid(config, watched)
    hours = grid.known(0)
    for note in hours.trace.notes:
        watched.log(f"trace: {note}")
    if config.forecast == "model" and len(hours.before) < grids.WEEK_H:
        watched.log(f"forecast: {hours.told(config.forecast)}")
    if problem is not None:
        prepared = prepare.prepare_function(config, problem, watched.log)
    else:
        images = prepare.load_images(config, watched.log, given)
        prepared = prepare.prepare_where(config, images, watched.log, path)
        config = _with_power(config, prepared, shared_by=1)
    try:
        prepare.check_budget(config, prepared, hours)
        folder = run_folder.create(
            path,
            config,
            devices=prepared.device_names,
            trace=trace_files.describe(hours),
            about=prepared.record(),
            fill=lambda part: _fill(part, config, grid, prepared),
        )
    except BaseException:
        prepared.close()
        raise
    return folder, config, grid, prepared


def _with_power(config: SearchConfig, prepared: Prepared, *, shared_by: int) -> SearchConfig:
    """The configuration with the power of each of the devices, see `prepare.shared_power`."""
    power = prepare.shared_power(config.power, prepared.shares, shared_by=shared_by)
    return dataclasses.replace(config, power=power)


def _grid(config: SearchConfig, watched: Observer) -> Grid:
    """The hours of a new run: recorded, or asked for as they come."""
    if config.provider:
        return grid_start.begin(config, watched.log)
    return grids.choose(
        trace=config.trace, zone=config.zone, start=config.start, hours=config.hours, column=config.column
    )


def _known_result(path: Path, changes: Mapping[str, Any]) -> SearchResult | None:
    """The result of a run folder whose search has finished: nothing is left to be done, nor charged.

    None where it has not, or where its budget or its devices change.
    """
    folder, config = run_folder.reopen(path)
    database = None
    try:
        database = RunDatabase(folder.database)
        if database.get_meta("status") != "finished":
            return None
        if differences(as_changed(config, database.get_meta("changes", [])), changes):
            return None
        front = [row["proposal"] for row in database.rows("SELECT proposal FROM test")]
        return finish.result(database, front, folder.path, database.get_meta("summary"))
    finally:
        if database is not None:
            database.close()
        folder.close()


def _resumed(
    path: Path, changes: Mapping[str, Any], given: ImageSet | None, problem: FunctionProblem | None, watched: Observer
) -> tuple[RunFolder, SearchConfig, Grid, Prepared]:
    """Open a run folder, and prepare as it was prepared."""
    folder, config = run_folder.reopen(path)
    try:
        record = read_record(folder.path)
        database = RunDatabase(folder.database)
        try:
            check_sums(folder.path, database.get_meta("files"))
            folder.check_known(database.value("SELECT COALESCE(MAX(id), 0) FROM proposals"))
            known = {name: database.get_meta(name) for name in prepare.MEASURED}
            noted = database.get_meta("changes", [])
            config = as_changed(config, noted)
            new = differences(config, changes)
            config = as_changed(config, new)
            functions.check(config, problem, resume=folder.path)
            grid = _same_grid(folder.path, config, record.get("trace", {}), database, watched)
            for change in new:
                watched.log(said(change))
            if new:
                database.set_meta("changes", [*noted, *new])
        finally:
            database.close()
        if problem is not None:
            functions.check_same(record.get("function"), problem, path)
            return folder, config, grid, prepare.prepare_function(config, problem, watched.log, known["reference"])
        images = prepare.load_images(config, watched.log, given)
        check_same(record.get("images"), images)
        prepared = prepare.prepare_where(config, images, watched.log, path, known)
        config = _with_power(config, prepared, shared_by=len(record.get("devices") or [""]))
        return folder, config, grid, prepared
    except BaseException:
        folder.close()
        raise


def _same_grid(
    path: Path, config: SearchConfig, record: dict[str, Any], database: RunDatabase, watched: Observer
) -> Grid:
    """The hours of a run that goes on.

    Raises:
        InputError: they are missing or damaged, or end before the run.
    """
    if config.provider:
        return grid_start.go_on(config, path, record, database, watched.log)
    grid = trace_files.recall(path, record)
    if config.hours > grid.trace.hours:
        raise InputError(f"--hours {config.hours}: the trace of this run ends after {grid.trace.hours} h")
    return grid


def _fill(part: Path, config: SearchConfig, grid: Grid, prepared: Prepared) -> None:
    """What a new run folder holds beside config.json: the trace, and the database with what was measured."""
    if isinstance(grid, LiveGrid):
        trace_files.keep_past(grid.known(0), part)
    else:
        trace_files.keep(grid.known(0), part)
    database = RunDatabase(part / "run.db", create=True)
    problem = prepared.problem
    facts = {
        "files": sums(part),
        "costs": [{"name": name, "unit": "" if config.of_function else _unit(name)} for name in problem.cost_names],
        **prepared.measured(),
        "room": prepare.room_of(config, problem, prepared.devices),
    }
    with database.transaction():
        for name, value in facts.items():
            database.set_meta(name, value)
    database.close()


def _unit(cost: str) -> str:
    return registry.check("cost", cost).entry.options.get("unit", "")


def _run(
    folder: RunFolder,
    config: SearchConfig,
    grid: Grid,
    prepared: Prepared,
    watched: Observer,
    stop: threading.Event,
) -> SearchResult:
    """Search in an open folder, test the front, and write the summary."""
    database, devices, problem = RunDatabase(folder.database), prepared.devices, prepared.problem
    try:
        ledger = _ledger(database, config, grid, prepared)
        watch = Stopwatch()
        busy = range(devices if prepared.at_work else 1)  # workers are not there yet: the machine compiles once
        with ledger.working(*busy):
            state = RunState(
                database,
                problem,
                lambda room: prepare.make_steps(config, problem, devices * prepared.side_by_side, room),
                room=database.get_meta("room"),
                key=jax.random.key(config.seed),
            )
            state.steps.compile(state.catalog())
        database.set_meta("side_by_side", prepared.side_by_side)  # may be another than at the last start
        _charge_preparation(ledger, prepared, busy, compiled_s=watch.read().ran)
        if isinstance(grid, LiveGrid) and config.real_time:
            ledger.now_h = grid.now_h  # until here the clocks stood at the begin of the process
        limits = Limits(
            grid=grid,
            forecast=config.forecast,
            hours=config.hours,
            hour_s=config.hour_s,
            carbon_budget_g=float("inf") if config.carbon_budget is None else config.carbon_budget,
            evaluations=config.evaluations,
            power=config.power,
        )
        work = Parts(config, folder, ledger, problem, prepared.at_work, state.steps.stage, devices)
        with contextlib.closing(registry.load("executor", str(config.executor))(work)) as executor:
            parts = {"ledger": ledger, "state": state, "executor": executor}
            loop = Loop(folder.path.name, limits, **parts, observer=watched, stop=stop)
            why = loop.run()
        return _finish(folder, config, grid, prepared, loop, why)
    except Exception as error:
        with contextlib.suppress(sqlite3.Error), database.transaction():
            database.set_meta("failure", one_line(f"{type(error).__name__}: {error}"))
            database.set_meta("status", "failed")
        raise
    finally:
        database.close()


def _ledger(database: RunDatabase, config: SearchConfig, grid: Grid, prepared: Prepared) -> Ledger:
    """The books of a run on its grid."""
    ledger = Ledger(
        database,
        trace_files.extended(grid.known(0).trace),
        config.power,
        devices=prepared.devices,
        hour_seconds=config.hour_s,
        real_time=config.real_time,
        meter=prepared.meter,
    )
    if isinstance(grid, LiveGrid):
        grid.attach(database)
        ledger.follow(grid.trace, began_h=grid.began_h)
    return ledger


def _charge_preparation(ledger: Ledger, prepared: Prepared, busy: Sequence[int], *, compiled_s: float) -> None:
    """Charge what was done before the first hour.

    Args:
        ledger: of the run, on which devices were compiling for the last `compiled_s` seconds.
        prepared: with the seconds, and the joules, of what came before.
        busy: devices that compiled; the first of them was timed.
        compiled_s: of the engine's steps; devices elsewhere wait for them.
    """
    for device in busy:
        ledger.meter.put_back(device, prepared.joules["compiling"][device])
        own_s, waited_s = prepared.compiling_s[device], compiled_s if prepared.elsewhere else 0.0
        ledger.standing(device, "compiling", "compiling", own_s + compiled_s - waited_s)
        ledger.standing(device, "idle", "idle", waited_s)
    ledger.meter.put_back(busy[0], prepared.joules["timing"][busy[0]])
    ledger.standing(busy[0], "training", "timing", prepared.timing_s)


def _finish(
    folder: RunFolder, config: SearchConfig, grid: Grid, prepared: Prepared, loop: Loop, why: str
) -> SearchResult:
    """Test the front, close the ledger, write the summary."""
    database, state, ledger = loop.database, loop.state, loop.ledger
    status = "interrupted" if why == "interrupted" else "finished"
    if status == "finished":
        finish.prune(state, folder)
        for device, at_work in enumerate(prepared.at_work):
            with ledger.working(device), contextlib.suppress(DeviceLostError):
                finish.test_front(state, ledger, folder, at_work, device, log=loop.observer.log)
                break
        loop.record_last_hours()
    wall = loop.wall_s()
    hours = grid.known(0)
    summary = finish.summarise(state, ledger, config, hours, devices=prepared.devices, wall_s=wall, status=status)
    summary["stopped_by"] = why
    if prepared.images is not None:
        summary["images"] = prepared.images.brief
        summary |= {"side_by_side": prepared.side_by_side, "at_once_s": prepared.at_once_s}
    with database.transaction():
        database.set_meta("summary", summary)
        database.set_meta("status", status)
        database.set_meta("wall_s", wall)
    return finish.result(database, state.pareto(), folder.path, summary)
