"""Reading a run folder: `run.db` and `config.json`, never written to, at any moment of the run."""

import contextlib
import json
import pathlib
import sqlite3
import urllib.parse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jcenas.errors import InputError
from jcenas.live.database import SCHEMA_VERSION
from jcenas.live.record import read_record

Table = Any  # a pandas.DataFrame (pandas types every cell as a union that pyright cannot narrow)
TABLES = ("hours", "intervals", "proposals", "scores", "evaluations", "test")
LATER = ("grid", "forecasts")  # tables that runs of older versions do not have


class Cost(NamedTuple):
    """One cost of a run."""

    name: str
    unit: str
    column: str  # in the frames of `Run`: cost, cost_2, cost_3

    @property
    def title(self) -> str:
        """Name with unit, for an axis or a column."""
        shown = self.unit and self.unit not in (self.name, "parameters")
        return f"{self.name}, {self.unit}" if shown else self.name


class Run(NamedTuple):
    """One consistent view of a run. Columns and units are those of run.db; REAL columns are float64, NULL is NaN.

    Instead of `costs`, scores and evaluations have a column for each of `costs`.
    """

    name: str
    config: dict[str, Any]  # config.json: "config", "versions", "devices", "trace", "created_utc"
    meta: dict[str, Any]  # key -> decoded value: "status", "costs", "reference", "summary"
    hours: Table
    intervals: Table
    proposals: Table
    scores: Table
    evaluations: Table
    test: Table
    grid: Table = None  # of a grid that was asked for hour by hour
    forecasts: Table = None

    @property
    def costs(self) -> list[Cost]:
        """The objectives beside the error, in their order."""
        return costs_of(self.meta)

    @property
    def problem(self) -> str:
        """Name of what was searched."""
        return self.config.get("config", {}).get("problem", "nasbench201")

    @property
    def function(self) -> str:
        """Module and name of the user's function that was called; empty where networks were trained."""
        return str((self.config.get("function") or {}).get("name", ""))


