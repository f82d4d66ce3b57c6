"""A support vector classifier trained inside `jit`, on padded and masked data.

The model is the soft-margin kernel machine of Cortes and Vapnik (1995), the problem that libsvm solves (Chang and Lin
2011, eq. 2): minimise 1/2 a'Qa - sum(a) over a in [0, C]^n with y'a = 0, Q = y y' K. It is solved by Mehrotra's
predictor-corrector interior-point method; each step costs one Cholesky factorisation, of K plus a diagonal (n x n) or,
when the kernel has p < n features F with K = FF', of I + F'D^-1 F (Ferris and Munson 2002): then a step is linear in n,
or rather in the place of the last valid sample.
So the time hardly depends on the data, and many machines train in one `vmap`. Near the solution the rounding of float32
sends the iterates astray, so the one with the least primal objective counts.

Letters: n samples, k queries, f features, p features of the kernel. Masks mean *valid*.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import kernels, linalg
from jcenas.moo.kernels import Kernel
from jcenas.moo.linalg import product

_EXPLICIT_LIMIT = 512
_RANK = 256
_SHARE = 3  # above 3 * 256 samples the rank grows with them: a third keeps 99 % of libsvm's decisions at 1,500 samples
_RIDGE = 3e-6  # in units of the kernel's mean diagonal; keeps the factorisations alive in float32
_TOLERANCE = 1e-6
_BLOCK = 128  # rows that are worked on at once: padding behind the last one in use costs nothing
_PATIENCE = 3  # steps without a better objective before the solver stops


@dataclass(frozen=True, kw_only=True)
class SvmConfig:
    """Parameters of the classifier, as in scikit-learn's `SVC` with gamma="scale".

    Attributes:
      kernel: "linear", "poly" or "rbf".
      degree: of the polynomial kernel.
      coef0: constant of the polynomial kernel.
      cost: C, the price of a violated margin.
      steps: most interior-point steps.
    """

    kernel: Kernel = "poly"
    degree: int = 4
    coef0: float = 0.0
    cost: float = 1.0
    steps: int = 30

    def __post_init__(self):
        if self.kernel not in kernels.KERNELS:
            raise ValueError(f"kernel must be one of {kernels.KERNELS}, got {self.kernel!r}")
        if self.degree < 1 or self.coef0 < 0 or self.cost <= 0 or self.steps < 1:
            raise ValueError(f"degree and steps must be at least 1, coef0 at least 0, cost positive: {self}")

    def explicit(self, f: int) -> bool:
        """Whether the kernel of f variables has few enough features to work with them instead of the kernel."""
        if self.kernel == "rbf":
            return False
        return self.kernel == "linear" or kernels.count_monomials(f, self.degree, self.coef0) <= _EXPLICIT_LIMIT


class SVM(struct.PyTreeNode):
    """A trained machine.

    decision(x) = prepare(x) . weights + bias if the kernel is explicit, else sum_i weights_i kernel(x, landmarks_i) +
    bias.
    """

    weights: jax.Array  # (p,) or (r,)
    landmarks: jax.Array  # (r, f); (0, f) if the kernel is explicit
    bias: jax.Array  # ()
    gamma: jax.Array  # () kernel coefficient


def prepare(config: SvmConfig, points: jax.Array) -> jax.Array:
    """Explicit kernel features (k, p) of points (k, f), or the points themselves: the input of `fit` and `decide`."""
    if config.kernel == "poly" and config.explicit(points.shape[1]):
        return kernels.monomials(points, config.degree, config.coef0)
    return points


def _largest_step(*pairs: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Largest step in [0, 1] that keeps every value + step * change nonnegative."""
    limits = [jnp.min(jnp.where(d < 0, -x / jnp.where(d < 0, d, -1), jnp.inf)) for x, d in pairs]
    return jnp.minimum(1.0, jnp.min(jnp.stack(limits)))


def _newton_dual(matrix: jax.Array, y: jax.Array):
    """Factory of solvers of [Q + D, y; y', 0] (da, db) = (right, balance), from the kernel matrix (n, n)."""

    def factorise(diagonal):
        factor = linalg.cholesky(y[:, None] * y[None, :] * matrix + jnp.diag(diagonal + _RIDGE))
        along = linalg.solve_definite(factor, y)
        curvature = jnp.maximum(product(y, along), 1e-30)

        def solve(right, balance):
            inner = linalg.solve_definite(factor, right)
            db = (product(y, inner) - balance) / curvature
            return inner - along * db, db

        return solve

    return factorise


