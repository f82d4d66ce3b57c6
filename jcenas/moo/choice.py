"""Choosing by an acquisition value: the best rows among those allowed, where NaN never wins.

`jnp.argmax` and `jax.lax.top_k` take NaN for the largest value of all, so that a model that broke down would silently
propose whatever comes first. Here NaN ranks below every number, and a row that is not allowed below NaN.

Letters: n rows, k picks. Masks mean *allowed*.
"""

import jax
import jax.numpy as jnp


def _ranked(values: jax.Array, allowed: jax.Array) -> jax.Array:
    """Values (n,) with the smallest finite number for NaN and -inf, and -inf where not allowed."""
    least = jnp.finfo(values.dtype).min
    return jnp.where(allowed, jnp.maximum(jnp.where(jnp.isnan(values), least, values), least), -jnp.inf)


def best(values: jax.Array, allowed: jax.Array) -> jax.Array:
    """Row, int32 (), of the largest of values (n,) where allowed (n,); the earliest of equals, 0 if none is allowed."""
    return jnp.argmax(_ranked(values, allowed)).astype(jnp.int32)


def best_rows(values: jax.Array, allowed: jax.Array, k: int) -> jax.Array:
    """Rows, int32 (k,), of the k largest of values (n,) where allowed (n,), largest first; other rows come last."""
    return jax.lax.top_k(_ranked(values, allowed), k)[1].astype(jnp.int32)
