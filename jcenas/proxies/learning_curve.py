"""Final quality from the first epochs: regression on partial learning curves (Baker et al., arXiv 1705.10823).

The features of a curve are its values, its first and its second differences; a ridge regression maps them to the final
value. Data are the curves of trainings that went to the end, and it is refitted as these arrive: the capacity is fixed
and masked. Letters: n capacity, q queries, t epochs seen.
"""

import chex
import jax
import jax.numpy as jnp
from flax import struct

from jcenas.errors import InputError
from jcenas.moo import linalg


class CurveModel(struct.PyTreeNode):
    """A fitted regression."""

    centre: jax.Array  # (p,) mean of the features
    spread: jax.Array  # (p,) their deviation
    weights: jax.Array  # (p,)
    mean: jax.Array  # () of the final values


def curve_features(curves: jax.Array) -> jax.Array:
    """Values, first and second differences side by side: (n, t) -> (n, 3 t - 3), or (n, 1) for t = 1."""
    first = jnp.diff(curves, axis=1)
    return jnp.concatenate([curves, first, jnp.diff(first, axis=1)], axis=1)


def fit(curves: jax.Array, finals: jax.Array, mask: jax.Array, *, ridge: float = 1e-3) -> CurveModel:
    """Fit to the rows of curves (n, t) and finals (n,) where mask (n,) is True.

    Args:
        curves: any measure after each of the first t epochs.
        finals: what is to be predicted.
        mask: True where there is a finished training.
        ridge: penalty relative to the number of rows, on standardised features.

    Raises:
        InputError: the three do not have the same number of rows.
    """
    if not curves.shape[0] == finals.shape[0] == mask.shape[0]:
        shapes = f"curves {curves.shape}, finals {finals.shape}, mask {mask.shape}"
        raise InputError(f"{shapes}: give all three one row for each place of the capacity")
    chex.assert_rank(curves, 2, custom_message="curves")
    chex.assert_rank([finals, mask], 1, custom_message="finals, mask")
    valid = mask.astype(curves.dtype)
    n = jnp.maximum(valid.sum(), 1.0)
    features = jnp.where(mask[:, None], curve_features(curves), 0)
    centre = linalg.product(valid, features) / n
    offset = jnp.where(mask[:, None], features - centre[None], 0)
    spread = jnp.sqrt(linalg.product(valid, jnp.square(offset)) / n) + 1e-6
    x = offset / spread[None]
    mean = jnp.sum(jnp.where(mask, finals, 0)) / n
    y = jnp.where(mask, finals - mean, 0)
    factor = linalg.cholesky(linalg.product(x.T, x) + ridge * n * jnp.eye(x.shape[1], dtype=x.dtype))
    return CurveModel(centre, spread, linalg.solve_definite(factor, linalg.product(x.T, y)), mean)


def predict(model: CurveModel, curves: jax.Array) -> jax.Array:
    """Final values (q,) of partial curves (q, t)."""
    chex.assert_rank(curves, 2, custom_message="curves")
    features = curve_features(curves)
    chex.assert_shape(features, (None, model.centre.shape[0]), custom_message="curves as features")
    return model.mean + linalg.product((features - model.centre[None]) / model.spread[None], model.weights)
