"""Measure a table: check everything, compile, train the cells that it lacks on all devices, and say what comes next."""

import shlex
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jcenas.errors import InputError
from jcenas.live import prepare, run_folder
from jcenas.live.images import RunImages, fitting
from jcenas.live.measure import file as files
from jcenas.live.measure.columns import COST, ERROR, GENOME, SECONDS, SEED, columns_of, genome_text
from jcenas.live.measure.config import MeasureConfig
from jcenas.live.measure.crew import Crew, lacking
from jcenas.live.measure.sample import sample_cells
from jcenas.live.measure.trainer import make_trainers
from jcenas.live.programs import make_problem
from jcenas.runtime import sharding
from jcenas.train.host_set import HostSet

DEVICES = 8  # of the simulator, unless told otherwise: a table has to have at least as many cells


class Measured(NamedTuple):
    """A table, and what was done for it now."""

    path: Path
    cells: int  # that it holds, of those that are asked for
    wanted: int
    rows: tuple[dict[str, str], ...]  # as the file has them, by column
    failed: int  # rows without an error, since the training diverged

    @property
    def finished(self) -> bool:
        """Whether all cells are there."""
        return self.cells == self.wanted

    @property
    def next_command(self) -> str:
        """What searches the table."""
        useful = len({row[GENOME] for row in self.rows if row[ERROR]})
        small = f" --devices {useful}" if useful < DEVICES else ""
        return (
            f"jcenas simulate --table {shlex.quote(str(self.path))} --genome {GENOME} --error {ERROR} "
            f"--cost {COST} --seconds {SECONDS}{small}"
        )


def measure(
    config: MeasureConfig,
    *,
    cells: np.ndarray | None = None,
    say: Callable[[str], None] = print,
    stop: threading.Event | None = None,
) -> Measured:
    """Train the cells that the table lacks. Nothing is written before everything is checked and compiled.

    Args:
        config: of the table.
        cells: genomes (n, d) to train instead of the problem's sample.
        say: told of the progress, a line each.
        stop: set it to end after the step in flight; the cells in progress are trained again another time.

    Raises:
        InputError: what cannot be used, in one line.
    """
    stop = stop or threading.Event()
    images = prepare.load_images(config.search, say)
    if isinstance(images.data, HostSet):
        raise InputError(
            f"--images {config.images}: too large for the device's memory, and a table is measured on images that "
            "lie there; --image-size N makes those of a folder smaller"
        )
    files.check_place(config.path)
    devices = sharding.local_devices(config.devices)
    record = _record(config, images, devices)
    there = files.rows_there(config.path, record)
    trainers = []
    with fitting(config.problem, images):
        problem = make_problem(config.search, images.data)
        cells = sample_cells(problem, config.cells, config.seed) if cells is None else cells
        if missing := len(lacking(config, cells, there)):
            busy = devices[:missing]
            say(f"{len(cells) - missing} of {len(cells)} cells are there; compiling for {len(busy)} device(s) ...")
            trainers = make_trainers(config, problem, images.data, busy)
    if missing and not stop.is_set():
        with files.opened(config.path, record) as table:
            power = prepare.power_of_each(config.power, devices)
            Crew(config, problem, cells, power=power, table=table, say=say).work(trainers, stop)
            table.sort(_order(cells))
            there = table.rows
    return Measured(
        config.path,
        len(cells) - len(lacking(config, cells, there)),
        len(cells),
        tuple(there),
        sum(not row[ERROR] for row in there),
    )


def _record(config: MeasureConfig, images: RunImages, devices: Sequence[sharding.Device]) -> dict[str, Any]:
    """What FILE.json says."""
    return {
        "settings": config.settings(),
        "columns": columns_of(config),
        "images": images.record,
        "versions": run_folder.versions(),
        "devices": sharding.describe(devices),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _order(cells: np.ndarray) -> Callable[[dict[str, str]], Any]:
    """Where a row belongs: in the order of the sample, then of the seeds."""
    place = {genome_text(genome): i for i, genome in enumerate(cells.tolist())}
    return lambda row: (place.get(row[GENOME], len(place)), row[GENOME], len(row[SEED]), row[SEED])
