"""Synthetic tables of networks, drawn from a generator: a ground for what must hold on tables that nobody has seen.

A network is a genome. Its multiply-adds are a sum over positions of the operation's cost there; its quality adds
effects of single choices, of pairs of choices and of its size, and its error falls exponentially with its quality to a
floor, with a plateau that many networks share and some that do not learn at all. Everything is drawn from
the seed: number and choices of the variables, strengths, training times, noise over seeds and how much a training-free
score tells. Seeds are dealt out to three parts (`PARTS`), so that what is fitted on one is tried on another.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jcenas.tables.grid import Grid, Listed
from jcenas.tables.table import Table

PARTS = ("fitting", "development", "test")
LARGEST = 16_384  # networks of a table; of a larger space a random sample
DEVICE_HOURS = 640.0  # of the usual simulated search: 8 devices for 80 hours


class Shape(NamedTuple):
    """What a synthetic table is like."""

    choices: tuple[int, ...]  # of each variable
    size_effect: float  # of the size on the quality, in deviations: large networks are better
    pairs: float  # strength of interactions beside single effects
    floor: float  # % error of an endlessly good network
    steepness: float  # of the error over quality
    plateau: float  # share of the networks, the worst, that are equally bad
    failing: float  # share of trainings that do not learn
    trainings: int  # mean number that the usual search has time for
    seconds_range: float  # dearest over cheapest training
    noise: float  # standard deviation over seeds, % of the error
    score: float  # correlation of the training-free score with the quality; 0: there is none


def shape_of(part: str, seed: int) -> Shape:
    """Draw a table's properties.

    Args:
      part: of `PARTS`.
      seed: its number in that part, 0 and up.

    Raises:
      ValueError: an unknown part.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {PARTS}, got {part!r}")
    rng = np.random.default_rng((PARTS.index(part), seed))
    variables = int(rng.integers(4, 21)) if seed % 2 else 7  # every other one is a full grid of 4^7
    choices = rng.integers(2, 7, variables) if seed % 2 else np.full(variables, 4)
    return Shape(
        choices=tuple(int(c) for c in choices),
        size_effect=float(rng.uniform(0.2, 1.5)),
        pairs=float(rng.uniform(0.0, 2.0)),
        floor=float(rng.uniform(2, 30)),
        steepness=float(rng.uniform(0.3, 1.0)),
        plateau=float(rng.choice([0.0, 0.0, 0.1, 0.3])),
        failing=float(rng.choice([0.0, 0.0, 0.02, 0.1])),
        trainings=int(np.exp(rng.uniform(np.log(150), np.log(2000)))),
        seconds_range=float(np.exp(rng.uniform(0, np.log(30)))),
        noise=float(rng.choice([0.0, 0.01, 0.03])),
        score=float(rng.choice([0.0, 0.0, 0.5, 0.8])),
    )


def synthetic(part: str, seed: int) -> Table:
    """A table of a part; the same for the same arguments."""
    return make(shape_of(part, seed), np.random.default_rng((len(PARTS) + PARTS.index(part), seed)), f"{part}-{seed}")


def make(shape: Shape, rng: np.random.Generator, name: str) -> Table:
    """A table of a shape: columns error, flops, params, train_seconds, noise and, where it has one, log_synflow."""
    genomes = _genomes(shape.choices, rng)
    size = _size(genomes, shape.choices, rng)
    quality = _quality(genomes, shape, rng) + shape.size_effect * _standard(np.log(size))
    quality = _standard(quality)
    if shape.plateau:
        quality = np.maximum(quality, np.quantile(quality, shape.plateau))
    error = np.minimum(shape.floor * (1 + np.exp(-shape.steepness * quality) / 2), 90.0)
    error[rng.random(len(error)) < shape.failing] = 90.0
    frame = pd.DataFrame(genomes, columns=[f"v{i}" for i in range(genomes.shape[1])])
    columns = list(frame)
    frame["error"], frame["flops"] = error, size
    frame["params"] = size * np.exp(0.3 * rng.standard_normal(len(size)))
    frame["train_seconds"] = _seconds(size, shape)
    frame["noise"] = shape.noise * error
    if shape.score:
        about = shape.score * quality + math.sqrt(1 - shape.score**2) * rng.standard_normal(len(error))
        frame["log_synflow"] = 10 * about
    grid = Grid(shape.choices) if len(genomes) == math.prod(shape.choices) else Listed(genomes)
    return Table.from_frame(frame, genome=columns, name=name, space=grid if isinstance(grid, Grid) else None)


def is_synthetic(name: str) -> bool:
    """Whether a name such as development-3 is that of a synthetic table."""
    part, _, seed = name.partition("-")
    return part in PARTS and seed.isdigit()


def synthetic_of(name: str) -> tuple[Table, dict[str, Any]]:
    """The table of a name such as development-3, and its objectives as `make_benchmark` takes them."""
    part, _, seed = name.partition("-")
    table = synthetic(part, int(seed))
    return table, {"error": "error", "cost": ("flops",), "reference": reference_of(table, tight=True)}


def reference_of(table: Table, *, tight: bool) -> tuple[float, float]:
    """A reference point of error and multiply-adds: just beyond the worst of all, or at twice the worst."""
    worst = np.asarray(table.objectives(("error", "flops")), np.float64).max(axis=0)
    return tuple((worst * (1.02 if tight else 2.0)).tolist())


def _genomes(choices: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """All genomes, or a random sample of a large space; int32 (N, d)."""
    if math.prod(choices) <= LARGEST:
        return np.indices(choices, np.int32).reshape(len(choices), -1).T
    drawn = np.stack([rng.integers(0, c, 2 * LARGEST) for c in choices], axis=1).astype(np.int32)
    unique = np.unique(drawn, axis=0)
    return rng.permutation(unique)[:LARGEST]


def _size(genomes: np.ndarray, choices: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Multiply-adds, float64 (N,): skip connections cost next to nothing, other operations differ by factors."""
    total = np.full(len(genomes), 0.3)
    for column, count in zip(genomes.T, choices, strict=True):
        cost = np.exp(rng.normal(0, 1, count)) * np.exp(rng.normal(0, 0.3))
        cost[rng.integers(count)] = 0.01
        total += cost[column]
    return 1e6 * total


def _quality(genomes: np.ndarray, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Single effects and effects of pairs, standardised, float64 (N,)."""
    single = np.zeros(len(genomes))
    for column, count in zip(genomes.T, shape.choices, strict=True):
        single += rng.normal(0, 1, count)[column] * np.exp(rng.normal(0, 0.5))
    pairs = np.zeros(len(genomes))
    d = genomes.shape[1]
    for _ in range(2 * d):
        i, j = rng.choice(d, 2, replace=False)
        effects = rng.normal(0, 1, (shape.choices[i], shape.choices[j]))
        pairs += effects[genomes[:, i], genomes[:, j]]
    return _standard(_standard(single) + shape.pairs * _standard(pairs))


def _seconds(size: np.ndarray, shape: Shape) -> np.ndarray:
    """Training times by multiply-adds: affine, so that the dearest takes `seconds_range` times the cheapest."""
    low, high = size.min(), size.max()
    time = 1 + (shape.seconds_range - 1) * (size - low) / (high - low)
    return time / time.mean() * DEVICE_HOURS * 3600 / shape.trainings


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(values.std(), 1e-12)
