"""Quality of a set of points besides its hypervolume, and points worth naming on a front.

Letters: n points, r points of a target front, m objectives. Objectives are minimised. Masks mean *valid*; NaN counts as
  +inf.
"""

import jax
import jax.numpy as jnp

from jcenas.moo.pareto import check_objectives, clean, non_dominated


def _check_target(objectives: jax.Array, target: jax.Array) -> None:
    """Raise ValueError unless target is (r, m) for objectives (n, m)."""
    if jnp.ndim(target) != 2 or jnp.shape(target)[1] != jnp.shape(objectives)[1]:
        raise ValueError(
            f"target must have shape (r, m): got {jnp.shape(target)} for objectives {jnp.shape(objectives)}"
        )


def additive_epsilon(objectives: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Smallest shift, scalar, that makes points (n, m) weakly dominate all of target (r, m) (Zitzler et al. 2003).

    Negative when they are better by that much everywhere; +inf for no points.
    """
    check_objectives(objectives, mask)
    _check_target(objectives, target)
    points = clean(objectives, mask)
    worst = jnp.max(points[:, None, :] - target[None, :, :], axis=2)
    return jnp.max(jnp.min(worst, axis=0, initial=jnp.inf))


def igd_plus(objectives: jax.Array, target: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Mean distance, scalar, from target (r, m) to points (n, m) by what is worse (Ishibuchi et al. 2015)."""
    check_objectives(objectives, mask)
    _check_target(objectives, target)
    points = clean(objectives, mask)
    worse = jnp.maximum(points[:, None, :] - target[None, :, :], 0)
    return jnp.mean(jnp.min(jnp.sqrt(jnp.sum(worse**2, axis=2)), axis=0, initial=jnp.inf))


def extremes(objectives: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Row, int32 (m,), of the non-dominated point with the least of each objective; meaningless without a valid row."""
    best = non_dominated(objectives, mask)
    points = clean(objectives, mask)
    return jnp.argmin(jnp.where(best[:, None], points, jnp.inf), axis=0).astype(jnp.int32)


def knee(objectives: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Row, int32 (), of the knee of the front: least sum of the objectives, each min-max normalised over the front.

    For two objectives this is the point furthest below the line that joins the extremes, the rule behind EC-NAS's table
    1 (Bakhtiarifard, Igel and Selvan 2024). Ties go to the earlier row; a front of one point is its own knee.
    """
    front = non_dominated(objectives, mask)
    points = clean(objectives, mask)
    on = front[:, None]
    low = jnp.min(jnp.where(on, points, jnp.inf), axis=0)
    high = jnp.max(jnp.where(on, points, -jnp.inf), axis=0)
    spread = jnp.where(jnp.isfinite(high - low) & (high > low), high - low, 1.0)
    return jnp.argmin(jnp.where(front, jnp.sum((points - low[None, :]) / spread[None, :], axis=1), jnp.inf)).astype(
        jnp.int32
    )
