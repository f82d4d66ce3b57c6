"""The run database: every proposal, score, evaluation, interval of device time and hour, committed as it happens.

SQLite in WAL mode: a `kill -9` loses at most the transaction in flight, and others can read while the search writes.
The columns `costs` hold a JSON object each, of a number for every cost by its name. An interval's energy is what the
power model says, `modelled_j`, or where that is not NULL what a meter counted, `measured_j`; both are joules of the
device, and `energy_kwh` has the PUE in it.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jcenas.errors import InputError

SCHEMA_VERSION = 4  # of the tables; a folder of another version is refused

_SCHEMA = """
CREATE TABLE hours(hour INTEGER PRIMARY KEY, time_utc TEXT, intensity_g_per_kwh REAL, evaluation_share REAL,
    evaluating INTEGER, training_s REAL, scoring_s REAL, idle_s REAL, switching_s REAL, compiling_s REAL,
    energy_kwh REAL, emissions_g REAL, hypervolume REAL, evaluations INTEGER, queued INTEGER, halfway INTEGER);
CREATE TABLE intervals(id INTEGER PRIMARY KEY, device INTEGER, state TEXT, purpose TEXT, proposal INTEGER,
    start_hour REAL, end_hour REAL, seconds REAL, energy_kwh REAL, emissions_g REAL, modelled_j REAL, measured_j REAL);
CREATE TABLE proposals(id INTEGER PRIMARY KEY, genome TEXT, cell TEXT, hour REAL, status TEXT, place INTEGER);
CREATE TABLE scores(proposal INTEGER PRIMARY KEY, score REAL, error REAL, costs TEXT, hour REAL);
CREATE TABLE evaluations(proposal INTEGER PRIMARY KEY, ordinal INTEGER, hour REAL, status TEXT,
    validation_error REAL, costs TEXT, seconds REAL, energy_kwh REAL, emissions_g REAL, steps INTEGER,
    final_loss REAL, hypervolume REAL, reason TEXT, told INTEGER);
CREATE TABLE latencies(proposal INTEGER, batch INTEGER, seconds REAL, PRIMARY KEY(proposal, batch));
CREATE TABLE test(proposal INTEGER PRIMARY KEY, error REAL);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
"""
# Made where a database has none yet: the other tables are as they were.
# shares: what each of several trainings pays of an interval that one device did at once and that names no proposal.
# grid: an hour of a live grid as it was known when it came; `source` is the provider. forecasts: for an hour that was
# `lead` hours ahead at `issued`, what the policy was told and the provider's own forecast.
_LATER = """
CREATE TABLE IF NOT EXISTS shares(interval INTEGER, proposal INTEGER, share REAL);
CREATE TABLE IF NOT EXISTS grid(hour INTEGER PRIMARY KEY, time_utc TEXT, intensity_g_per_kwh REAL, estimated INTEGER,
    source TEXT, kind TEXT, factors TEXT, note TEXT);
CREATE TABLE IF NOT EXISTS forecasts(issued INTEGER, lead INTEGER, ours_g_per_kwh REAL, theirs_g_per_kwh REAL,
    source TEXT, PRIMARY KEY(issued, lead));
"""
_TABLES = {"hours", "intervals", "proposals", "scores", "evaluations", "latencies", "test", "meta"}


class RunDatabase:
    """One run's tables. Methods may be called from several threads; `transaction` makes several of them one."""

    def __init__(self, path: Path, *, create: bool = False):
        """Open the database, or create it.

        Raises:
            InputError: it is missing, damaged, of another kind, or locked by another program.
        """
        self.path = path
        self._lock = threading.RLock()
        if not create and not path.is_file():
            raise InputError(f"{path} is missing; the run folder is damaged: start a new run under another --name")
        try:
            self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            if create:
                self._connection.executescript(f"{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};")
            self._check()
            self._connection.executescript(_LATER)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: {_remedy(error)}") from error

    def _check(self) -> None:
        result = self._connection.execute("PRAGMA quick_check").fetchone()[0]
        if result != "ok":
            raise sqlite3.DatabaseError(f"malformed: {result}")
        names = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if not names:
            raise sqlite3.DatabaseError("malformed: no tables")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path} was made by another version of jcenas (tables of version {version or 1}, here "
                f"{SCHEMA_VERSION}); go on with that version, or start a new run under another --name"
            )
        if missing := _TABLES - names:
            raise sqlite3.DatabaseError(f"malformed: no table {', '.join(sorted(missing))}")
        self._connection.execute("BEGIN IMMEDIATE")  # another writer shows here, not in the middle of the search
        self._connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none does. Nests."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def insert(self, table: str, **values: Any) -> int:
        """Insert one row and return its id."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._lock:
            cursor = self._connection.execute(f"INSERT INTO {table}({names}) VALUES({marks})", tuple(values.values()))
        return int(cursor.lastrowid or 0)

    def replace(self, table: str, **values: Any) -> None:
        """Insert one row, or replace the one with the same primary key."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._lock:
            self._connection.execute(f"INSERT OR REPLACE INTO {table}({names}) VALUES({marks})", tuple(values.values()))

    def update(self, table: str, row: int, **values: Any) -> None:
        """Change fields of the row with this id."""
        changes = ", ".join(f"{name} = ?" for name in values)
        with self._lock:
            self._connection.execute(f"UPDATE {table} SET {changes} WHERE id = ?", (*values.values(), row))

    def execute(self, statement: str, *arguments: Any) -> None:
        """Run one statement."""
        with self._lock:
            self._connection.execute(statement, arguments)

    def delete(self, table: str, condition: str, *arguments: Any) -> None:
        """Delete the rows that meet a condition."""
        with self._lock:
            self._connection.execute(f"DELETE FROM {table} WHERE {condition}", arguments)

    def rows(self, query: str, *arguments: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(query, arguments).fetchall()

    def value(self, query: str, *arguments: Any) -> Any:
        """The first field of the first row of a query."""
        return self.rows(query, *arguments)[0][0]

    def set_meta(self, key: str, value: Any) -> None:
        """Remember a JSON value."""
        self.replace("meta", key=key, value=json.dumps(value))

    def get_meta(self, key: str, default: Any = None) -> Any:
        """Recall a JSON value."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", key)
        try:
            return json.loads(found[0][0]) if found else default
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.path}: {_remedy(sqlite3.DatabaseError(f'meta {key}: {error}'))}") from error

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        with self._lock:
            self._connection.close()


def _remedy(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "another program holds it locked; close that program and try again"
    if "readonly" in text or "full" in text or "I/O" in text or "unable to open" in text:
        return f"cannot be written ({text}); free or unlock the disk and try again"
    return f"is damaged ({text}); restore it from a backup or start a new run under another --name"


def write_error(error: sqlite3.OperationalError, path: Path, how_to_resume: str) -> InputError:
    """The message for a write that failed in the middle of a run."""
    return InputError(f"{path}: {_remedy(error)}; then go on with: {how_to_resume}")
