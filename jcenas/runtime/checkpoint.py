"""Checkpoints of one tree in one folder, by orbax: atomic, so that a kill leaves the old one or the new one."""

import shutil
import threading
from pathlib import Path
from typing import Any

import jax

_ONE_AT_A_TIME = threading.Lock()  # orbax numbers its operations per process: two threads would wait for each other


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
    ocp.save(fresh, tree)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def exists(folder: Path) -> bool:
    """True where `load` will find a complete checkpoint."""
    return folder.exists() or folder.with_name(folder.name + ".old").exists()


def load(folder: Path, like: Any) -> Any:
    """Read a tree with the structure, shapes, dtypes and placement of `like`.

    Raises:
        FileNotFoundError: no checkpoint there.
    """
    ocp = _orbax()
    folder = folder.absolute()
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():  # killed between the two renames
        old.rename(folder)
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
    with _ONE_AT_A_TIME:
        return ocp.load(folder, abstract)


def delete(folder: Path) -> None:
    """Remove a checkpoint and what an interrupted `save` may have left beside it."""
    for name in (folder.name, folder.name + ".new", folder.name + ".old"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def _orbax() -> Any:
    from orbax.checkpoint import v1  # 200 ms of import that only checkpoints need

    return v1
