"""Our own tabular benchmark: NAS-Bench-201 cells trained on digits, two seeds each, with what a supernet says of them.

Command:  python -m experiments.search.measure_digits --work FOLDER [--cells 2000] [--smoke]
Expected: at least 2,000 of the 6,466 cells that differ up to isomorphism, a uniform sample by a fixed seed, in one file
          of at most 2 MB, `jcenas/tables/data/digits.npz`, which `jcenas simulate` uses if it is not told otherwise.
Cost:     about 1.8 core-seconds a training: 2,000 cells with two seeds take an hour on 2 cores. FOLDER keeps what is
          done, cell by cell: the same command goes on where it was stopped. `--smoke`: 4 cells, into FOLDER only.

The trainings are those of `jcenas measure --problem nasbench201 --seeds 2 --looks 4`, in FOLDER/cells.csv, of cells
that this script chooses: also those without a path, of which a search trains none. Beside them stand the scores of a
supernet, which is trained once and scores all 15,625 cells in a call. The recipe is that of `jcenas search` without
options.
"""

import argparse
import datetime
import json
import pathlib
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lib import recording
from jcenas.live.config import SearchConfig
from jcenas.live.measure.config import MeasureConfig
from jcenas.live.measure.run import Measured, measure
from jcenas.live.programs import train_config
from jcenas.live.terminal import MOST_CPU_DEVICES
from jcenas.nets import CellNetwork
from jcenas.proxies.one_shot import make_score, train_supernet
from jcenas.runtime.process import start_with_huge_pages, use_cpu_devices
from jcenas.spaces import NasBench201, nasbench201
from jcenas.tables.digits import FILE
from jcenas.train import images
from jcenas.train.images import ImageSet
from jcenas.train.training import make_trainer

ORDER_SEED, SUPERNET_SEED = 2026, 2
SEEDS = 2
LOOK, EPOCHS = 4, 12  # a look on the way, and the end of the schedule
SCORES, CELLS = "supernet.npy", "cells.csv"


def config_of(folder: pathlib.Path, *, smoke: bool) -> MeasureConfig:
    """The trainings."""
    if smoke:
        return MeasureConfig(seeds=SEEDS, epochs=2, looks=(1,), channels=2, out=folder / CELLS)
    return MeasureConfig(seeds=SEEDS, epochs=EPOCHS, looks=(LOOK,), out=folder / CELLS)


def score_all(folder: pathlib.Path, config: SearchConfig, epochs: int, cells: np.ndarray) -> None:
    """Train the supernet and score all cells in one call; right answers on validation, int32 (n,), to a file."""
    if (folder / SCORES).exists():
        return
    data = images.load_images(config.images, [], seed=config.seed)
    network = network_of(config, data)
    trainer = make_trainer(network, train_config(config), data)
    state = jax.jit(trainer.init)(jax.random.key(SUPERNET_SEED), jnp.int32(epochs * trainer.steps_per_epoch))
    state = jax.jit(lambda s, d: train_supernet(trainer, NasBench201(), s, d, epochs=epochs))(state, data)
    score = jax.jit(make_score(network, images=data.validation.labels.shape[0]))
    score = score.lower(state, jnp.asarray(cells), data).compile()
    began, cpu = time.monotonic(), time.process_time()
    errors = np.asarray(score(state, jnp.asarray(cells), data))
    wall, used = time.monotonic() - began, time.process_time() - cpu
    print(f"{len(cells)} paths scored in one call: {wall:.1f} s, {used:.1f} CPU s", flush=True)
    np.save(folder / SCORES, np.round((1 - errors) * data.validation.labels.shape[0]).astype(np.int32))


def network_of(config: SearchConfig, data: ImageSet) -> CellNetwork:
    """The candidate of the default search; branches run one operation only, which is right for cells one by one."""
    assert config.channels is not None, "set by SearchConfig"
    assert config.cells is not None, "set by SearchConfig"
    return CellNetwork(data.classes, channels=config.channels, cells=config.cells, choose="branch")