def read_run(folder: pathlib.Path) -> Run:
    """Read the run of `folder` in one transaction, so that a search that goes on meanwhile disturbs nothing.

    Raises:
      InputError: No such folder, no readable run.db or config.json in it, or a run.db without the tables of a run or
        with those of another version.
    """
    database = folder / "run.db"
    if not database.is_file():
        raise InputError(f"{folder}: no {database.name} there; name the folder of a run, for example runs/NAME")
    content = read_record(folder)
    try:
        with contextlib.closing(_connect(database)) as connection:
            connection.execute("BEGIN")
            _check_version(connection, database, content)
            tables = {name: _table(connection, name) for name in (*TABLES, *_there(connection, LATER))}
            meta = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}
            tables |= {name: _apart(tables[name], costs_of(meta)) for name in ("scores", "evaluations")}
        content["config"] |= {change["field"]: change["after"] for change in meta.get("changes", [])}
    except (sqlite3.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{database}: cannot be read ({error}); restore it from a copy of the run") from None
    return Run(name=folder.resolve().name, config=content, meta=meta, **tables)


def costs_of(meta: dict[str, Any]) -> list[Cost]:
    """The costs that a run states."""
    stated = enumerate(meta.get("costs") or [{"name": "cost"}], 1)
    return [Cost(one["name"], one.get("unit", ""), "cost" if i == 1 else f"cost_{i}") for i, one in stated]


def _apart(frame: Table, costs: Sequence[Cost]) -> Table:
    """A frame with a column for each cost, float64, in place of `costs`."""
    found = [json.loads(text) if isinstance(text, str) else {} for text in frame["costs"]]
    columns = {cost.column: np.array([one.get(cost.name, np.nan) for one in found], float) for cost in costs}
    return frame.drop(columns="costs").assign(**columns)


def _check_version(connection: sqlite3.Connection, database: pathlib.Path, content: dict[str, Any]) -> None:
    """Refuse a run that another version made."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version == SCHEMA_VERSION or "hours" not in names:  # a database of something else lacks tables, and says so
        return
    made_by = content["versions"]["jcenas"]
    raise InputError(
        f"{database} was made by jcenas of version {made_by} (tables of version {version or 1}; this one reads "
        f"{SCHEMA_VERSION}); make its report with that version"
    )


def _connect(database: pathlib.Path) -> sqlite3.Connection:
    """A connection that cannot write. Without room for its -shm file (read-only folder), run.db is read alone."""
    uri = f"file:{urllib.parse.quote(str(database.resolve()))}"
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=10)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        if database.with_name(database.name + "-wal").exists():
            raise
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


def _there(connection: sqlite3.Connection, names: Sequence[str]) -> list[str]:
    """Those of the tables that the database has."""
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [name for name in names if name in found]


def _table(connection: sqlite3.Connection, name: str) -> Table:
    """The whole table; columns declared REAL as float64 even where every value is NULL."""
    declared = {row[1]: row[2].upper() for row in connection.execute(f"PRAGMA table_info({name})")}
    rows = connection.execute(f"SELECT * FROM {name}").fetchall()
    frame = pd.DataFrame(rows, columns=list(declared))
    return frame.astype({column: "float64" for column, kind in declared.items() if kind.startswith("REAL")})


def pareto_front(run: Run) -> Table:
    """The non-dominated finished evaluations, cheapest first, numbered from 1, with what the run knows of each.

    Returns:
      Columns `number, proposal, cell, genome, validation_accuracy, test_accuracy` (fractions; NaN before the test),
      the columns of the costs, `seconds, emissions_g`. Of equal points the first evaluated stays.
    """
    costs = [cost.column for cost in run.costs]
    done = evaluated(run).sort_values([*costs, "validation_error", "ordinal"])
    front = done[_first_of_best(done[[*costs, "validation_error"]].to_numpy())]
    front = front.merge(run.proposals[["id", "cell", "genome"]], left_on="proposal", right_on="id")
    front = front.merge(run.test.rename(columns={"error": "test_error"}), on="proposal", how="left")
    front["validation_accuracy"] = 1 - front["validation_error"]
    front["test_accuracy"] = 1 - front["test_error"]
    front["number"] = range(1, len(front) + 1)
    columns = ["number", "proposal", "cell", "genome", "validation_accuracy", "test_accuracy", *costs, "seconds"]
    return front[[*columns, "emissions_g"]].reset_index(drop=True)


def _first_of_best(points: np.ndarray) -> np.ndarray:
    """Mask of the points (n, m), in lexical order, that no earlier one equals or dominates."""
    kept = np.zeros(len(points), bool)
    for i, point in enumerate(points):
        kept[i] = not (points[:i][kept[:i]] <= point).all(axis=1).any()
    return kept


def readable_costs(run: Run) -> Run:
    """The run with costs in s or J turned to ms, µs, mJ or µJ where the largest is below one."""
    evaluations, scores, stated = run.evaluations, run.scores, []
    for cost in run.costs:
        largest, factor, prefix = evaluations[cost.column].max(), 1.0, ""
        if cost.unit in {"s", "J"} and 0 < largest < 1:
            factor, prefix = (1e3, "m") if largest >= 1e-3 else (1e6, "µ")
        scaled = (frame.assign(**{cost.column: frame[cost.column] * factor}) for frame in (evaluations, scores))
        evaluations, scores = scaled
        stated.append({"name": cost.name, "unit": prefix + cost.unit})
    return run._replace(evaluations=evaluations, scores=scores, meta={**run.meta, "costs": stated})


def evaluated(run: Run) -> Table:
    """Evaluations that finished with finite objectives, in the order they were made."""
    done = run.evaluations[run.evaluations["status"] == "done"]
    return done.dropna(subset=["validation_error", *(cost.column for cost in run.costs)]).sort_values("ordinal")


def seconds_by_hour(run: Run) -> Table:
    """Device-seconds of each purpose in each trace hour, from the intervals; one over several hours is split.

    A charge outside the hours (an interval of no width) belongs to the hour in which it stands, and one at the end of
    the last hour to that hour.

    Returns:
      A row for each row of `hours`, in its order, a column for each purpose that occurs.
    """
    spans = run.intervals[run.intervals["seconds"] > 0]
    start, end = spans["start_hour"].to_numpy(), spans["end_hour"].to_numpy()
    first = np.floor(start).astype(int)
    pieces = np.maximum(np.ceil(end).astype(int) - first, 1)
    which = np.repeat(np.arange(len(spans)), pieces)
    hour = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    inside = np.minimum(end[which], hour + 1) - np.maximum(start[which], hour)
    width = (end - start)[which]
    standing = width == 0
    share = np.where(standing, 1.0, inside / np.where(standing, 1.0, width))
    after = standing & (start[which] == run.hours["hour"].max() + 1)
    parts = pd.DataFrame(
        {
            "hour": np.where(after, hour - 1, hour),
            "purpose": spans["purpose"].to_numpy()[which],
            "seconds": spans["seconds"].to_numpy()[which] * share,
        }
    )
    table = parts.pivot_table(index="hour", columns="purpose", values="seconds", aggfunc="sum")
    return table.reindex(run.hours["hour"].sort_values()).fillna(0.0)


def last_hour(run: Run) -> float:
    """Where the run stands in trace hours: the end of its last interval."""
    return 0.0 if run.intervals.empty else float(run.intervals["end_hour"].max())


def times(run: Run, hours: Any) -> Any:
    """UTC time stamps of positions in trace hours (float), on the clock of the table `hours`, which must hold a row."""
    first = run.hours.sort_values("hour").iloc[0]
    return pd.to_datetime(first["time_utc"], utc=True) + pd.to_timedelta(hours - first["hour"], unit="h")
