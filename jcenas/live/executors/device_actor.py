"""One device in a process of its own, on whatever machine: what an actor of a cluster does.

It is started bare, reads the images as the driver did, compiles for its device, and does then what it is asked to. It
takes the versions that its own machine has, so that the driver can refuse what does not fit.
"""

import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from jcenas.live import prepare
from jcenas.live.config import SearchConfig
from jcenas.live.images import check_same
from jcenas.live.run_folder import RunFolder, versions
from jcenas.runtime import process


class Ready(NamedTuple):
    """What an actor says when it can begin."""

    name: str  # of the device
    compiling_s: float
    timing_s: float
    measured: dict[str, Any]  # see `Prepared.measured`
    count: int
    score_batch: int
    chunk_steps: int
    said: tuple[str, ...]


class DeviceActor:
    """One device, in a process that Ray starts where there is one."""

    def __init__(self, cache: str | None, threads: int):
        """Nothing of JAX runs yet.

        Args:
            cache: folder of the programs that JAX compiles; None: the user's cache folder on that machine.
            threads: of the CPU; 0 where an accelerator does the work.
        """
        if cache is not None:
            os.environ[process.CACHE_VARIABLE] = cache
        self._on_cpu = threads > 0
        if self._on_cpu:
            os.environ["NPROC"] = str(threads)  # XLA's pool

    def place(self) -> tuple[str, dict[str, str]]:
        """Name of the machine, and its versions."""
        return platform.node(), versions()

    def sees(self, file: Path) -> bool:
        """Whether a file of the driver is there on this machine."""
        return file.exists()

    def prepare(self, config: SearchConfig, given: Any, record: dict, known: dict | None) -> Ready:
        """Read the images, compile, and where nobody did, measure.

        Args:
            config: of the run, for one device.
            given: images that a program handed over, or None.
            record: of the images that the driver has.
            known: see `jcenas.live.prepare.prepare`.

        Raises:
            InputError: see there; or other images than the driver's.
        """
        process.keep_compiled_programs()
        if self._on_cpu:
            process.use_cpu_only()
        process.use_cpu_devices(work=1)
        said: list[str] = []
        images = prepare.load_images(config, said.append, given)
        check_same(record, images)
        made = prepare.prepare(config, images, said.append, known)
        self._device = made.at_work[0]
        return Ready(
            name=made.device_names[0],
            compiling_s=made.compiling_s[0],
            timing_s=made.timing_s,
            measured=made.measured(),
            count=self._device.count,
            score_batch=self._device.score_batch,
            chunk_steps=self._device.chunk_steps,
            said=tuple(said),
        )

    def open(self, folder: Path) -> None:
        """The run has a folder."""
        self._device.open(RunFolder(folder, None))

    def do(self, what: str, *arguments: Any) -> Any:
        """Call a method of the device."""
        return getattr(self._device, what)(*arguments)
