"""The columns of a measured table: their names, what each of them is, and the rows of some trained cells."""

import functools
import math

import numpy as np

from jcenas.carbon.power import PowerModel
from jcenas.live.measure.config import MeasureConfig
from jcenas.live.measure.trainer import Trained
from jcenas.problems import costs
from jcenas.problems.network import NetworkProblem, in_few_sizes

GENOME, SEED, ERROR, COST, SECONDS = "genome", "seed", "validation_error", "params", "train_seconds"
_COUNTED = {"params": costs.parameters, "flops": costs.multiply_adds, "inference_energy_j": costs.inference_energy_j}


def columns_of(config: MeasureConfig) -> dict[str, str]:
    """What each column is, by name, in their order."""
    looks = {}
    for look in config.looks:
        looks[f"validation_error_{look}"] = f"measured: % of the validation images that are wrong after epoch {look}"
        looks[f"test_error_{look}"] = f"measured: the same of the test images, after epoch {look}"
    return {
        GENOME: "the architecture's variables, apart",
        "architecture": "the architecture as its community writes it",
        SEED: "number of the training, from 0: its weights and the order of its images",
        ERROR: f"measured: % of the validation images that are wrong after epoch {config.epochs}; empty: it diverged",
        "test_error": "measured: the same of the test images",
        **looks,
        "params": "counted: trainable parameters",
        "flops": "counted: multiply-adds of one image",
        "inference_energy_j": "MODELLED: energy of one inference by arithmetic and memory traffic, J",
        "log_synflow": "computed: log(1 + synflow) of the untrained network, which the predictor looks at",
        "seconds": "measured: device-seconds of the training, its errors included",
        SECONDS: f"MODELLED: {config.acceleration:g} times `seconds` (--hour-seconds {config.hour_seconds:g})",
        "train_energy_wh": "MODELLED: `seconds` times the power of a training device and PUE, Wh",
    }


def rows_of(
    config: MeasureConfig, problem: NetworkProblem, cells: np.ndarray, trained: Trained, power: PowerModel
) -> list[dict[str, str]]:
    """The rows of trained cells (n, d), by column; a row a seed, those of one cell together.

    Args:
        config: of the table.
        problem: of the cells.
        cells: genomes.
        trained: what was found.
        power: of the device.
    """
    counted = {name: in_few_sizes(functools.partial(formula, problem), cells) for name, formula in _COUNTED.items()}
    times = {
        "seconds": _text(trained.seconds),
        SECONDS: _text(config.acceleration * trained.seconds),
        "train_energy_wh": _text(1000 * power.interval_energy_kwh(training_s=trained.seconds)),
    }
    names = [(f"validation_error_{look}", f"test_error_{look}") for look in config.looks] + [(ERROR, "test_error")]
    rows = []
    for i, genome in enumerate(cells.tolist()):
        own = {GENOME: genome_text(genome), "architecture": problem.to_string(tuple(genome))}
        own |= {name: _text(float(values[i])) for name, values in counted.items()}
        own["log_synflow"] = _text(float(trained.log_synflow[i]))
        for seed in range(config.seeds):
            errors = {
                name: _text(value)
                for pair, values in zip(names, trained.errors[i, seed].tolist(), strict=True)
                for name, value in zip(pair, values, strict=True)
            }
            rows.append(own | errors | times | {SEED: str(seed)})
    return rows


def genome_text(genome: list[int]) -> str:
    """A genome as the column writes it."""
    return " ".join(map(str, genome))


def _text(value: float) -> str:
    """A number with what digits it has; empty where it is none."""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) else repr(float(f"{value:.9g}"))
