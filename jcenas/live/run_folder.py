"""The folder of one run: who may write it, what it was started with, and where things lie in it.

runs/NAME/  config.json  run.db  checkpoints/  plots/  report.html
"""

import contextlib
import dataclasses
import errno
import itertools
import json
import re
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.record import FILE, read_record
from jcenas.runtime.lock import lock_file
from jcenas.runtime.paths import is_writable, nearest_above

_CANDIDATE = re.compile(r"candidate-([1-9]\d{0,8})")
_PACKAGES = ("jcenas", "jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """An open run folder. The lock lives as long as the process, so a killed run never leaves it locked."""

    path: Path
    lock: IO | None  # None where another process holds it

    @property
    def database(self) -> Path:
        """The run database."""
        return self.path / "run.db"

    def supernet(self, number: int) -> Path:
        """Checkpoint of the supernet, 0, or of the part of it that has operation `number` - 1 on its split edge."""
        return self.path / "checkpoints" / ("supernet" if number == 0 else f"supernet-{number}")

    def candidate(self, proposal: int) -> Path:
        """Checkpoint of one candidate."""
        return self.path / "checkpoints" / f"candidate-{proposal}"

    def check_known(self, proposals: int) -> None:
        """Refuse a database that is older than the checkpoints: what it does not know would be done and charged anew.

        Args:
            proposals: that the database knows, numbered from 1.

        Raises:
            InputError: names a checkpoint of one that it does not know.
        """
        names = (_CANDIDATE.fullmatch(path.name) for path in (self.path / "checkpoints").glob("candidate-*"))
        last = max((int(found[1]) for found in names if found), default=0)
        if last > proposals:
            raise InputError(
                f"{self.candidate(last)} is of a candidate that {self.database.name} does not know: the database is "
                f"older than the folder ({self.database.name}-wal was not copied, or the disk lost power); restore it, "
                f"or delete the checkpoints above candidate-{proposals} to go on without what is lost"
            )

    def close(self) -> None:
        """Let others write the folder."""
        if self.lock is not None:
            self.lock.close()


def planned_path(config: SearchConfig) -> Path:
    """Where a new run will write, checked but not created.

    Raises:
        InputError: the folder exists, or nothing can be written there.
    """
    path = config.runs / config.name if config.name else _unnamed(config.runs)
    if path.exists():
        raise _taken(path, config)
    above = nearest_above(path)
    if not is_writable(above):
        raise InputError(f"{above} cannot be written; choose another folder with --runs")
    return path


def _unnamed(runs: Path) -> Path:
    """A folder named by the time, and by a number where two runs begin in the same second."""
    time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([time], (f"{time}-{number}" for number in itertools.count(2)))
    return next(runs / name for name in names if not (runs / name).exists())


def _taken(path: Path, config: SearchConfig) -> InputError:
    return InputError(f"{path} exists; go on with it by {config.resume_flag(path)}, or choose another --name")


def create(
    path: Path,
    config: SearchConfig,
    *,
    devices: list[str],
    trace: dict,
    about: dict,
    fill: Callable[[Path], None],
) -> RunFolder:
    """Make the folder whole under another name, then give it its own: a kill leaves no half of it.

    Args:
        path: as from `planned_path`.
        config: of the run.
        devices: kinds of the devices.
        trace: record of the carbon trace.
        about: what is learnt, `images`, or called, `function`.
        fill: writes what else belongs in a new folder.

    Raises:
        InputError: the disk refuses.
    """
    record = {
        "config": config.to_json(),
        "versions": versions(),
        "devices": devices,
        "trace": trace,
        **about,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # of its own, where two begin at once
    fresh, lock = [folder for folder in path.parents if not folder.exists()], None
    try:
        (part / "checkpoints").mkdir(parents=True)
        (part / FILE).write_text(json.dumps(record, indent=2))
        fill(part)
        lock = _lock(part)
        path = _renamed(part, path, config)
    except BaseException as error:
        if lock is not None:
            lock.close()
        shutil.rmtree(part, ignore_errors=True)
        for folder in fresh:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not isinstance(error, OSError):
            raise
        raise InputError(f"cannot create {path} ({error.strerror}); free the disk or choose another --runs") from error
    return RunFolder(path, lock)


def _renamed(part: Path, path: Path, config: SearchConfig) -> Path:
    """Give a whole folder its name, or, where the user gave none, the next that is free; never one that is taken.

    Raises:
        InputError: another run took the name meanwhile.
    """
    while True:
        try:
            part.rename(path)
            return path
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if config.name:
                raise _taken(path, config) from error
            path = _unnamed(path.parent)


def reopen(path: Path) -> tuple[RunFolder, SearchConfig]:
    """Open an existing run folder for going on.

    Raises:
        InputError: it is no run folder, its config.json is damaged, or another process is working in it.
    """
    record = read_record(path)
    try:
        config = SearchConfig.from_json(record["config"])
    except InputError as error:
        version = record["versions"]["jcenas"]
        raise InputError(f"{path} was made by jcenas of version {version}: {error}") from error
    return RunFolder(path, _lock(path)), config


def _lock(path: Path) -> IO:
    try:
        file = (path / ".lock").open("w")
        try:
            lock_file(file)
        except BaseException:
            file.close()
            raise
    except BlockingIOError as error:
        raise InputError(f"{path}: another jcenas process works on this run; wait for it or stop it first") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); unlock or free the disk") from error
    return file


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide what a training gives, for the record of it."""
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
