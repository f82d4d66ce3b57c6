"""Attainment surfaces: what a share of the runs of an optimiser reach (Grunert da Fonseca, Fonseca and Hall 2001).

A run attains every point that one of its points weakly dominates. The surface of level k bounds what at least k of r
runs attain; the median surface, k = ceil(r / 2), is the usual picture of a stochastic optimiser. It is made for figures
and tables, so it is NumPy and its size depends on the data.

Letters: r runs, n points of each, k points of the surface. Two objectives, minimised. Masks mean *valid*.
"""

import math

import numpy as np


def attainment_surface(objectives, mask=None, quantile: float = 0.5) -> np.ndarray:
    """Corners of the surface that a share of the runs attain.

    Args:
      objectives: float (r, n, 2); rows with NaN or +inf count as missing.
      mask: bool (r, n), True where valid; None means all valid.
      quantile: share of the runs, in (0, 1]: 0.5 gives the median surface, 1 / r the best one, 1 the worst one.

    Returns:
      float64 (k, 2), mutually non-dominated, by rising first objective; (0, 2) where too few runs have a point.

    Raises:
      ValueError: on shapes that do not fit, or a quantile outside (0, 1].
    """
    points = np.asarray(objectives, float)
    if points.ndim != 3 or points.shape[2] != 2 or 0 in points.shape:
        raise ValueError(f"objectives must have shape (r, n, 2) with at least one run and point, got {points.shape}")
    if mask is not None and np.shape(mask) != points.shape[:2]:
        raise ValueError(f"mask must have shape (r, n): got {np.shape(mask)} for objectives {points.shape}")
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must be in (0, 1], got {quantile}")
    valid = np.all(points < np.inf, axis=2) & (True if mask is None else np.asarray(mask, bool))
    runs = [run[use][np.argsort(run[use][:, 0], kind="stable")] for run, use in zip(points, valid, strict=True)]
    edges = np.unique(np.concatenate([run[:, 0] for run in runs]))
    lowest = np.full((len(runs), len(edges)), np.inf)  # what each run reaches in y, given an edge in x
    for row, run in zip(lowest, runs, strict=True):
        count = np.searchsorted(run[:, 0], edges, side="right")
        row[count > 0] = np.minimum.accumulate(run[:, 1])[count[count > 0] - 1] if len(run) else np.inf
    level = max(math.ceil(quantile * len(runs) - 1e-9), 1)
    height = np.sort(lowest, axis=0)[level - 1]
    corner = (height < np.inf) & (height < np.concatenate([[np.inf], height[:-1]]))
    return np.stack([edges[corner], height[corner]], axis=1)
