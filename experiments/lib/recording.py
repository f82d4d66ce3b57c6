"""How an experiment is timed and recorded: one JSON file a table, with everything needed to judge and repeat it.

An experiment ends in one call of `record`, which also renders BENCHMARKS.md anew. Numbers are stored unrounded; a cell
that was not measured is None, and is shown as such.
"""

import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.lib import code_used, write_benchmarks
from experiments.lib.write_benchmarks import NOT_APPLICABLE as NOT_APPLICABLE
from experiments.lib.write_benchmarks import load as load
from jcenas.runtime.process import cpu_count

PACKAGES = ("jcenas", "jax", "jaxlib", "flax", "numpy")

# Taken when the process starts: an experiment's own threads would otherwise count as somebody else's load.
_LOAD_AT_START = os.getloadavg() if hasattr(os, "getloadavg") else None


def record(
    name: str,
    *,
    title: str,
    command: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
    expected: str = "",
    devices: Sequence[str] | None = None,
    measured_in: Mapping[str, Any] | None = None,
    older: Sequence[Mapping[str, Any] | None] | None = None,
    folder: pathlib.Path | None = None,
) -> pathlib.Path:
    """Write one table to `folder`/NAME.json (default: experiments/results), atomically, with the environment.

    Args:
      name: File name without suffix: lower-case letters, digits and underscores.
      title: Heading of the table.
      command: What a reader types at the root of the repository to repeat it.
      columns: Names of the columns, with units.
      rows: One sequence of cells a row: str, int, float, bool, None ("not measured") or NOT_APPLICABLE; scalars of
        NumPy are taken too.
      notes: Sentences under the table: how it was measured, what it does not show.
      expected: What the result should be, stated before measuring.
      devices: Kinds of the devices, where the experiment ran in other processes; default: those of JAX here.
      measured_in: The environment, as `environment` gives it, where the experiment ran on another machine.
      older: For each row None, or `origin` of the record that it was taken from.
      folder: Where to write; only the default also renders BENCHMARKS.md anew.

    Returns:
      The path of the file.

    Raises:
      ValueError: Bad name, a row of another length than `columns`, a cell that is NaN or infinite, or a path of this
        machine anywhere in the record.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"{name!r}: a result's name has only lower-case letters, digits and underscores")
    result = {
        "name": name,
        "title": title,
        "command": command,
        "expected": expected,
        "columns": list(columns),
        "rows": _plain_rows(name, columns, rows),
        "notes": list(notes),
        "environment": environment(devices) if measured_in is None else dict(measured_in),
        "commit": code_used.commit(),
        "code": code_used.used(whole_package=devices is not None or measured_in is not None),
    }
    if older is not None and any(older):
        result["older"] = [None if one is None else dict(one) for one in older]
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _refuse_local_paths(name, text)
    target = write_benchmarks.RESULTS if folder is None else folder
    target.mkdir(parents=True, exist_ok=True)
    path = write_atomically(target / f"{name}.json", text)
    if folder is None:
        write_benchmarks.write()
    return path


def _plain_rows(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The rows as JSON scalars; ValueError for one of another length than the columns."""
    table = [[plain(cell) for cell in row] for row in rows]
    for row in table:
        if len(row) != len(columns):
            raise ValueError(f"{name}: a row has {len(row)} cells for {len(columns)} columns: {row}")
    return table


def origin(result: Mapping[str, Any], row: int) -> dict[str, Any]:
    """When, from which commit and with which code a row of a record was made; None for what it does not say."""
    of_row = (result.get("older") or [None] * len(result["rows"]))[row]
    made = {"date_utc": result["environment"]["date_utc"]} | {key: result.get(key) for key in ("commit", "code")}
    return dict(of_row) if of_row else made


def _refuse_local_paths(name: str, text: str) -> None:
    """Raise ValueError where a record's text holds a path of this machine."""
    for local in _local_folders():
        if local in text:
            raise ValueError(
                f"{name}: the record holds a path of this machine ({local}); write paths relative to the repository"
            )


