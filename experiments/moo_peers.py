"""Packages that the benchmarks of `jcenas.moo` are compared with, apart from the project's own environment."""

import os
import pathlib
import subprocess
import sys
import tempfile

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
