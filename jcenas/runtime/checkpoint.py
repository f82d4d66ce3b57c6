"""Checkpoints of one tree in one folder, by orbax: atomic, so that a kill leaves the old one or the new one.

Beside what orbax writes lies `sha256.json`, the SHA-256 of every file by its path: what was changed since, or cut
short, is found before it is read.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import jax

from jcenas.errors import InputError

_SUMS = "sha256.json"
_ONE_AT_A_TIME = threading.Lock()  # orbax numbers its operations per process: two threads would wait for each other


class DamagedCheckpointError(InputError):
    """A checkpoint cannot be read, or is not what was written."""


def save(folder: Path, tree: Any) -> None:
    """Write a tree of arrays. A checkpoint already there is replaced only once the new one is complete.

    Raises:
        OSError: the disk is full or read-only; the old checkpoint is still there.
    """
    ocp = _orbax()
    folder = folder.absolute()
    with _ONE_AT_A_TIME:
        _save(ocp, folder, tree)


def _save(ocp: Any, folder: Path, tree: Any) -> None:
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    _written(ocp, fresh, tree)
    (fresh / _SUMS).write_text(json.dumps(_sums(fresh)))
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _written(ocp: Any, folder: Path, tree: Any) -> None:
    """Have orbax write, and raise what the system said: below it errors of the disk are ValueErrors (tensorstore)."""
    absl = logging.getLogger("absl")  # to which each of its threads writes the traceback of what is raised here
    level = absl.level
    absl.setLevel(logging.CRITICAL)
    try:
        ocp.save(folder, tree)
    except Exception as error:
        if isinstance(error, OSError) or (code := re.search(r"os_error_code='(\d+)'", str(error))) is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(folder)) from error
    finally:
        absl.setLevel(level)


def exists(folder: Path) -> bool:
    """True where `load` will find a complete checkpoint."""
    return folder.exists() or folder.with_name(folder.name + ".old").exists()


def load(folder: Path, like: Any) -> Any:
    """Read a tree with the structure, shapes, dtypes and placement of `like`.

    Raises:
        DamagedCheckpointError: no checkpoint there, one whose files have changed since, or one of another tree.
    """
    ocp = _orbax()
    folder = folder.absolute()
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():  # killed between the two renames
        old.rename(folder)
    _check(folder)
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
    try:
        with _ONE_AT_A_TIME:
            return ocp.load(folder, abstract)
    except Exception as error:  # orbax and what it calls raise many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedCheckpointError(f"checkpoint {folder} cannot be read ({reason}); delete it") from error


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint, in hexadecimal, by its path in the folder."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _SUMS:
            with path.open("rb") as file:
                sums[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _check(folder: Path) -> None:
    """Raise `DamagedCheckpointError` where the files are not those that were written."""
    if not folder.is_dir():
        raise DamagedCheckpointError(f"checkpoint {folder} is missing; put it back, or train it again")
    try:
        known, found = json.loads((folder / _SUMS).read_text()), _sums(folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no checksums in it"
        raise DamagedCheckpointError(f"checkpoint {folder} is damaged ({_SUMS}: {reason}); delete it") from error
    if known != found:
        names = [name for name in sorted(known.keys() | found.keys()) if known.get(name) != found.get(name)]
        raise DamagedCheckpointError(f"checkpoint {folder} is damaged ({names[0]} is not what was written); delete it")


def delete(folder: Path) -> None:
    """Remove a checkpoint and what an interrupted `save` may have left beside it."""
    for name in (folder.name, folder.name + ".new", folder.name + ".old"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def _orbax() -> Any:
    from orbax.checkpoint import v1  # 200 ms of import that only checkpoints need

    return v1
