"""Cheap estimates of quality on NAS-Bench-201, CIFAR-10: what they cost, and how well they rank.

Command:  python -m experiments.proxies.table [--smoke] [--cells 128]
Expected: a rank correlation (Spearman) of at least 0.95 between our synflow and NASWOT and the published columns; the
          predictor ahead of every other estimate over all cells; within the top 10 % every correlation weak.
Cost:     about half an hour on 2 CPU cores; `--smoke` about a minute, and records nothing.

All estimates score the same seeded sample of cells; the truth is the benchmark's test accuracy after 200 epochs.
Untrained scores use the benchmark's network (16 channels, 5 cells a stage) on CIFAR-10; what is trained here is small.
"""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import kendalltau, spearmanr

from experiments.lib import recording
from jcenas import units
from jcenas.carbon.power import PowerModel
from jcenas.nets import CellNetwork, Macro
from jcenas.nets.nasbench201 import cost
from jcenas.proxies import MEASURES, counts, learning_curve, predictor
from jcenas.proxies.few_shot import few_shot
from jcenas.proxies.low_fidelity import make_curves
from jcenas.proxies.one_shot import one_shot
from jcenas.proxies.predictor import PredictorConfig
from jcenas.proxies.zero_shot import Proxy, make_proxy
from jcenas.runtime.process import start_with_huge_pages
from jcenas.spaces import NasBench201
from jcenas.spaces.nasbench201.paths import cell_features
from jcenas.tables import load_table, locate
from jcenas.tables.measured import read
from jcenas.train import images
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig

NAME = "proxies"
COLUMNS = [
    "estimate",
    "Kendall",
    "Spearman",
    "Kendall, top 10 %",
    "Spearman, top 10 %",
    "to start, s",
    "trainings it needs",
    "ms per cell",
    "g per 1,000 scores",
    "Spearman with the published scores",
]
INTENSITY_G_PER_KWH = 400.0  # a round figure for an average grid; scale by yours
BATCHES = {"synflow": 1, "NASWOT": 64, "Jacobian covariance": 32, "NTK condition": 8, "gradient-kernel mean": 8}
PUBLISHED = {"synflow": "c10_synflow", "NASWOT": "c10_naswot"}


class Size(NamedTuple):
    """How much is done."""

    cells: int
    evaluated: int  # finished trainings that the predictor learns from
    curves: int  # finished trainings that the learning-curve model learns from
    network: tuple[int, int]  # channels and cells a stage of the untrained network
    small: tuple[int, int]  # of the trained ones
    batch: int  # images of an untrained score, unless BATCHES says otherwise
    batches: tuple[int, int]  # images of a training step: of a supernet, of a low-fidelity training
    images: int  # of a supernet
    epochs: int
    few_images: int  # of a low-fidelity training
    few_epochs: int
    measures: tuple[str, ...]
    supernets: tuple[str, ...]


FULL = Size(128, 200, 48, (16, 5), (8, 1), 32, (64, 32), 8192, 60, 512, 4, tuple(MEASURES), ("one-shot", "few-shot"))
SMOKE = Size(24, 40, 12, (4, 1), (4, 1), 16, (32, 32), 256, 3, 128, 2, ("synflow",), ("one-shot",))


class Truth(NamedTuple):
    """The seeded sample, and what is known of every cell of the space."""

    genomes: jax.Array  # (15625, 6) int32
    accuracy: np.ndarray  # (15625,) %
    sample: np.ndarray  # (cells,) rows that are scored
    others: np.ndarray  # rows that may be learnt from


class Cost(NamedTuple):
    """Seconds, compilation apart."""

    start_s: float
    per_cell_s: float


def ranks(scores: np.ndarray, accuracy: np.ndarray) -> list[float | None]:
    """Kendall and Spearman over all cells, then over the tenth with the best accuracies; None for constant scores.

    -inf, the logarithm of a dead cell's score, is the worst rank.

    Raises:
        ValueError: a score is NaN or +inf.
    """
    check_scores(scores)
    best = np.argsort(-accuracy)[: max(3, round(len(accuracy) / 10))]
    found: list[float | None] = []
    for rows in (np.arange(len(accuracy)), best):
        mine = scores[rows].astype(float)
        if len(np.unique(mine)) == 1:
            found += [None, None]
        else:
            found += [float(test(mine, accuracy[rows])[0]) for test in (kendalltau, spearmanr)]
    return found


