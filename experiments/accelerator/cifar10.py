"""The benchmark's cell on the complete CIFAR-10, as many of 200 epochs as there is time for.

The number of epochs is fixed after two of them have shown their speed, so that the schedule comes to its end.
"""

import time
from typing import Any

import numpy as np

from experiments.accelerator.table import Table
from experiments.networks.cifar10_candidate import CELL, FULL, Candidate, Training, load, whole
from experiments.networks.steps import Static
from jcenas.nets import FixedNetwork, Macro
from jcenas.nets.nasbench201 import cost
from jcenas.runtime import sharding
from jcenas.spaces import nasbench201
from jcenas.train import images
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig

COLUMNS = ("epochs", "batch", "test accuracy, %", "loss of the last epoch", "images/s", "compile s", "training, s")
EXPECTED = "94.37 % after 200 epochs (mean of the benchmark's seeds); less after fewer"
NOTES = (
    "All 50,000 training images (JPEG copies); test accuracy on all 10,000 test images, looked at once; one seed.",
    "bfloat16, batch 256, the cell as a program of its own; images/s with augmentation, data on the device.",
)
LAST_S = 25.0  # kept for the test, which is compiled as well
MARGIN = 0.9  # of the time that is left is planned
SMOKE_EPOCHS = 1


def candidate(data: ImageSet, *, smoke: bool) -> Candidate:
    """The benchmark's best cell of its size, static."""
    channels, cells = (2, 1) if smoke else (FULL.cell_channels, FULL.cell_cells)
    genome = np.array(nasbench201.from_string(CELL), np.int32)
    network = Static(FixedNetwork(tuple(genome.tolist()), data.classes, channels=channels, cells=cells))
    recipe = TrainConfig(batch_size=64 if smoke else 256, dtype="bfloat16")
    size = Macro(image_size=data.image_shape[0], classes=data.classes, channels=channels, cells=cells)
    parameters, epochs = int(cost.parameters(size, genome)), SMOKE_EPOCHS if smoke else FULL.cell_epochs
    return Candidate(f"NAS-Bench-201 {CELL}", network, genome, channels, 3 * cells, parameters, epochs, recipe)


def measure(table: Table, *, smoke: bool) -> None:
    """The one row."""
    table.row(f"{CELL}", lambda: trained(table, smoke=smoke), limit_s=float("1e9"))


def trained(table: Table, *, smoke: bool) -> dict[str, Any]:
    """Train for the time that there is."""
    data = sharding.place(whole(images.load_images("digits", []) if smoke else load()), sharding.local_devices(1)[0])
    training = Training(candidate(data, smoke=smoke), data)
    epochs, begin = training.candidate.epochs, time.perf_counter()
    if not smoke:
        training.epoch()
        begin = time.perf_counter()
        training.epoch()
        possible = MARGIN * (table.seconds_left() - LAST_S) / (time.perf_counter() - begin)
        epochs = int(np.clip(possible, 1, epochs))
        training.begin(epochs)
        begin = time.perf_counter()
    loss, done = float("nan"), 0
    while done < epochs and (done == 0 or table.seconds_left() > LAST_S):
        loss, done = training.epoch(), done + 1
    seconds = time.perf_counter() - begin
    accuracy, speed = 100 * training.accuracy(), done * training.images_an_epoch / seconds
    cells = (done, training.candidate.recipe.batch_size, accuracy, loss, speed, training.compile_s, seconds)
    return dict(zip(COLUMNS, cells, strict=True))
