"""Arguments of the public functions: lists, tuples, NumPy and JAX arrays alike, checked before anything is traced.

Letters: n rows, m objectives. Masks mean *valid*.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Called where nothing is traced, a function is one program, not one for each of its operations.
one_program = functools.partial(jax.jit, inline=True)


def on_host(values: Any) -> bool:
    """Whether values hold no JAX array, so that NumPy can work on them in double precision."""
    return not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values))


def as_array(values: Any) -> jax.Array:
    """Values as a JAX array; integers that do not fit its integers become floats instead of wrapping round."""
    if isinstance(values, jax.Array) or not on_host(values):
        return jnp.asarray(values)
    host = np.asarray(values)
    if np.issubdtype(host.dtype, np.integer):
        limits = np.iinfo(jax.dtypes.canonicalize_dtype(host.dtype))
        if host.size and (host.min() < limits.min or host.max() > limits.max):
            host = host.astype(np.float64)
    return jnp.asarray(host)


def as_floats(values: Any) -> jax.Array:
    """Values as a JAX array of floats: their own kind of float, or the default one."""
    array = as_array(values)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))


def less(a: Any, b: Any) -> jax.Array:
    """Floats a - b of arrays that broadcast by their shapes (axes of 1 spelled out).

    What is no JAX array is subtracted in double precision, so that large values close to each other keep their
    distance.
    """
    if not on_host((a, b)):
        return as_floats(a) - as_floats(b)
    with np.errstate(invalid="ignore"):  # the difference of equal infinities is NaN
        return as_floats(np.asarray(a, np.float64) - np.asarray(b, np.float64))


def as_objectives(objectives: Any, mask: Any = None, *, least: int = 0) -> tuple[jax.Array, jax.Array | None]:
    """Objectives (n, m), integers or floats as they are, and mask, bool (n,) or None.

    Raises:
      ValueError: names the shapes that do not fit, or fewer than `least` rows.
    """
    array = as_array(objectives)
    if array.ndim != 2:
        raise ValueError(f"objectives must have shape (n, m), got {array.shape}; use vmap for more dimensions")
    if array.shape[0] < least:
        raise ValueError(f"objectives must have at least {least} row(s): got shape {array.shape}")
    if mask is None:
        return array, None
    valid = as_array(mask).astype(bool)
    if valid.shape != array.shape[:1]:
        raise ValueError(f"mask must have shape (n,): got {valid.shape} for objectives {array.shape}")
    return array, valid


def check_reference(objectives: jax.Array, reference: Any) -> None:
    """Raise ValueError unless reference is (m,) for objectives (n, m)."""
    shape = as_array(reference).shape
    if shape != objectives.shape[1:]:
        raise ValueError(f"reference must have shape (m,): got {shape} for objectives {objectives.shape}")


def reference_point(reference: Any) -> np.ndarray:
    """Reference for an optimiser, (m,) of JAX's default float, with m at least 1.

    Raises:
      ValueError: unless it is one finite vector.
    """
    point = np.asarray(reference, jnp.result_type(float))
    if point.ndim != 1 or point.size == 0 or not np.all(np.isfinite(point)):
        raise ValueError(f"reference must be finite and of shape (m,), got {point}")
    return point
