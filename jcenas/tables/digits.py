"""Our own measured table, which ships with the package: NAS-Bench-201 cells trained on scikit-learn's digits.

A uniform sample of the 6,466 cells that differ up to isomorphism, each trained from scratch with two seeds by the
recipe of `jcenas search` (8x8 images, 8 channels, one cell a stage, 12 epochs), and the scores that one supernet gives
them. `experiments/search/measure_digits.py`, which calls what `jcenas measure` runs, makes such a file; `provenance()`
says when, with what, and on which machine this one was made.

A training takes a second or two of one core. So that a simulated cluster has hours to fill, `train_seconds` is 3,600
times the measured `seconds`: an hour for every second, about what cells of this space take on CIFAR-10.
"""

import json
import pathlib

import numpy as np
import pandas as pd

from jcenas.nets import Macro
from jcenas.nets.nasbench201 import cost
from jcenas.spaces.nasbench201 import NasBench201
from jcenas.tables.table import Table

FILE = pathlib.Path(__file__).parent / "data" / "digits.npz"
ACCELERATION = 3600.0
MACRO = Macro(image_size=8, image_channels=1, classes=10, channels=8, cells=1)
NOISE_GROUPS = 20

NOTES = {
    "error": "measured: % of the test images that are wrong after all epochs, mean of two seeds",
    "validation_error": "measured: the same on the validation images",
    "short_error": "measured: validation, after a third of the epochs of the same training",
    "oneshot_error": "measured: validation, with the weights of one supernet",
    "noise": f"standard deviation of `error` over seeds, pooled over {NOISE_GROUPS} groups of cells of like error",
    "seconds": "measured: CPU seconds of one core for a training",
    "train_seconds": f"MODELLED: {ACCELERATION:.0f} times `seconds`",
    "params": "computed: weights of the network",
    "flops": "computed: multiply-adds of one image",
    "log_synflow": "computed: log(1 + synflow) of the network before training, with one seed",
    "energy_uj": "MODELLED, not measured: energy of one inference by arithmetic and memory traffic",
}


def digits_frame(file: pathlib.Path = FILE) -> pd.DataFrame:
    """One row a cell: digit string `ops` and the columns of `NOTES`; errors in %, energies in uJ."""
    with np.load(file) as stored:
        genomes = stored["genomes"].astype(np.int32)
        shares = stored["right"] / stored["images"].astype(np.float64)  # (n, seeds, budgets, validation and test)
        oneshot = stored["oneshot_right"] / float(stored["images"][0])
        seconds = stored["seconds"].astype(np.float64)
        synflow = stored["log_synflow"].astype(np.float64)  # -inf where no path is left
    errors = 100 * (1 - shares)
    test = errors[:, :, -1, 1]
    columns = {
        "ops": ["".join(map(str, genome)) for genome in genomes],
        "error": test.mean(axis=1),
        "validation_error": errors[:, :, -1, 0].mean(axis=1),
        "short_error": errors[:, :, 0, 0].mean(axis=1),
        "oneshot_error": 100 * (1 - oneshot),
        "noise": pooled_noise(test),
        "seconds": seconds,
        "train_seconds": ACCELERATION * seconds,
        "params": cost.parameters(MACRO, genomes),
        "flops": cost.multiply_adds(MACRO, genomes),
        "log_synflow": np.logaddexp(0, synflow),
        "energy_uj": 1e6 * cost.inference_energy_j(MACRO, genomes),
    }
    return pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})


def pooled_noise(errors: np.ndarray, groups: int = NOISE_GROUPS) -> np.ndarray:
    """Standard deviation over seeds of `errors` (n, s), float64 (n,), pooled over groups of like mean error.

    Two seeds say next to nothing of one cell, and much of a hundred.
    """
    order = np.argsort(errors.mean(axis=1), kind="stable")
    variance = errors.var(axis=1, ddof=1)
    noise = np.empty(len(errors))
    for group in np.array_split(order, min(groups, len(order))):
        noise[group] = np.sqrt(variance[group].mean())
    return noise


def provenance() -> dict:
    """How the file was made: command, date, cells, machine, versions and recipe."""
    with np.load(FILE) as stored:
        return json.loads(str(stored["provenance"]))


def digits() -> Table:
    """The table of `digits_frame`: a list of NAS-Bench-201 cells."""
    return Table.from_frame(digits_frame(), genome="ops", name="digits", space=NasBench201(), notes=NOTES)