def environment(devices: Sequence[str] | None = None) -> dict[str, Any]:
    """Versions, platform, processor, devices, date (UTC) and load average of this process, JSON-ready.

    Args:
      devices: Kinds of the devices; default: asks JAX, which starts its back end.
    """
    if devices is None:
        import jax

        devices = [f"{device.platform}: {device.device_kind}" for device in jax.devices()]
    return {
        "versions": {"python": platform.python_version()} | versions(PACKAGES),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": cpu_count(),
        "devices": list(devices),
        "date_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_average_at_start": None if _LOAD_AT_START is None else round(_LOAD_AT_START[0], 2),
    }


def time_compiled(
    function: Callable[..., Any],
    *args: Any,
    repeats: int = 10,
    warmup: int = 1,
    next_args: Callable[[tuple, Any], tuple] | None = None,
) -> dict[str, float]:
    """Time the compiled `function(*args)`, compilation apart: `compile_timed`, then `time_calls`.

    Returns:
      Seconds: `trace_s`, `compile_s`, and over the repeats `median_s`, `q1_s`, `q3_s`, `min_s`.
    """
    compiled, seconds = compile_timed(function, *args)
    return seconds | time_calls(compiled, *args, repeats=repeats, warmup=warmup, next_args=next_args)


def compile_timed(function: Callable[..., Any], *args: Any) -> tuple[Callable[..., Any], dict[str, float]]:
    """Compile `function` for arguments like these.

    The compile time is that of JAX's persistent cache where one is configured; a cold figure needs none.

    Args:
      function: Pure; jitted here unless it is already (then its static and donated arguments hold).
      *args: Positional arguments.

    Returns:
      The executable, and seconds: `trace_s`, `compile_s`.
    """
    import jax

    jitted = function if hasattr(function, "lower") else jax.jit(function)
    start = time.perf_counter()
    lowered = jitted.lower(*args)  # pyright: ignore[reportFunctionMemberAccess]
    traced = time.perf_counter()
    compiled = lowered.compile()
    return compiled, {"trace_s": traced - start, "compile_s": time.perf_counter() - traced}


def time_calls(
    compiled: Callable[..., Any],
    *args: Any,
    repeats: int = 10,
    warmup: int = 1,
    next_args: Callable[[tuple, Any], tuple] | None = None,
) -> dict[str, float]:
    """Time calls of a function that compiles nothing any more, each until its results are there.

    Args:
      compiled: The function.
      *args: Arguments of the first call.
      repeats: Timed calls.
      warmup: Calls before them.
      next_args: `next_args(args, outputs)` gives the arguments of the next call: needed where the function donates.

    Returns:
      Seconds over the repeats: `median_s`, `q1_s`, `q3_s`, `min_s`.
    """
    import jax

    seconds = []
    for _ in range(warmup + repeats):
        begin = time.perf_counter()
        outputs = jax.block_until_ready(compiled(*args))
        seconds.append(time.perf_counter() - begin)
        if next_args is not None:
            args = next_args(args, outputs)
    timed = np.array(seconds[warmup:])
    q1, median, q3 = np.quantile(timed, [0.25, 0.5, 0.75])
    return {"median_s": float(median), "q1_s": float(q1), "q3_s": float(q3), "min_s": float(timed.min())}


def plain(cell: Any) -> str | int | float | bool | None:
    """The cell as a JSON scalar.

    Raises:
      ValueError: It is NaN or infinite, or neither number nor text.
    """
    if isinstance(cell, np.generic) or (hasattr(cell, "item") and getattr(cell, "ndim", None) == 0):
        cell = cell.item()
    if isinstance(cell, float) and not math.isfinite(cell):
        raise ValueError(f"a cell is {cell}: record None for what was not measured")
    if cell is None or isinstance(cell, str | int | float | bool):
        return cell
    raise ValueError(f"a cell is a {type(cell).__name__}, not a number or text: {cell!r}")


def versions(packages: Sequence[str]) -> dict[str, str | None]:
    """Installed versions, None where a package is not installed."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _local_folders() -> list[str]:
    """Folders that mean something on this machine only."""
    folders = {str(pathlib.Path.home()), str(pathlib.Path.cwd()), tempfile.gettempdir(), sys.prefix}
    return sorted(folder + "/" for folder in folders if len(folder) > 1)


def write_atomically(path: pathlib.Path, text: str) -> pathlib.Path:
    """A reader sees the old file or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    path.chmod(0o644)
    return path
