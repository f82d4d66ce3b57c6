"""The public `search`: start a run or go on with one, and turn what the disk refuses into one line.

CE-NAS (NeurIPS 2024, arXiv 2406.01414): cheap sampling (an optimiser proposes cells, a weight-sharing supernet scores
them) while the grid is dirty, costly evaluation (training from scratch) while it is clean.
"""

import sqlite3
import threading
from pathlib import Path

from jcenas.alloc.names import check_policy
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError
from jcenas.live import prepare, run_folder, trace_source
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase, write_error
from jcenas.live.finish import SearchResult
from jcenas.live.loop import Loop
from jcenas.live.outlook import TRACE, Outlook
from jcenas.live.prepare import Prepared
from jcenas.live.progress import Observer, Quiet


def search(
    config: SearchConfig | None = None,
    *,
    resume: Path | str | None = None,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
) -> SearchResult:
    """Run a search, or go on with one.

    Args:
        config: of a new run.
        resume: run folder to go on with, instead of a config.
        observer: who is told of the progress; nobody if None.
        stop: set it from elsewhere to stop cleanly after the chunk of steps in flight.

    Returns:
        The result; `status` is "interrupted" where `stop` was set before the budget was spent.

    Raises:
        InputError: anything that the user can mend. Before the first hour nothing has been written; later, the run
            folder can be resumed.
        ValueError: neither or both of config and resume.
    """
    if (config is None) == (resume is None):
        raise ValueError("give either a config or a run folder to resume")
    with observer or Quiet() as watched:
        if resume is not None:
            folder, config = run_folder.reopen(Path(resume))
            record = run_folder.read_record(folder.path)
            trace, mean = trace_source.recall(folder.path, record["trace"])
            past = trace_source.recall_past(folder.path)
            prepared = prepare.prepare(config, watched.log)
        else:
            assert config is not None
            path = run_folder.planned_path(config)
            check_policy(config.policy)
            trace, mean = trace_source.choose(config)
            past = trace_source.choose_past(config, trace) if config.forecast == "model" else None
            if config.forecast == "model" and past is None:
                watched.log(
                    f"no forecast, for want of {trace_source.PAST_H} h before the start; the policy is told {TRACE}"
                )
            prepared = prepare.prepare(config, watched.log)
            prepare.check_budget(config, prepared, trace)
            folder = run_folder.create(
                path,
                config,
                devices=prepared.device_names,
                trace=trace_source.describe(trace, mean),
                fill=lambda part: _fill(part, trace, past, prepared),
            )
        outlook = Outlook(trace, past, config.window)
        try:
            return Loop(config, folder, trace, mean, outlook, prepared, watched, stop or threading.Event()).run()
        except sqlite3.OperationalError as error:
            raise write_error(error, folder.database) from error
        except OSError as error:
            raise InputError(
                f"{error.filename or folder.path}: {error.strerror or error}; free the disk, then go on with: "
                f"jcenas search --resume {folder.path}"
            ) from error
        finally:
            folder.close()


def _fill(part: Path, trace: CarbonTrace, past: CarbonTrace | None, prepared: Prepared) -> None:
    """What a new run folder holds beside config.json: the trace, and the database with the objectives."""
    trace_source.keep(trace, part, past)
    database = RunDatabase(part / "run.db", create=True)
    with database.transaction():
        database.set_meta("cost_name", prepared.objective.name)
        database.set_meta("cost_unit", prepared.objective.unit)
        database.set_meta("reference", prepared.objective.reference(prepared.programs[0]))
    database.close()
