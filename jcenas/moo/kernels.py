"""Kernels as scikit-learn defines them, their explicit features, and low-rank factors of their matrices.

Letters: n points, k queries, f features, p explicit features, r landmarks. Masks mean *valid*.
"""

import functools
import itertools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.moo.linalg import product

Kernel = Literal["linear", "poly", "rbf"]
KERNELS = ("linear", "poly", "rbf")


def scale_gamma(points: jax.Array, mask: jax.Array) -> jax.Array:
    """scikit-learn's gamma="scale": 1 / (f * variance of all valid entries of points (n, f)), or 1 if that is 0."""
    count = jnp.maximum(jnp.sum(mask) * points.shape[1], 1)
    mean = jnp.sum(points, where=mask[:, None]) / count
    variance = jnp.sum((points - mean) ** 2, where=mask[:, None]) / count
    return jnp.where(variance > 0, 1 / (points.shape[1] * jnp.where(variance > 0, variance, 1)), 1.0)


def squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """Between rows of a (k, f) and b (n, f), float32 (k, n), never below 0."""
    squares = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)[None, :]
    return jnp.maximum(squares - 2 * product(a, b.T), 0)


def gram(kernel: Kernel, a: jax.Array, b: jax.Array, gamma: jax.Array, degree: int, coef0: float) -> jax.Array:
    """Kernel values (k, n) of a (k, f) against b (n, f)."""
    if kernel == "rbf":
        return jnp.exp(-gamma * squared_distances(a, b))
    inner = product(a, b.T)
    if kernel == "linear":
        return inner
    if kernel == "poly":
        return (gamma * inner + coef0) ** degree
    raise ValueError(f"kernel must be one of {KERNELS}, got {kernel!r}")


@functools.lru_cache
def exponents(f: int, degree: int, coef0: float) -> np.ndarray:
    """Exponents, int (p, f), of the monomials of (x.y + coef0)**degree: of that degree, or up to it if coef0 > 0."""
    degrees = range(degree + 1) if coef0 > 0 else [degree]
    rows = [c for d in degrees for c in itertools.combinations_with_replacement(range(f), d)]
    return np.array([np.bincount(np.array(row, int), minlength=f) for row in rows])


def count_monomials(f: int, degree: int, coef0: float) -> int:
    """Number of explicit features of the polynomial kernel."""
    return math.comb(f + degree, degree) if coef0 > 0 else math.comb(f + degree - 1, degree)


def monomials(points: jax.Array, degree: int, coef0: float) -> jax.Array:
    """Explicit features (k, p) of points (k, f) for the polynomial kernel with gamma = 1, up to `monomial_scale`.

    With s = `monomial_scale(...)` of any gamma, sum(s**2 * monomials(x) * monomials(y)) = (gamma x.y + coef0)**degree.
    """
    powers = [jnp.ones_like(points)]
    for _ in range(degree):
        powers.append(powers[-1] * points)
    stacked = jnp.stack(powers)  # (degree + 1, k, f)
    table = exponents(points.shape[1], degree, coef0)
    found = jnp.ones((points.shape[0], len(table)), points.dtype)
    for i in range(points.shape[1]):
        found *= stacked[table[:, i], :, i].T
    return found


def monomial_scale(f: int, gamma: jax.Array, degree: int, coef0: float) -> jax.Array:
    """Weight (p,) of each column of `monomials`: the root of multinomial * gamma**|e| * coef0**(degree - |e|)."""
    table = exponents(f, degree, coef0)
    order = table.sum(axis=1)
    ways = [
        math.factorial(degree) / math.prod(math.factorial(int(e)) for e in (*row, degree - total))
        for row, total in zip(table, order, strict=True)
    ]
    rest = np.array(ways) * np.where(order < degree, float(coef0), 1.0) ** (degree - order)
    return jnp.sqrt(jnp.asarray(rest, jnp.float32)) * gamma ** jnp.asarray(order / 2, jnp.float32)


def pivoted_cholesky(
    kernel: Kernel, points: jax.Array, mask: jax.Array, gamma: jax.Array, rank: int, degree: int, coef0: float
) -> tuple[jax.Array, jax.Array]:
    """Greedy low-rank factor of the valid points' kernel matrix (Harbrecht, Peters and Schneider 2012, algorithm 1).

    Returns:
      The factor F (n, rank) with F F' close to the kernel matrix, zero in masked rows, and the pivots, int32 (rank,).
      Once the matrix is exhausted the remaining columns are zero and their pivots repeat.
    """
    n = points.shape[0]

    def add(i, carry):
        factor, pivots, rest = carry
        pivot = jnp.argmax(rest).astype(jnp.int32)
        column = gram(kernel, points, points[pivot][None], gamma, degree, coef0)[:, 0]
        column = column - product(factor, factor[pivot])
        root = jnp.sqrt(jnp.maximum(rest[pivot], 1e-30))
        fresh = (rest[pivot] > floor) & mask
        column = jnp.where(fresh, column / root, 0)
        rest = jnp.where(fresh, jnp.maximum(rest - column**2, 0), rest).at[pivot].set(0)
        return factor.at[:, i].set(column), pivots.at[i].set(pivot), rest

    diagonal = jax.vmap(lambda x: gram(kernel, x[None], x[None], gamma, degree, coef0)[0, 0])(points)
    rest = jnp.where(mask, diagonal, 0)
    floor = 1e-6 * jnp.max(rest)
    start = (jnp.zeros((n, rank), points.dtype), jnp.zeros(rank, jnp.int32), rest)
    factor, pivots, _ = jax.lax.fori_loop(0, rank, add, start)
    return factor, pivots
