"""A support vector classifier trained inside `jit`, on padded and masked data.

The model is the soft-margin kernel machine of Cortes and Vapnik (1995), the same problem that libsvm solves (Chang and
Lin 2011, eq. 2): minimise over a in [0, C]^n with sum(a y) = 0 the function 1/2 a'Qa - sum(a), Q = y y' K. It is solved
by Mehrotra's predictor-corrector interior-point method (Ferris and Munson 2002 describe it for this problem): a fixed
number of steps, each one Cholesky factorisation, so the time does not depend on the data and many machines train in one
`vmap`.

Letters: n samples, k query points, f features. Masks mean *valid*.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct

Kernel = Literal["linear", "poly", "rbf"]


class SVM(struct.PyTreeNode):
    """A trained machine: decision(x) = sum_i weights_i kernel(x, points_i) + bias."""

    points: jax.Array  # (n, f) training points
    weights: jax.Array  # (n,) label times dual variable, 0 in padding
    bias: jax.Array  # ()
    gamma: jax.Array  # () kernel coefficient


def scale_gamma(points: jax.Array, mask: jax.Array) -> jax.Array:
    """scikit-learn's gamma="scale": 1 / (f * variance of all valid entries); 1 when they are constant."""
    count = jnp.maximum(jnp.sum(mask) * points.shape[1], 1)
    mean = jnp.sum(points, where=mask[:, None]) / count
    variance = jnp.sum((points - mean) ** 2, where=mask[:, None]) / count
    return jnp.where(variance > 0, 1 / (points.shape[1] * jnp.where(variance > 0, variance, 1)), 1.0)


def gram(
    kernel: Kernel, a: jax.Array, b: jax.Array, gamma: jax.Array, degree: int = 4, coef0: float = 0.0
) -> jax.Array:
    """Kernel values, (k, n), of a (k, f) against b (n, f), with scikit-learn's definitions and defaults."""
    product = jnp.matmul(a, b.T, precision="highest")
    if kernel == "linear":
        return product
    if kernel == "poly":
        return (gamma * product + coef0) ** degree
    if kernel == "rbf":
        distance = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)[None, :] - 2 * product
        return jnp.exp(-gamma * jnp.maximum(distance, 0))
    raise ValueError(f"kernel must be 'linear', 'poly' or 'rbf', got {kernel!r}")


def _step_length(value: jax.Array, change: jax.Array) -> jax.Array:
    """Largest step in [0, 1] that keeps value + step * change nonnegative."""
    return jnp.minimum(1.0, jnp.min(jnp.where(change < 0, -value / jnp.where(change < 0, change, -1), jnp.inf)))


def solve_dual(
    kernel: jax.Array, labels: jax.Array, mask: jax.Array, cost: float, steps: int
) -> tuple[jax.Array, jax.Array]:
    """Dual variables (n,) and bias () of the machine with kernel matrix (n, n) and labels -1 or +1 (n,).

    All-padding or one-class data give zero weights and a bias of that class's sign.
    """
    n = labels.shape[0]
    y = jnp.where(mask, labels, 0).astype(kernel.dtype)
    active = mask.astype(kernel.dtype)
    scale = jnp.maximum(jnp.sum(jnp.diagonal(kernel) * active) / jnp.maximum(jnp.sum(active), 1), 1e-12)
    ceiling = cost * scale  # in units where the kernel's mean diagonal is 1
    q = y[:, None] * y[None, :] * (kernel / scale)
    count = jnp.maximum(jnp.sum(active), 1)

    def gap(a, s, z, w):
        return jnp.sum((a * z + s * w) * active) / (2 * count)

    def step(_, carry):
        a, s, z, w, bias = carry
        dual = active * (1 - q @ a - bias * y + z - w)  # = 0 at the solution
        balance = -y @ a
        diagonal = jnp.where(mask, z / a + w / s, 1.0)
        # The ridge is far below the kernel's unit diagonal, and keeps the factorisation alive in float32.
        factor = jax.scipy.linalg.cho_factor(q + jnp.diag(diagonal + 3e-6))
        along = jax.scipy.linalg.cho_solve(factor, y)
        curvature = jnp.maximum(y @ along, 1e-30)

        def direction(za, ws):  # targets of the complementarity rows: a dz + z da = za, s dw + w ds = ws
            right = active * (dual + za / a - ws / s)
            inner = jax.scipy.linalg.cho_solve(factor, right)
            dbias = (y @ inner - balance) / curvature
            da = active * (inner - along * dbias)
            return da, (za - z * da) / a, (ws + w * da) / s, dbias

        da, dz, dw, _ = direction(-a * z, -s * w)
        length = jnp.minimum(
            jnp.minimum(_step_length(a, da), _step_length(s, -da)),
            jnp.minimum(_step_length(z, dz), _step_length(w, dw)),
        )
        now = gap(a, s, z, w)
        ahead = gap(a + length * da, s - length * da, z + length * dz, w + length * dw)
        target = now * (ahead / jnp.maximum(now, 1e-30)) ** 3
        da, dz, dw, dbias = direction(target - a * z - da * dz, target - s * w + da * dw)
        length = 0.99 * jnp.minimum(
            jnp.minimum(_step_length(a, da), _step_length(s, -da)),
            jnp.minimum(_step_length(z, dz), _step_length(w, dw)),
        )
        new = (a + length * da, s - length * da, z + length * dz, w + length * dw, bias + length * dbias)
        good = jnp.isfinite(length) & jnp.all(jnp.isfinite(new[0])) & (now > 1e-7)
        return jax.tree.map(lambda x, old: jnp.where(good, x, old), new, carry)

    half = jnp.full(n, 1.0, kernel.dtype) * jnp.minimum(ceiling, 1.0) / 2
    one = jnp.ones(n, kernel.dtype)
    start = (half, ceiling - half, one, one, jnp.zeros((), kernel.dtype))
    a, _, _, _, bias = jax.lax.fori_loop(0, steps, step, start)
    positive, negative = jnp.any(y > 0), jnp.any(y < 0)
    both = positive & negative
    bias = jnp.where(both, bias, positive.astype(kernel.dtype) - negative.astype(kernel.dtype))
    return jnp.where(both, a * active, 0) / scale, bias


def fit(
    points: jax.Array,
    labels: jax.Array,
    mask: jax.Array,
    *,
    kernel: Kernel = "poly",
    degree: int = 4,
    coef0: float = 0.0,
    cost: float = 1.0,
    steps: int = 30,
) -> SVM:
    """Train on points (n, f) with labels -1 or +1 (n,) where mask (n,) is True; parameters as scikit-learn's `SVC`."""
    gamma = scale_gamma(points, mask)
    matrix = gram(kernel, points, points, gamma, degree, coef0)
    dual, bias = solve_dual(matrix, labels, mask, cost, steps)
    return SVM(points, jnp.where(mask, labels, 0) * dual, bias, gamma)


def decide(svm: SVM, queries: jax.Array, *, kernel: Kernel = "poly", degree: int = 4, coef0: float = 0.0) -> jax.Array:
    """Decision values, float (k,), of queries (k, f): at least 0 on the positive side."""
    return gram(kernel, queries, svm.points, svm.gamma, degree, coef0) @ svm.weights + svm.bias