def right_answers(done: Measured, config: MeasureConfig, counts: Sequence[int]) -> dict[tuple[int, ...], np.ndarray]:
    """By genome, right answers int (seeds, budgets, 2) on so many validation and test images.

    Args:
        done: the trainings.
        config: theirs.
        counts: of the images.
    """
    found = {}
    for row in done.rows:
        ends = [f"_{look}" for look in config.looks] + [""]
        errors = [[float(row[f"{part}_error{end}"]) for part in ("validation", "test")] for end in ends]
        right = np.rint((1 - np.array(errors) / 100) * np.array(counts)).astype(int)
        found.setdefault(genome_of(row), {})[int(row["seed"])] = right
    return {genome: np.stack([of[seed] for seed in sorted(of)]) for genome, of in found.items()}


def means_of(done: Measured, column: str) -> dict[tuple[int, ...], float]:
    """By genome, the mean of a column over the seeds."""
    found = {}
    for row in done.rows:
        found.setdefault(genome_of(row), []).append(float(row[column]))
    return {genome: float(np.mean(values)) for genome, values in found.items()}


def genome_of(row: dict[str, str]) -> tuple[int, ...]:
    """The genome of a row."""
    return tuple(map(int, row["genome"].split()))


def pack(target: pathlib.Path, config: MeasureConfig, done: Measured, scored: np.ndarray, command: str) -> pathlib.Path:
    """Write the table's file of all cells that are done; `scored` are those that the supernet scored, in its order."""
    search = config.search
    data = images.load_images(search.images, [], seed=search.seed)
    counts = [data.validation.labels.shape[0], data.test.labels.shape[0]]
    right = right_answers(done, config, counts)
    genomes = sorted(right)
    seconds, synflow = means_of(done, "seconds"), means_of(done, "log_synflow")
    score = dict(zip(map(tuple, scored.tolist()), np.load(config.path.parent / SCORES), strict=True))
    provenance = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cells": f"{len(genomes)} of 6,466 non-isomorphic cells, the first of a permutation with seed {ORDER_SEED}",
        "seconds": f"of a device, of which a CPU's cores are; {recording.environment()['cpu']}",
        "versions": recording.environment()["versions"],
        "recipe": {
            k: search.to_json()[k] for k in ("images", "channels", "cells", "epochs", "supernet_epochs", "seed")
        },
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with np.errstate(divide="ignore"), target.open("wb") as out:  # where no path is left: log(0)
        np.savez_compressed(
            out,
            genomes=np.array(genomes, np.uint8),
            right=np.array([right[genome] for genome in genomes], np.uint16),
            seconds=np.array([seconds[genome] for genome in genomes], np.float32),
            log_synflow=np.log(np.expm1([synflow[genome] for genome in genomes])).astype(np.float32),
            oneshot_right=np.array([score[genome] for genome in genomes], np.uint16),
            images=np.array(counts, np.uint16),
            epochs=np.array(config.budgets, np.uint8),
            provenance=np.array(json.dumps(provenance)),
        )
    return target


def main(arguments: Sequence[str] | None = None) -> pathlib.Path:
    """Measure what is missing and write the file; returns its path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder that keeps what is done")
    parser.add_argument("--cells", type=int, default=2000, help="how many of the 6,466 cells")
    parser.add_argument("--smoke", action="store_true", help="4 cells of two epochs; writes into FOLDER only")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    config = config_of(options.work, smoke=options.smoke)
    cells = np.random.default_rng(ORDER_SEED).permutation(nasbench201.non_isomorphic_cells())
    cells = cells[: 4 if options.smoke else options.cells]
    everything = cells if options.smoke else nasbench201.all_cells()
    score_all(options.work, config.search, 1 if options.smoke else config.search.supernet_epochs, everything)
    done = measure(config, cells=cells)
    target = options.work / FILE.name if options.smoke else FILE
    command = f"python -m experiments.search.measure_digits --work FOLDER --cells {len(cells)}"
    return pack(target, config, done, everything, command)


if __name__ == "__main__":
    start_with_huge_pages()
    use_cpu_devices(work=MOST_CPU_DEVICES)
    print(main())