def check_scores(scores: np.ndarray) -> None:
    """Refuse scores that have no rank.

    Raises:
        ValueError: a score is NaN or +inf.
    """
    wrong = np.flatnonzero(np.isnan(scores) | np.isposinf(scores))
    if len(wrong):
        raise ValueError(f"{len(wrong)} of {len(scores)} scores are NaN or +inf, the first in row {wrong[0]}")


def timed(proxy: Proxy, data: ImageSet | None, genomes: jax.Array) -> tuple[np.ndarray, Cost]:
    """Scores, and the seconds of preparing and scoring, both compiled beforehand."""
    key = jax.random.key(0)
    prepare, _ = recording.compile_timed(jax.jit(proxy.prepare), key, data)
    began = time.perf_counter()
    memory = jax.block_until_ready(prepare(key, data))
    start_s = time.perf_counter() - began
    score, _ = recording.compile_timed(jax.jit(proxy.score), memory, genomes)
    began = time.perf_counter()
    scores = np.asarray(score(memory, genomes))
    return scores, Cost(start_s, (time.perf_counter() - began) / len(genomes))


def row(name: str, truth: Truth, scores: np.ndarray, cost: Cost | None, trainings: int = 0) -> list[Any]:
    """One row of the table; `cost` is None for estimates that others computed."""
    cells: list[Any] = [name, *ranks(scores, truth.accuracy[truth.sample])]
    if cost is None:
        cells += [None, trainings, None, None]
    else:
        power = PowerModel()
        energy_kwh = units.kwh_from_joules(1000 * cost.per_cell_s * power.scoring_w) * power.pue
        cells += [cost.start_s, trainings, 1e3 * cost.per_cell_s, energy_kwh * INTENSITY_G_PER_KWH]
    cells.append(agreement(name, truth, scores))
    print("  ".join(c if isinstance(c, str) else "-" if c is None else f"{c:.4g}" for c in cells), flush=True)
    return cells


def agreement(name: str, truth: Truth, scores: np.ndarray) -> float | str:
    """Spearman correlation with the published column, where there is one, over all cells."""
    if name not in PUBLISHED:
        return recording.NOT_APPLICABLE
    published = read("nasbench201/nb201_accuracy_cost.csv.gz", dtype={"ops": str}).sort_values("ops")[PUBLISHED[name]]
    theirs = published.to_numpy()[truth.sample]
    check_scores(theirs)
    return float(spearmanr(scores, theirs)[0])


def sample_of(size: Size) -> Truth:
    """Cells to score and cells to learn from, disjoint, from one seed."""
    table = load_table("nasbench201")
    order = np.random.default_rng(0).permutation(table.size)
    accuracy = 100 - np.asarray(table.column("error"))
    return Truth(table.genomes, accuracy, order[: size.cells], order[size.cells :])


def untrained(size: Size, truth: Truth, data: ImageSet) -> list[list[Any]]:
    """Rows of the scores at initialisation."""
    channels, cells = size.network
    network = CellNetwork(data.classes, channels=channels, cells=cells)
    genomes, rows = truth.genomes[truth.sample], []
    for name in size.measures:
        proxy = make_proxy(MEASURES[name], network, images=BATCHES.get(name, size.batch))
        rows.append(row(name, truth, *timed(proxy, data, genomes)))
    macro = Macro()
    of = {"parameters": cost.parameters, "multiply-adds": cost.multiply_adds}
    for name, proxy in ((name, counts.counted(functools.partial(count, macro))) for name, count in of.items()):
        rows.append(row(name, truth, *timed(proxy, None, genomes)))
    return rows


