"""Our own tabular benchmark: NAS-Bench-201 cells trained on digits, two seeds each, with what a supernet says of them.

Command:  python -m experiments.search.measure_digits --work FOLDER [--cells 2000] [--smoke]
Expected: at least 2,000 of the 6,466 cells that differ up to isomorphism, a uniform sample by a fixed seed, in one file
          of at most 2 MB, `jcenas/tables/data/digits.npz`, which `jcenas simulate` uses if it is not told otherwise.
Cost:     about 1.8 CPU seconds a training: 2,000 cells with two seeds take an hour on 2 cores, one process on each:
              taskset -c 0 python -m experiments.search.measure_digits --work FOLDER --part 0/2 &
              taskset -c 1 python -m experiments.search.measure_digits --work FOLDER --part 1/2
          FOLDER keeps what is done, cell by cell: the same commands go on where they were stopped, and without
          `--part` the rest is done and the file written. `--smoke`: 4 cells, into FOLDER only.

Recipe, network and split are those of `jcenas search` without options; the seeds of a cell are a population. Operations
this small gain little from a second core, so processes that have one each finish more cells than one that has two.
Seconds are CPU time of one core, which other work on the machine stretches less than the clock. The supernet is trained
once, and scores all 15,625 cells in a call.
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
from jcenas.live.programs import train_config
from jcenas.nets import CellNetwork
from jcenas.proxies.one_shot import make_score, train_supernet
from jcenas.proxies.synflow import synflow
from jcenas.proxies.zero_shot import make_proxy
from jcenas.runtime.process import start_with_huge_pages
from jcenas.spaces import NasBench201, nasbench201
from jcenas.tables.digits import FILE
from jcenas.train import images
from jcenas.train.images import ImageSet, Split
from jcenas.train.population import make_population
from jcenas.train.training import Trainer, make_trainer

ORDER_SEED, TRAIN_SEED, SUPERNET_SEED, SYNFLOW_SEED = 2026, 1, 2, 3
SEEDS = 2
BUDGETS = (4, 12)  # epochs: a look on the way, and the end of the schedule
SCORES = "supernet.npy"


def make_measure(trainer: Trainer, budgets: Sequence[int]):
    """One program: keys (s,), genomes (s, 6), data -> right answers int32 (s, budgets, 2) on validation and test."""
    population = make_population(trainer)
    chunks = trainer.steps_per_epoch // trainer.chunk_steps

    def measure(keys: jax.Array, genomes: jax.Array, data: ImageSet) -> jax.Array:
        states = population.init(keys, jnp.int32(budgets[-1] * trainer.steps_per_epoch))
        paths = jnp.repeat(genomes[:, None], trainer.chunk_steps, axis=1)
        right, before = [], 0
        for epochs in budgets:

            def step(states, _):
                return population.chunk(states, paths, data)[0], None

            states, _ = jax.lax.scan(step, states, length=(epochs - before) * chunks)
            right.append([count(states, genomes, part, data) for part in (data.validation, data.test)])
            before = epochs
        return jnp.stack([jnp.stack(parts, -1) for parts in right], axis=1)

    def count(states, genomes: jax.Array, part: Split, data: ImageSet) -> jax.Array:
        shares = population.accuracy(states, genomes, part, data)
        return jnp.round(shares * part.labels.shape[0]).astype(jnp.int32)

    return measure


def measure_cells(
    cells: np.ndarray, folder: pathlib.Path, config: SearchConfig, budgets: Sequence[int], part: tuple[int, int]
) -> None:
    """Train those of this part that `folder` does not have yet, a line of JSON a cell in the part's own file."""
    done = {tuple(row["genome"]) for row in finished(folder)}
    mine = cells[part[0] :: part[1]]
    missing = [cell for cell in mine if tuple(int(v) for v in cell) not in done]
    if not missing:
        return
    data = images.load_images(config.images, [], seed=config.seed)
    trainer = make_trainer(network_of(config, data), train_config(config), data)
    keys = jax.random.split(jax.random.key(TRAIN_SEED), SEEDS)
    compiled = jax.jit(make_measure(trainer, budgets)).lower(keys, members(missing[0]), data).compile()
    began, file = time.monotonic(), folder / f"cells-{part[0]}-{part[1]}.jsonl"
    file.write_text("".join(whole_lines(file)))
    with file.open("a") as out:
        for i, cell in enumerate(missing, 1):
            cpu = time.process_time()
            right = np.asarray(compiled(keys, members(cell), data))
            seconds = (time.process_time() - cpu) / SEEDS
            row = {"genome": [int(v) for v in cell], "right": right.tolist(), "seconds": round(seconds, 4)}
            out.write(json.dumps(row) + "\n")
            out.flush()
            if i % 50 == 0 or i == len(missing):
                left = (len(missing) - i) * (time.monotonic() - began) / i / 60
                print(f"{i} of {len(missing)} cells, {left:.0f} min left", flush=True)