class _Rows(NamedTuple):
    """A tall matrix of which only the leading rows are in use; products cost as much as those have."""

    blocks: jax.Array  # (k, _BLOCK, p)
    used: jax.Array  # () int32, blocks that hold rows in use

    @classmethod
    def of(cls, matrix: jax.Array, mask: jax.Array) -> "_Rows":
        n, p = matrix.shape
        k = -(-n // _BLOCK)
        last = jnp.max(jnp.where(mask, jnp.arange(1, n + 1), 0))
        padded = jnp.pad(matrix, ((0, k * _BLOCK - n), (0, 0)))
        return cls(padded.reshape(k, _BLOCK, p), (last + _BLOCK - 1) // _BLOCK)

    def _split(self, values: jax.Array) -> jax.Array:
        return jnp.pad(values, (0, self.blocks.shape[0] * _BLOCK - values.shape[0])).reshape(-1, _BLOCK)

    def gram(self, weight: jax.Array) -> jax.Array:
        """F' diag(weight) F (p, p)."""
        parts, p = self._split(weight), self.blocks.shape[2]

        def add(i: jax.Array, total: jax.Array) -> jax.Array:
            return total + product(self.blocks[i].T, parts[i][:, None] * self.blocks[i])

        return jax.lax.fori_loop(0, self.used, add, jnp.zeros((p, p), weight.dtype))

    def onto(self, values: jax.Array) -> jax.Array:
        """F' values (p,), values (n,)."""
        parts, p = self._split(values), self.blocks.shape[2]

        def add(i: jax.Array, total: jax.Array) -> jax.Array:
            return total + product(parts[i], self.blocks[i])

        return jax.lax.fori_loop(0, self.used, add, jnp.zeros(p, values.dtype))

    def along(self, direction: jax.Array, n: int) -> jax.Array:
        """F direction (n,), zero in the rows not in use."""

        def write(i: jax.Array, out: jax.Array) -> jax.Array:
            return out.at[i].set(product(self.blocks[i], direction))

        out = jnp.zeros(self.blocks.shape[:2], direction.dtype)
        return jax.lax.fori_loop(0, self.used, write, out).reshape(-1)[:n]


def _newton_primal(wide: _Rows, y: jax.Array):
    """The same from the features with a column of ones behind (n, p + 1), through p + 1 unknowns, F'y da and db."""
    n, p = y.shape[0], wide.blocks.shape[2] - 1
    eye = jnp.diag(jnp.ones(p + 1, y.dtype).at[p].set(0))

    def factorise(diagonal):
        weight = jnp.abs(y) / (diagonal + _RIDGE)
        normal = linalg.cholesky(eye + wide.gram(weight))

        def solve(right, balance):
            rhs = wide.onto(weight * y * right)
            change = linalg.solve_definite(normal, rhs.at[p].add(-balance))
            return weight * (right - y * wide.along(change, n)), change[p]

        return solve

    return factorise


def _unfinished(carry: tuple[Any, ...], steps: int) -> jax.Array:
    """Whether the solver goes on; the step after the last one weighs its outcome."""
    i, since, going, _, _ = carry
    return (i <= steps) & (since < _PATIENCE) & going


def solve(
    factor: jax.Array, labels: jax.Array, mask: jax.Array, cost: float, steps: int
) -> tuple[jax.Array, jax.Array]:
    """Train the machine with kernel matrix FF', from F (n, p) and labels -1 or +1 (n,).

    Returns:
      y * a, float (n,), and the bias (). Data of one class or none give zeros and a bias of that class's sign.
    """
    n, p = factor.shape
    dtype = factor.dtype
    active = mask.astype(dtype)
    y = jnp.where(mask, labels, 0).astype(dtype)
    count = jnp.maximum(jnp.sum(active), 1)
    unit = jnp.maximum(jnp.sum(factor**2 * active[:, None]) / count, 1e-12)  # the kernel's mean diagonal becomes 1
    factor = factor * active[:, None] / jnp.sqrt(unit)
    ceiling = cost * unit
    wide = _Rows.of(jnp.concatenate([factor, jnp.ones((n, 1), dtype)], axis=1), mask)
    newton = _newton_primal(wide, y) if p + 1 < n else _newton_dual(product(factor, factor.T), y)

    def gap(a, s, z, w):
        return jnp.sum((a * z + s * w) * active) / (2 * count)

    def step(carry):
        i, since, _, point, best = carry
        a, s, z, w, bias = point
        normal = wide.onto(y * a)[:p]
        missing = active * (1 - y * wide.along(jnp.append(normal, bias), n))  # of the margin
        objective = product(normal, normal) / 2 + ceiling * jnp.sum(jnp.maximum(missing, 0))
        better = objective < best[0]
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), (objective, a, bias), best)
        dual = missing + active * (z - w)  # = 0 at the solution
        balance = -product(y, a)
        solver = newton(jnp.where(mask, z / a + w / s, 1.0))
        now = gap(a, s, z, w)

        def direction(za, ws):  # Newton step towards a z = a z + za and s w = s w + ws, to first order
            da, db = solver(active * (dual + za / a - ws / s), balance)
            da = active * da
            return da, (za - z * da) / a, (ws + w * da) / s, db

        da, dz, dw, _ = direction(-a * z, -s * w)
        length = _largest_step((a, da), (s, -da), (z, dz), (w, dw))
        ahead = gap(a + length * da, s - length * da, z + length * dz, w + length * dw)
        target = now * (ahead / jnp.maximum(now, 1e-30)) ** 3  # Mehrotra's centring
        da, dz, dw, db = direction(target - a * z - da * dz, target - s * w + da * dw)
        length = 0.99 * _largest_step((a, da), (s, -da), (z, dz), (w, dw))
        new = (a + length * da, s - length * da, z + length * dz, w + length * dw, bias + length * db)
        good = jnp.isfinite(length) & jnp.all(jnp.isfinite(jnp.stack(new[:4]))) & jnp.isfinite(new[4])
        return i + 1, jnp.where(better, 0, since + 1), good & (now > _TOLERANCE), new, best

    half = jnp.minimum(ceiling, 1.0) / 2 * jnp.ones(n, dtype)
    one = jnp.ones(n, dtype)
    point = (half, ceiling - half, one, one, jnp.zeros((), dtype))
    both = jnp.any(y > 0) & jnp.any(y < 0)
    best = (jnp.asarray(jnp.inf, dtype), half, jnp.zeros((), dtype))
    start = (jnp.int32(0), jnp.int32(0), both, point, best)
    _, a, bias = jax.lax.while_loop(lambda carry: _unfinished(carry, steps), step, start)[-1]
    one_class = jnp.any(y > 0).astype(dtype) - jnp.any(y < 0).astype(dtype)
    return jnp.where(both, y * a, 0) / unit, jnp.where(both, bias, one_class)


