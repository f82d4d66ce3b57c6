"""Additive epsilon, IGD+, and the points of a front worth naming: its extremes and its knee.

Letters: n points, r points of a target front, m objectives. Objectives are minimised. Masks mean *valid*; NaN counts as
+inf.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jcenas.moo.arrays import as_floats, as_objectives
from jcenas.moo.pareto import clean, non_dominated


def _with_target(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None) -> tuple[jax.Array, jax.Array]:
    """Points (n, m), cleaned, and target (r, m), r at least 1, or ValueError."""
    points, valid = as_objectives(objectives, mask)
    front = as_floats(target)
    if front.ndim != 2 or front.shape[1] != points.shape[1] or front.shape[0] == 0:
        raise ValueError(
            f"target must have shape (r, m) with at least one row: got {front.shape} for objectives {points.shape}"
        )
    return clean(points, valid), front


def additive_epsilon(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Smallest shift, scalar, that makes points (n, m) weakly dominate all of target (r, m) (Zitzler et al. 2003).

    Negative when they are better by that much everywhere; +inf for no points.
    """
    points, front = _with_target(objectives, target, mask)
    worst = jnp.max(points[:, None, :] - front[None, :, :], axis=2)
    return jnp.max(jnp.min(worst, axis=0, initial=jnp.inf))


def igd_plus(objectives: ArrayLike, target: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Mean distance, scalar, from target (r, m) to points (n, m) by what is worse (Ishibuchi et al. 2015)."""
    points, front = _with_target(objectives, target, mask)
    worse = jnp.maximum(points[:, None, :] - front[None, :, :], 0)
    return jnp.mean(jnp.min(jnp.sqrt(jnp.sum(worse**2, axis=2)), axis=0, initial=jnp.inf))


def _measured(objectives: ArrayLike, mask: ArrayLike | None) -> tuple[jax.Array, jax.Array]:
    """Points (n, m), and which of them are on the front (n,) of the valid rows of which every objective was measured.

    A failed row (NaN or +inf) may be non-dominated by its other objectives, but is no network to recommend.
    """
    points, valid = as_objectives(objectives, mask, least=1)
    values = clean(points, valid)
    measured = jnp.all(values < jnp.inf, axis=1)
    return values, non_dominated(points, measured)


def extremes(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Row, int32 (m,), of the non-dominated point with the least of each objective; meaningless without a valid row.

    Rows with NaN or +inf count as failed and are never chosen while there are others.

    Raises:
      ValueError: on wrong shapes, or no row at all.
    """
    points, front = _measured(objectives, mask)
    return jnp.argmin(jnp.where(front[:, None], points, jnp.inf), axis=0).astype(jnp.int32)


def knee(objectives: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """Row, int32 (), of the knee of the front: least sum of the objectives, each min-max normalised over the front.

    For two objectives this is the point furthest below the line that joins the extremes, the rule behind EC-NAS's table
    1 (Bakhtiarifard, Igel and Selvan 2024). Ties go to the earlier row; a front of one point is its own knee. Rows with
    NaN or +inf count as failed.

    Raises:
      ValueError: on wrong shapes, or no row at all.
    """
    points, front = _measured(objectives, mask)
    on = front[:, None]
    low = jnp.min(jnp.where(on, points, jnp.inf), axis=0)[None, :]
    high = jnp.max(jnp.where(on, points, -jnp.inf), axis=0)[None, :]
    spread = jnp.where(jnp.isfinite(high - low) & (high > low), high - low, 1.0)
    share = jnp.where(on & (points > low), (points - low) / spread, 0)  # -inf less -inf is no number
    return jnp.argmin(jnp.where(front, jnp.sum(share, axis=1), jnp.inf)).astype(jnp.int32)
