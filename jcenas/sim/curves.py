"""Learning curves of searches: hypervolume against evaluations, by the number of devices that train at once.

Trainings that run side by side cannot learn from each other, so the hundredth evaluation of eight devices is worth less
than the hundredth of one. A search is therefore recorded at several *widths*. Where it stands is one number, its level
-log(1 - hypervolume over the largest); training at some width moves it along that width's curve, from the place where
the curve has the same level.

Letters: B curves, W widths, K points of a curve.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.moo import hypervolume
from jcenas.sim.config import Accounting, SimulateConfig, TableChoice
from jcenas.sim.run import given_evaluations, simulate

WIDTHS = (1, 2, 4, 8)
DEVICE_HOURS = 640  # of one recorded search, as far as `MOST_HOURS` allows
MOST_HOURS = 240
RESAMPLES = 8
SLOPE = 1e-5  # at least, so that each level has one place on its curve
MOST_LEVEL = 11.5  # 1e-5 of the hypervolume is missing


class Curves(struct.PyTreeNode):
    """Recorded learning curves."""

    levels: jax.Array  # (B, W, K) float32 after 0, 1, ... K-1 evaluations; rising along K
    widths: jax.Array  # (W,) float32, devices that train at once, ascending
    train_s: jax.Array  # () float32, mean seconds of a training
    scatter: jax.Array  # () float32, standard deviation of a single search's level about its curve

    def drawn(self, key: jax.Array) -> "Curves":
        """One of the B, levels (W, K)."""
        return self.replace(levels=self.levels[jax.random.randint(key, (), 0, self.levels.shape[0])])

    def padded(self, most: int) -> "Curves":
        """With K = most; nothing is learnt behind the end."""
        *outer, k = self.levels.shape
        levels = jnp.pad(self.levels, [(0, 0)] * len(outer) + [(0, most - k)], mode="edge")
        behind = jnp.maximum(jnp.arange(most) - (k - 1), 0).astype(jnp.float32)
        return self.replace(levels=levels + jnp.broadcast_to(SLOPE * behind, levels.shape))


def hypervolume_of(level: jax.Array) -> jax.Array:
    """Hypervolume over the largest, of the same shape as the level."""
    return -jnp.expm1(-level)


def advance(curve: Curves, level: jax.Array, width: jax.Array, finished: jax.Array) -> jax.Array:
    """Advance along a learning curve: the level after some more evaluations, float32 ().

    Args:
      curve: one, levels (W, K).
      level: float32 (), before.
      width: () devices that train; between two recorded widths the level follows the logarithm of the width.
      finished: float32 (), evaluations, perhaps a fraction of one.
    """
    places = jnp.arange(curve.levels.shape[1], dtype=jnp.float32)
    after = jax.vmap(lambda c: jnp.interp(jnp.interp(level, c, places) + finished, places, c))(curve.levels)
    risen = jnp.interp(jnp.log(jnp.maximum(width, 1).astype(jnp.float32)), jnp.log(curve.widths), after)
    return jnp.maximum(level, risen)


def measure(table: TableChoice, searches: int, seed: int, accounting: Accounting) -> Curves:
    """Curves of real searches that always train, on a cluster of each width (the predictor is their cheap stage).

    Each of the B curves is the mean over a bootstrap of the searches. A narrow search makes fewer evaluations in its
    time; behind its end its curve goes on like the next wider one. A wider cluster learns later: where a narrow one's
    curve is lower that is chance, and they are pooled.

    Args:
      table: whose searches are recorded.
      searches: at each width.
      seed: of the first search.
      accounting: what the objectives are, and whether evaluations are given.
    """
    found = [_record(table, width, searches, seed, accounting) for width in WIDTHS]
    draws = np.random.default_rng(seed).integers(searches, size=(RESAMPLES, searches))
    means = [np.stack([levels[draw].mean(axis=0) for draw in draws]) for levels, _, _ in found]
    most = max(levels.shape[1] for levels in means)
    wider = np.pad(means[-1], ((0, 0), (0, most - means[-1].shape[1])), mode="edge")
    for w in reversed(range(len(means))):
        wider = means[w] = np.stack([_continued(a, b, most) for a, b in zip(means[w], wider, strict=True)])
    levels = np.moveaxis(pooled(np.stack(means)), 0, 1) + SLOPE * np.arange(most)
    train_s = sum(busy for _, busy, _ in found) / max(sum(finished for _, _, finished in found), 1)
    scatter = np.mean(np.concatenate([levels.std(axis=0) for levels, _, _ in found]))
    return Curves(
        jnp.asarray(levels, jnp.float32), jnp.asarray(WIDTHS, jnp.float32), jnp.float32(train_s), jnp.float32(scatter)
    )


def _record(
    table: TableChoice, width: int, searches: int, seed: int, accounting: Accounting
) -> tuple[np.ndarray, float, int]:
    """Searches on so many devices: their levels (n, K), seconds of training, and trainings that ended."""
    done = simulate(
        SimulateConfig(
            **{field.name: getattr(table, field.name) for field in dataclasses.fields(TableChoice)},
            accounting=accounting,
            optimizer="random",
            policy="evaluate-all",
            stage="predictor",
            devices=width,
            seeds=searches,
            hours=min(DEVICE_HOURS // width, MOST_HOURS),
            seed=seed,
        )
    )
    hours = done.result.intervals
    given = jnp.asarray(done.result.objectives[:, : given_evaluations(accounting)])
    begin = jax.vmap(hypervolume, (0, None))(given, done.benchmark.reference)
    counts = np.concatenate([np.full((searches, 1), given.shape[1]), hours.evaluations], axis=1)
    volumes = np.concatenate([np.asarray(begin)[:, None], hours.hypervolume], axis=1)
    levels = levels_of(counts, volumes / float(done.benchmark.largest))
    return levels, float(np.sum(hours.device_s["training"])), int(np.sum(hours.finished))


def levels_of(evaluations: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Levels after 0, 1, 2, ... evaluations, float64 (n, K), of n searches' counts and hypervolumes by the hour.

    Linear between the hours, and from nothing to what is given at the start.
    """
    k = np.arange(int(evaluations.max(axis=1).min()) + 1)
    rows = [np.interp(k, [0, *n], [0.0, *share]) for n, share in zip(evaluations, shares, strict=True)]
    missing = np.maximum(1 - np.maximum.accumulate(np.stack(rows), axis=1), np.exp(-MOST_LEVEL))
    return -np.log(missing)


def pooled(levels: np.ndarray) -> np.ndarray:
    """Isotonic regression along the first axis: the nearest numbers, by least squares, that do not rise, (W, ...).

    The min-max formula of isotonic regression (Barlow, Bartholomew, Bremner and Brunk 1972).
    """
    w = len(levels)

    def mean(a: int, b: int) -> np.ndarray:
        return levels[a : b + 1].mean(axis=0)

    def fit(i: int) -> np.ndarray:
        return np.min([np.max([mean(a, b) for b in range(i, w)], axis=0) for a in range(i + 1)], axis=0)

    return np.stack([fit(i) for i in range(w)])


def _continued(level: np.ndarray, wider: np.ndarray, most: int) -> np.ndarray:
    """A curve of `most` points that goes on like a wider one behind its end, from the same level."""
    short = most - len(level)
    start = np.interp(level[-1], wider, np.arange(len(wider)))
    behind = np.interp(start + 1 + np.arange(short), np.arange(len(wider)), wider)
    return np.concatenate([level, np.maximum(behind, level[-1])])
