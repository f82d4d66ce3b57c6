"""Packages that the benchmarks of `jcenas.moo` are compared with, apart from the project's own environment.

Each peer is its package and those of its dependencies that the project does not have; they are installed without
dependencies, so that nothing of the project's own is replaced. A peer that cannot be installed is left out, and its
cells say "not measured".
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

FOLDER = (
    pathlib.Path(tempfile.gettempdir())
    / f"jcenas_peers_{os.getuid()}_py{sys.version_info.major}{sys.version_info.minor}"
)


def install(*packages: str) -> None:
    """Install packages, without dependencies, into a folder of their own at the end of the import path."""
    missing = [p for p in packages if not (FOLDER / ".done" / p).exists()]
    if missing:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(FOLDER), *missing]
        subprocess.run(command, check=True)
        (FOLDER / ".done").mkdir(exist_ok=True)
        for package in missing:
            (FOLDER / ".done" / package).touch()
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


def run_script(name: str, script: pathlib.Path, packages: Sequence[str], *arguments: object) -> dict[str, Any] | None:
    """The JSON that a peer's script prints, run in this Python with its packages; None, and why, where it cannot."""
    try:
        install(*packages)
        return run_here(script, *arguments)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.stderr.write(f"{name} is not measured: {error} {getattr(error, 'stderr', None) or ''}\n")
        return None


def run_here(script: pathlib.Path, *arguments: object) -> dict[str, Any]:
    """The JSON that a peer's script prints, run in this Python as it is; nothing is installed.

    Raises:
      subprocess.CalledProcessError: the script fails.
    """
    command = [sys.executable, str(script), *map(str, arguments)]
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(FOLDER)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def has(package: str) -> bool:
    """Whether a peer can be imported as things are, in this environment or from the peers' folder."""
    if FOLDER.exists() and str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.util.find_spec(package) is not None


PACKAGES = {
    "moocore": ("moocore",),
    "pymoo": ("pymoo", "autograd", "moocore"),
    "pygmo": ("pygmo", "cloudpickle"),
    "botorch": (
        "torch==2.13.0+cpu",
        "botorch",
        "gpytorch",
        "linear_operator",
        "pyre_extensions",
        "typing_inspect",
        "typing_extensions",
        "mypy_extensions",
        "jaxtyping",
        "wadler_lindig",
        "multipledispatch",
        "pyro-ppl",
        "pyro-api",
        "opt_einsum",
        "tqdm",
        "filelock",
        "sympy",
        "mpmath",
        "networkx",
        "jinja2",
        "MarkupSafe",
        "fsspec",
        "threadpoolctl",
    ),
}
Measure = Callable[[np.ndarray, np.ndarray], float]  # points (n, m), reference (m,) -> hypervolume, minimisation


def hypervolume_of(peer: str, *, installing: bool = True) -> Measure | None:
    """The peer's exact hypervolume of one front, in double precision; None where it cannot be installed or imported."""
    try:
        if installing:
            install(*PACKAGES[peer])
        return {"moocore": _moocore, "pymoo": _pymoo, "pygmo": _pygmo, "botorch": _botorch}[peer]()
    except (subprocess.CalledProcessError, ImportError) as error:
        print(f"{peer} is not measured: {error}", file=sys.stderr)
        return None


def _moocore() -> Measure:
    import moocore

    return lambda points, reference: float(moocore.hypervolume(points, ref=reference))


def _pymoo() -> Measure:
    from pymoo.indicators.hv import HV

    return lambda points, reference: float(HV(ref_point=reference)(points))


def _pygmo() -> Measure:
    import pygmo

    return lambda points, reference: float(pygmo.hypervolume(points).compute(reference))


def _botorch() -> Measure:
    import torch
    from botorch.utils.multi_objective.hypervolume import Hypervolume

    torch.set_num_threads(1)

    def measure(points: np.ndarray, reference: np.ndarray) -> float:  # its class maximises
        return float(Hypervolume(ref_point=torch.from_numpy(-reference)).compute(torch.from_numpy(-points)))

    return measure
