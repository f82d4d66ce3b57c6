"""Additive epsilon, IGD+, and the points of a front worth naming: its extremes and its knee.

Letters: n points, r points of a target front, m objectives. Objectives are minimised. Masks mean *valid*; NaN counts as
+inf.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.moo.arrays import as_floats, as_objectives, less, on_host
from jcenas.moo.pareto import clean, comparable, non_dominated, spaced


def _excess(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None) -> jax.Array:
    """By how much points (n, m) exceed each of a target (r, m), r at least 1: float (n, r, m), or ValueError.

    +inf for what is NaN or outside the mask, -inf between equal infinities: no shift however small is needed there.
    """
    points, valid = as_objectives(objectives, mask)
    front = as_floats(target)
    if front.ndim != 2 or front.shape[1] != points.shape[1] or front.shape[0] == 0:
        raise ValueError(
            f"target must have shape (r, m) with at least one row: got {front.shape} for objectives {points.shape}"
        )
    if on_host((objectives, target)):
        excess = less(np.asarray(objectives)[:, None, :], np.asarray(target)[None, :, :])
    else:
        excess = less(points[:, None, :], front[None, :, :])
    floats = as_floats(points)
    level = jnp.isinf(floats)[:, None, :] & (floats[:, None, :] == front[None, :, :])
    bad = jnp.isnan(floats) if valid is None else jnp.isnan(floats) | ~valid[:, None]
    return jnp.where(bad[:, None, :], jnp.inf, jnp.where(level, -jnp.inf, excess))


def additive_epsilon(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Smallest shift, scalar, that makes points (n, m) weakly dominate all of target (r, m) (Zitzler et al. 2003).

    Negative when they are better by that much everywhere; +inf for no points.
    """
    worst = jnp.max(_excess(objectives, target, mask), axis=2)
    return jnp.max(jnp.min(worst, axis=0, initial=jnp.inf))


def igd_plus(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Mean distance, scalar, from target (r, m) to points (n, m) by what is worse (Ishibuchi et al. 2015)."""
    worse = jnp.maximum(_excess(objectives, target, mask), 0)
    return jnp.mean(jnp.min(jnp.sqrt(jnp.sum(worse**2, axis=2)), axis=0, initial=jnp.inf))


def _measured(objectives: ArrayLike, mask: ArrayLike | None) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Points (n, m), which of them are on the front (n,) of the valid rows with every objective measured, and the mask.

    A failed row (NaN or +inf) may be non-dominated by its other objectives, but is no network to recommend.
    """
    points, valid = as_objectives(objectives, mask, least=1)
    measured = jnp.all(clean(points, valid) < jnp.inf, axis=1)
    return points, non_dominated(points, measured), valid


def extremes(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Row, int32 (m,), of the non-dominated point with the least of each objective; meaningless without a valid row.

    Rows with NaN or +inf count as failed and are never chosen while there are others.

    Raises:
      ValueError: on wrong shapes, or no row at all.
    """
    points, front, valid = _measured(objectives, mask)
    places = comparable(points, valid)
    return jnp.argmin(jnp.where(front[:, None], places, jnp.inf), axis=0).astype(jnp.int32)


def knee(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Row, int32 (), of the knee of the front: least sum of the objectives, each min-max normalised over the front.

    For two objectives this is the point furthest below the line that joins the extremes, the rule behind EC-NAS's table
    1 (Bakhtiarifard, Igel and Selvan 2024). Ties go to the earlier row; a front of one point is its own knee. Rows with
    NaN or +inf count as failed.

    Raises:
      ValueError: on wrong shapes, or no row at all.
    """
    points, front, valid = _measured(objectives, mask)
    points, on = spaced(points, valid), front[:, None]
    low = jnp.min(jnp.where(on, points, jnp.inf), axis=0)[None, :]
    high = jnp.max(jnp.where(on, points, -jnp.inf), axis=0)[None, :]
    spread = jnp.where(jnp.isfinite(high - low) & (high > low), high - low, 1.0)
    share = jnp.where(on & (points > low), (points - low) / spread, 0)  # -inf less -inf is no number
    return jnp.argmin(jnp.where(front, jnp.sum(share, axis=1), jnp.inf)).astype(jnp.int32)