def members(cell: np.ndarray) -> jax.Array:
    """The cell once for each seed, int32 (seeds, 6)."""
    return jnp.tile(jnp.asarray(cell, jnp.int32), (SEEDS, 1))


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


def synflow_of(cells: np.ndarray, config: SearchConfig) -> np.ndarray:
    """Logarithm of synflow of cells (n, 6), float32 (n,); -inf where no path is left."""
    data = images.load_images(config.images, [], seed=config.seed)
    proxy = make_proxy(synflow, network_of(config, data))
    start = proxy.prepare(jax.random.key(SYNFLOW_SEED), data)
    return np.asarray(jax.jit(proxy.score)(start, jnp.asarray(cells)))


def network_of(config: SearchConfig, data: ImageSet) -> CellNetwork:
    """The candidate of the default search; branches run one operation only, which is right for cells one by one."""
    return CellNetwork(data.classes, channels=config.channels, cells=config.cells, choose="branch")


def finished(folder: pathlib.Path) -> list[dict]:
    """What all parts have done; a stop may have cut a file's last line."""
    return [json.loads(line) for file in sorted(folder.glob("cells-*.jsonl")) for line in whole_lines(file)]


def whole_lines(file: pathlib.Path) -> list[str]:
    """The lines that end in a newline."""
    return [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")] if file.exists() else []


def pack(
    folder: pathlib.Path, target: pathlib.Path, config: SearchConfig, scored: np.ndarray, command: str
) -> pathlib.Path:
    """Write the table's file of all cells that are done; `scored` are those that the supernet scored, in its order."""
    rows = {tuple(row["genome"]): row for row in finished(folder)}  # once each, whoever did it
    rows = [rows[genome] for genome in sorted(rows)]
    score = dict(zip(map(tuple, scored.tolist()), np.load(folder / SCORES), strict=True))
    data = images.load_images(config.images, [], seed=config.seed)
    provenance = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cells": f"{len(rows)} of 6,466 non-isomorphic cells, the first of a permutation with seed {ORDER_SEED}",
        "seconds": f"CPU time of one core; {recording.environment()['cpu']}",
        "versions": recording.environment()["versions"],
        "recipe": {
            k: config.to_json()[k] for k in ("images", "channels", "cells", "epochs", "supernet_epochs", "seed")
        },
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        np.savez_compressed(
            out,
            genomes=np.array([row["genome"] for row in rows], np.uint8),
            right=np.array([row["right"] for row in rows], np.uint16),
            seconds=np.array([row["seconds"] for row in rows], np.float32),
            log_synflow=synflow_of(np.array([row["genome"] for row in rows], np.int32), config),
            oneshot_right=np.array([score[tuple(row["genome"])] for row in rows], np.uint16),
            images=np.array([data.validation.labels.shape[0], data.test.labels.shape[0]], np.uint16),
            epochs=np.array(BUDGETS, np.uint8),
            provenance=np.array(json.dumps(provenance)),
        )
    return target


def main(arguments: Sequence[str] | None = None) -> pathlib.Path:
    """Measure what is missing and write the file; returns its path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder that keeps what is done")
    parser.add_argument("--cells", type=int, default=2000, help="how many of the 6,466 cells")
    parser.add_argument("--part", default="0/1", help="I/N: only every N-th cell, from the I-th on")
    parser.add_argument("--smoke", action="store_true", help="4 cells of two epochs; writes into FOLDER only")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    config = SearchConfig(channels=2) if options.smoke else SearchConfig()
    cells = np.random.default_rng(ORDER_SEED).permutation(nasbench201.non_isomorphic_cells())
    cells = cells[: 4 if options.smoke else options.cells]
    everything = cells if options.smoke else nasbench201.all_cells()
    score_all(options.work, config, 1 if options.smoke else config.supernet_epochs, everything)
    index, parts = map(int, options.part.split("/"))
    measure_cells(cells, options.work, config, (1, 2) if options.smoke else BUDGETS, (index, parts))
    if parts > 1:
        return options.work
    target = options.work / FILE.name if options.smoke else FILE
    return pack(
        options.work,
        target,
        config,
        everything,
        f"python -m experiments.search.measure_digits --work FOLDER --cells {len(cells)}",
    )


if __name__ == "__main__":
    start_with_huge_pages()
    print(main())
