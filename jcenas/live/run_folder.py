"""The folder of one run: who may write it, what it was started with, and where things lie in it.

runs/NAME/  config.json  run.db  checkpoints/  plots/  report.html
"""

import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig

_PACKAGES = ("jcenas", "jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """An open run folder. The lock lives as long as the process, so a killed run never leaves it locked."""

    path: Path
    lock: IO

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

    def close(self) -> None:
        """Let others write the folder."""
        self.lock.close()


def planned_path(config: SearchConfig) -> Path:
    """Where a new run will write, checked but not created.

    Raises:
        InputError: the folder exists, or nothing can be written there.
    """
    path = config.runs / (config.name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
    if path.exists():
        raise InputError(f"{path} exists; go on with it by {config.resume_flag(path)}, or choose another --name")
    above = path.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{above} cannot be written; choose another folder with --runs")
    return path


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
        "versions": {name: _version(name) for name in _PACKAGES},
        "devices": devices,
        "trace": trace,
        **about,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    part = path.with_name(f".{path.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / "checkpoints").mkdir(parents=True)
        (part / "config.json").write_text(json.dumps(record, indent=2))
        fill(part)
        lock = _lock(part)
        part.rename(path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"cannot create {path} ({error.strerror}); free the disk or choose another --runs") from error
    return RunFolder(path, lock)


def reopen(path: Path) -> tuple[RunFolder, SearchConfig]:
    """Open an existing run folder for going on.

    Raises:
        InputError: it is no run folder, its config.json is damaged, or another process is working in it.
    """
    file = path / "config.json"
    if not file.is_file():
        raise InputError(f"{path} is no run folder (no config.json); `ls {path.parent}` shows what there is")
    try:
        record = json.loads(file.read_text())
        values, version = record["config"], record["versions"]["jcenas"]
        try:
            config = SearchConfig.from_json(values)
        except InputError as error:
            raise InputError(f"{path} was made by jcenas of version {version}: {error}") from error
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error}); restore it, or start a new run under another --name") from error
    return RunFolder(path, _lock(path)), config


def read_record(path: Path) -> dict:
    """All of config.json."""
    return json.loads((path / "config.json").read_text())


def _lock(path: Path) -> IO:
    try:
        file = (path / ".lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            file.close()
            raise
    except BlockingIOError as error:
        raise InputError(f"{path}: another jcenas process works on this run; wait for it or stop it first") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); unlock or free the disk") from error
    return file


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