def trained(size: Size, truth: Truth, data: ImageSet) -> list[list[Any]]:
    """Rows of what trains small networks here: supernets, short trainings, and the model of their curves."""
    channels, cells = size.small
    network, genomes = CellNetwork(data.classes, channels=channels, cells=cells), truth.genomes[truth.sample]
    part, epochs = low_images(data, size.images), size.epochs
    recipe, short = TrainConfig(batch_size=size.batches[0]), TrainConfig(batch_size=size.batches[1])
    space, parts = NasBench201(), (epochs // 2, max(1, epochs // 4))
    shot: dict[str, Callable[[], Proxy]] = {
        "one-shot": lambda: one_shot(network, space, recipe, part, epochs=epochs, images=512),
        "few-shot": lambda: few_shot(network, space, recipe, part, epochs=parts, images=512),
    }
    rows = [row(name, truth, *timed(make(), part, genomes)) for name, make in shot.items() if name in size.supernets]
    prepare, curves = make_curves(network, short, data, epochs=size.few_epochs, images=size.few_images)
    known = truth.others[: size.curves]
    both = jnp.concatenate([truth.genomes[known], genomes])
    values, cost = timed(Proxy(prepare, curves), data, both)
    rows.append(row("low fidelity", truth, values[size.curves :, -1], cost))
    finals = jnp.asarray(truth.accuracy[known], jnp.float32)
    model = learning_curve.fit(jnp.asarray(values[: size.curves]), finals, jnp.ones(size.curves, bool), ridge=0.1)
    predicted = np.asarray(learning_curve.predict(model, jnp.asarray(values[size.curves :])))
    start = Cost(size.curves * cost.per_cell_s, cost.per_cell_s)
    rows.append(row("learning curve", truth, predicted, start, size.curves))
    return rows


def learnt(size: Size, truth: Truth) -> list[list[Any]]:
    """The row of the predictor, fitted to the logarithm of the error of evaluated cells outside the sample."""
    known = truth.others[: size.evaluated]
    features = cell_features(truth.genomes[known])
    targets = jnp.log(jnp.asarray(100 - truth.accuracy[known], jnp.float32))
    config = PredictorConfig()

    def prepare(key: jax.Array, data: Any) -> Any:
        return predictor.fit(key, config, features, targets, jnp.ones(size.evaluated, bool))

    def score(memory: Any, genomes: jax.Array) -> jax.Array:
        return -predictor.predict(config, memory, cell_features(genomes))[0]

    scores, cost = timed(Proxy(prepare, score), None, truth.genomes[truth.sample])
    return [row("predictor", truth, scores, cost, size.evaluated)]


def published(truth: Truth) -> list[list[Any]]:
    """Rows of published estimates of the same cells, whose cost nobody measured here."""
    table = load_table("nasbench201")
    names = {"one-shot, published": "oneshot_error", "few-shot, published": "fewshot_error"}
    return [row(name, truth, -np.asarray(table.column(c))[truth.sample], None) for name, c in names.items()]


def low_images(data: ImageSet, n: int) -> ImageSet:
    """The set with the first n training images."""
    return data.replace(train=jax.tree.map(lambda x: x[:n], data.train))


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="digits, tiny networks; records nothing")
    parser.add_argument("--cells", type=int, default=FULL.cells, help="size of the sample")
    options = parser.parse_args(arguments)
    size = SMOKE if options.smoke else FULL._replace(cells=options.cells)
    source = "digits" if options.smoke else "cifar10"
    data = images.load_images(source, [locate(file) for file in images.source(source).files])
    truth = sample_of(size)
    rows = untrained(size, truth, data) + learnt(size, truth) + trained(size, truth, data) + published(truth)
    if not options.smoke:
        recording.record(
            NAME,
            title="Cheap estimates of quality on NAS-Bench-201, CIFAR-10",
            command=f"python -m experiments.proxies.table --cells {size.cells}",
            columns=COLUMNS,
            rows=rows,
            notes=[
                f"A seeded uniform sample of {size.cells} cells, the same for all; truth: test accuracy after 200 "
                f"epochs, mean over seeds. The top 10 % are the {round(size.cells / 10)} most accurate of the sample: "
                "correlations there have a standard error of about 0.2 to 0.3.",
                f"Untrained scores: one random initialisation, {size.network[0]} channels, {size.network[1]} cells a "
                f"stage, batches of {size.batch} images (synflow 1, NASWOT 64, gradient kernels 8).",
                f"Trained here: networks of {size.small[0]} channels and {size.small[1]} cell a stage; the one-shot "
                f"supernet on {size.images} images, {size.epochs} epochs; low fidelity on {size.few_images} images, "
                f"{size.few_epochs} epochs. Longer trainings rank better and cost more: one such "
                "supernet ranked 200 cells by -0.17, 0.13, 0.50, 0.47, 0.45 and 0.59 after 10, 20, ..., 60 epochs.",
                "Trainings it needs: finished 200-epoch evaluations of other cells that the estimate learns from; "
                "their cost is not in the seconds to start.",
                "Seconds without compilation, one measurement each. Grams are modelled: seconds times 167 W times PUE "
                f"1.59 times {INTENSITY_G_PER_KWH:.0f} gCO2eq/kWh, the starting cost apart.",
                "Published scores: nasbench201/PROVENANCE.md. No cell is left out: a dead cell's score, the logarithm "
                "of 0, is the worst rank; a score that is NaN or +inf ends the run.",
            ],
            expected="our synflow and NASWOT agree in rank with the published ones (at least 0.95).",
        )
    return rows


if __name__ == "__main__":
    start_with_huge_pages()
    main()
