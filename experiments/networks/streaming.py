"""Seconds of an epoch with images that stay on the host, beside the same epoch with images on the device.

Command:  python -m experiments.networks.streaming [--smoke]
Expected: streamed at most 10 % slower than resident on CIFAR-10.
Cost:     about ten minutes on 2 CPU cores; `--smoke` half a minute, and records nothing.

CIFAR-10 (prepared data in JCENAS_DATA) is written into a file that is mapped into memory, as a user's images are that
do not fit. Both variants train one cell with the programs of `jcenas search`, an epoch of the one, then an epoch of the
other, so that a machine that is busy for a while slows both. Before anything is timed it is checked that a chunk of
steps leaves both with the same weights.
"""

import argparse
import pathlib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.lib import recording
from jcenas.live import SearchConfig
from jcenas.live.programs import DevicePrograms, make_problem
from jcenas.live.streamed import StreamedPrograms
from jcenas.runtime import sharding
from jcenas.runtime.process import start_with_huge_pages
from jcenas.tables.store import locate
from jcenas.train import images
from jcenas.train.host_set import HostSet, host_set
from jcenas.train.image_arrays import Arrays
from jcenas.train.pixel_file import PixelWriter, find

NAME = "streaming"
MOST_SLOWER = 0.10
COLUMNS = [
    "images",
    "network",
    "epochs of each",
    "resident, s an epoch",
    "resident, q1",
    "resident, q3",
    "streamed, s an epoch",
    "streamed, q1",
    "streamed, q3",
    "streamed slower by, %",
]
CELL = (3, 1, 2, 1, 3, 4)


class Size(NamedTuple):
    """What is measured."""

    images: str
    channels: int
    pairs: int


FULL = Size("cifar10", 8, 5)
SMOKE = Size("digits", 4, 1)


def mapped(name: str, folder: pathlib.Path) -> HostSet:
    """A set of the registry in a mapped file."""
    facts = images.source(name)
    parts = images.read_parts(name, [locate(file) for file in facts.files])
    with PixelWriter(folder, name) as writer:
        ranges, first = {}, 0
        for part, (pixels, labels) in parts.items():
            writer.append(pixels)
            ranges[part] = (first, first + len(labels))
            first += len(labels)
        writer.keep(ranges, np.concatenate([labels for _, labels in parts.values()]).astype(np.int32), {})
    stored = find(folder, name)
    if stored is None:
        raise RuntimeError("the file reads back otherwise: nothing to time")
    found: Mapping[str, Arrays] = stored.parts
    return host_set(found, facts)


def epoch_s(programs: DevicePrograms) -> float:
    """Seconds of an epoch of fresh weights."""
    state = jax.block_until_ready(programs.init(jax.random.key(0), 1))
    began, loss = time.perf_counter(), 0.0
    for _ in range(programs.trainer.steps_per_epoch // programs.trainer.chunk_steps):
        state, loss = programs.train_candidate(state, CELL)
    jax.block_until_ready(state)
    if not np.isfinite(loss):
        raise RuntimeError(f"the loss is {loss}: nothing to time")
    return time.perf_counter() - began


def check(resident: DevicePrograms, streamed: DevicePrograms) -> None:
    """Raise unless both train the same: a chunk of steps, of which rounding leaves the weights close."""
    states = [
        programs.train_candidate(programs.init(jax.random.key(0), 1), CELL)[0] for programs in (resident, streamed)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.01, atol=0.01), *(s.params for s in states))


def measure(size: Size, folder: pathlib.Path) -> list[Any]:
    """The row of the table."""
    config = SearchConfig(images=size.images, channels=size.channels, stage="none")
    device = sharding.local_devices(1)[0]
    resident = images.load_images(size.images, [locate(file) for file in images.source(size.images).files])
    host = mapped(size.images, folder)
    one = DevicePrograms(config, make_problem(config, resident), resident, device)
    other = StreamedPrograms(config, make_problem(config, host), host, device)
    check(one, other)
    times = np.array([[epoch_s(programs) for programs in (one, other)] for _ in range(size.pairs)])
    (q1, other_q1), (median, other_median), (q3, other_q3) = np.quantile(times, [0.25, 0.5, 0.75], axis=0)
    slower = float(100 * (np.median(times[:, 1] / times[:, 0]) - 1))
    network = f"NAS-Bench-201 cell, {size.channels} channels, 1 cell a stage, batch {config.batch_size}"
    return [size.images, network, size.pairs, median, q1, q3, other_median, other_q1, other_q3, slower]


def verdict(slower: float) -> str:
    """Whether the expectation is met."""
    most = 100 * MOST_SLOWER
    met = "met" if slower <= most else f"missed by {slower - most:.1f} points"
    return f"streamed is {slower:+.1f} % slower than resident (at most {most:.0f} %): {met}"


def main(arguments: Sequence[str] | None = None) -> list[Any]:
    """Measure, record unless `--smoke`, and return the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="digits, one epoch of each; records nothing")
    smoke = parser.parse_args(arguments).smoke
    with tempfile.TemporaryDirectory() as folder:
        row = measure(SMOKE if smoke else FULL, pathlib.Path(folder))
    print(verdict(row[-1]))
    if not smoke:
        recording.record(
            NAME,
            title="Images that stay on the host",
            command="python -m experiments.networks.streaming",
            expected=f"streamed at most {100 * MOST_SLOWER:.0f} % slower than resident",
            columns=COLUMNS,
            rows=[row],
            notes=[
                f"{verdict(row[-1])}.",
                "Median and quartiles of epochs that take turns, after 50 steps of each that do not count; the "
                "last column is the median of the pairs' ratios.",
                "The images of the next 50 steps are read from a mapped file while the present ones train. The system "
                "may keep the file in memory: this measures gathering and copying, not the disk.",
            ],
        )
    return row


if __name__ == "__main__":
    start_with_huge_pages()
    main(sys.argv[1:])