def fit(
    config: SvmConfig, points: jax.Array, labels: jax.Array, mask: jax.Array, prepared: jax.Array | None = None
) -> SVM:
    """Train on points (n, f) with labels -1 or +1 (n,) where mask (n,) is True.

    `prepared` may hold `prepare(config, points)`. Kernels without few features of their own are factorised: exactly up
    to 256 samples, above that to rank 256 or a third of the samples, whichever is larger.
    """
    f = points.shape[1]
    gamma = kernels.scale_gamma(points, mask)
    shape = (config.degree, config.coef0)
    if config.explicit(f):
        prepared = prepare(config, points) if prepared is None else prepared
        scale = kernels.monomial_scale(f, gamma, *shape) if config.kernel == "poly" else jnp.ones(f, points.dtype)
        factor = prepared * scale[None, :]
        dual, bias = solve(factor, labels, mask, config.cost, config.steps)
        return SVM(product(dual, factor) * scale, points[:0], bias, gamma)
    n = points.shape[0]
    rank = min(n, max(_RANK, n // _SHARE))
    factor, pivots = kernels.pivoted_cholesky(config.kernel, points, mask, gamma, rank, *shape)
    dual, bias = solve(factor, labels, mask, config.cost, config.steps)
    # Features of a query are triangle^-1 kernel(landmarks, query); zero columns (an exhausted matrix) stay out.
    triangle = factor[pivots]
    used = jnp.diagonal(triangle) > 0
    triangle = jnp.where(used[:, None] & used[None, :], triangle, 0) + jnp.diag(jnp.where(used, 0.0, 1.0))
    direction = jnp.where(used, product(dual, factor), 0)
    weights = linalg.solve_lower(triangle, direction[:, None], True)[:, 0]
    return SVM(jnp.where(used, weights, 0), points[pivots], bias, gamma)


def decide(config: SvmConfig, svm: SVM, prepared: jax.Array) -> jax.Array:
    """Decision values, float (k,), of queries, given `prepare(config, queries)`: at least 0 on the positive side."""
    if svm.landmarks.shape[0] == 0:
        return product(prepared, svm.weights) + svm.bias
    values = kernels.gram(config.kernel, prepared, svm.landmarks, svm.gamma, config.degree, config.coef0)
    return product(values, svm.weights) + svm.bias
