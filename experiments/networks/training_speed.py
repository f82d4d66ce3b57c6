"""Images per second of a candidate's and of the supernet's training step; compile time apart.

Command:  python -m experiments.networks.training_speed [--smoke]
Expected: one executable trains every cell and the supernet; on 2 CPU cores at NAS-Bench-201's macro at least half of
          PyTorch's channels-last throughput, whatever PyTorch's is on that machine (not measured here).
Cost:     about three minutes on 2 CPU cores; `--smoke` some seconds, and records nothing.

Before anything is timed it is checked that a training step changes the weights and that its loss is finite.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lib import recording
from jcenas.nets import CellNetwork
from jcenas.proxies.one_shot import supernet_paths
from jcenas.runtime import compilation, sharding
from jcenas.runtime.process import start_with_huge_pages
from jcenas.spaces import NasBench201
from jcenas.train import images
from jcenas.train.images import ImageSet, Split
from jcenas.train.training import TrainConfig, make_trainer

NAME = "training_steps"
COLUMNS = ["network", "what", "images/s", "images/s, q1", "images/s, q3", "ms per step", "trace, s", "compile, s"]
CELLS = {
    "candidate, six 3x3": (3, 3, 3, 3, 3, 3),
    "candidate, three 3x3, one 1x1, skip, pool": (3, 2, 3, 1, 4, 3),
}


class Workload(NamedTuple):
    """A network on images of some size."""

    name: str
    image_shape: tuple[int, int, int]
    channels: int
    cells: int
    batch_size: int
    chunk_steps: int  # training steps in one call


WORKLOADS = (
    Workload("digits 8x8, 8 channels, 1 cell a stage (the default run)", (8, 8, 1), 8, 1, 64, 16),
    Workload("32x32, 16 channels, 5 cells a stage (NAS-Bench-201)", (32, 32, 3), 16, 5, 64, 4),
)
SMOKE = (Workload("smoke", (8, 8, 1), 4, 1, 16, 2),)


def data_of(workload: Workload) -> ImageSet:
    """Digits where the shape is theirs; else random pixels, which cost a step exactly what real ones do."""
    if workload.image_shape == (8, 8, 1):
        return images.load_images("digits", [])
    random = np.random.default_rng(0)
    size = workload.batch_size * workload.chunk_steps

    def part() -> Split:
        pixels = random.integers(0, 256, (size, *workload.image_shape), np.uint8)
        return Split(jnp.asarray(pixels), jnp.asarray(random.integers(0, 10, size, np.int32)))

    channels = workload.image_shape[-1]
    middle, spread = jnp.full((channels,), 0.5, jnp.float32), jnp.full((channels,), 0.25, jnp.float32)
    return ImageSet(train=part(), validation=part(), test=part(), mean=middle, deviation=spread, classes=10, flip=True)


def measure(workload: Workload, repeats: int) -> list[list[Any]]:
    """Rows of the table for one workload: every kind of step with the one executable."""
    device = sharding.local_devices(1)[0]
    data = sharding.place(data_of(workload), device)
    choose = "branch" if sharding.on_cpu([device]) else "blend"
    network = CellNetwork(data.classes, channels=workload.channels, cells=workload.cells, choose=choose)
    trainer = make_trainer(network, TrainConfig(batch_size=workload.batch_size, chunk_steps=workload.chunk_steps), data)
    init = jax.jit(trainer.init)

    def fresh():
        return init(jax.random.key(0), jnp.int32(1000))

    state = fresh()
    supernet = supernet_paths(NasBench201(), state, trainer.chunk_steps)
    compiled, compiling = recording.compile_timed(
        compilation.jit(trainer.chunk, donate_argnums=0), state, supernet, data
    )
    genomes = {name: jnp.tile(jnp.asarray(cell, jnp.int32), (trainer.chunk_steps, 1)) for name, cell in CELLS.items()}
    rows = []
    for name, paths in {**genomes, "supernet, one uniform path a step": supernet}.items():
        _check(compiled, fresh, paths, data)
        times = recording.time_calls(
            compiled, fresh(), paths, data, repeats=repeats, next_args=lambda args, outputs: (outputs[0], *args[1:])
        )
        done = workload.batch_size * trainer.chunk_steps
        speeds = [done / times[key] for key in ("median_s", "q3_s", "q1_s")]
        step_ms = 1e3 * times["median_s"] / trainer.chunk_steps
        # One executable serves all rows: its compilation is stated once.
        compile_cells = ["the same"] * 2 if rows else [compiling["trace_s"], compiling["compile_s"]]
        rows.append([workload.name, name, *speeds, step_ms, *compile_cells])
    return rows


def _check(compiled, fresh, paths: jax.Array, data: ImageSet) -> None:
    """Raise unless a call trains: finite loss, changed weights."""
    before = jax.tree.map(np.asarray, fresh().params)
    state, loss = compiled(fresh(), paths, data)
    if not np.isfinite(float(loss)):
        raise RuntimeError(f"the loss is {float(loss)}: nothing to time")
    changed = jax.tree.map(lambda a, b: bool(np.any(a != np.asarray(b))), before, state.params)
    if not any(jax.tree.leaves(changed)):
        raise RuntimeError("a call changed no weight: nothing to time")


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny network; records nothing")
    smoke = parser.parse_args(arguments).smoke
    rows = [row for workload in (SMOKE if smoke else WORKLOADS) for row in measure(workload, 2 if smoke else 7)]
    if not smoke:
        recording.record(
            NAME,
            title="Training throughput",
            command="python -m experiments.networks.training_speed",
            columns=COLUMNS,
            rows=rows,
            notes=[
                "Median and quartiles of 7 calls after one warm-up: augmentation, forward, backward, update; batch 64.",
                "With glibc's huge pages, as `jcenas search` starts itself.",
                "A call is a scan over 16 (digits) or 4 steps; images are on the device.",
                "One executable per network serves every cell and the supernet: it is compiled once, without a cache.",
                "32x32 images are random pixels: the cost of a step does not depend on them.",
            ],
            expected="one executable trains every cell and the supernet.",
        )
    for row in rows:
        sys.stdout.write("  ".join(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in row) + "\n")
    return rows


if __name__ == "__main__":
    start_with_huge_pages()
    main()
