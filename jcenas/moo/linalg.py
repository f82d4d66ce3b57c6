"""Matrix products in full precision, and Cholesky factors and triangular solves that stay safe in a batch on a CPU.

On the CPU, jaxlib hands the members of a batched LAPACK call to the thread pool that runs the call itself, and waits
for them inside it. When as many such calls run at once as the pool has threads, each waits for the others and the
program hangs (seen with jaxlib 0.10.2: two Gaussian processes fitted side by side on two cores). Here a batch is
therefore a loop of single calls on a CPU, and one batched call on any other device.

Accelerators multiply float32 matrices in shorter formats unless asked not to (TF32 keeps ten bits), which is enough to
turn a covariance indefinite: everything that a factorisation depends on goes through `product`.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

_ATTEMPTS = 6  # of a factorisation, before NaN is its answer


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Matrix product a b in the full precision of its operands on every device; shapes as of `jnp.matmul`."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _in_turn(single: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Lift a function of matrices to batch axes in front, shared by all operands: a loop on CPUs, a batch elsewhere."""

    @jax.custom_batching.custom_vmap
    def lifted(*operands: jax.Array) -> jax.Array:
        batch = operands[0].shape[:-2]
        if not batch:
            return single(*operands)
        flat = tuple(x.reshape(-1, *x.shape[-2:]) for x in operands)
        out = jax.lax.platform_dependent(
            *flat, cpu=lambda *flat: jax.lax.map(lambda one: single(*one), flat), default=jax.vmap(single)
        )
        return out.reshape(*batch, *out.shape[-2:])

    @lifted.def_vmap
    def _(size: int, batched: Any, *operands: jax.Array):
        same = [x if own else jnp.broadcast_to(x, (size, *x.shape)) for x, own in zip(operands, batched, strict=True)]
        return lifted(*same), True

    return lifted


def _triangular(transpose: bool, factor: jax.Array, right: jax.Array) -> jax.Array:
    return jax.lax.linalg.triangular_solve(factor, right, left_side=True, lower=True, transpose_a=transpose)


_factor = _in_turn(functools.partial(jax.lax.linalg.cholesky, symmetrize_input=False))
_forward = _in_turn(functools.partial(_triangular, False))
_backward = _in_turn(functools.partial(_triangular, True))


@jax.custom_vjp
def cholesky(matrix: jax.Array) -> jax.Array:
    """Lower factor L (n, n) of a symmetric positive definite matrix (n, n) = L L^T; NaN where it is not definite."""
    return jnp.tril(_factor(matrix))


def _cholesky_fwd(matrix: jax.Array):
    factor = cholesky(matrix)
    return factor, factor


def _cholesky_bwd(factor: jax.Array, cotangent: jax.Array):
    """Murray 2016 (arXiv 1602.07527, eq. 10): L^-T phi(L^T dL) L^-1, made symmetric; phi halves the diagonal."""
    inner = jnp.tril(product(factor.T, cotangent))
    inner = inner - jnp.diag(jnp.diagonal(inner)) / 2
    left = _backward(factor, inner)  # L^-T phi
    whole = _backward(factor, left.T).T
    return ((whole + whole.T) / 2,)


cholesky.defvjp(_cholesky_fwd, _cholesky_bwd)


def cholesky_of_nearly_definite(matrix: jax.Array, jitter: jax.Array) -> jax.Array:
    """Lower factor (n, n) of a covariance (n, n) that rounding may have made indefinite.

    Adds `jitter`, (), to the diagonal, ten times more in each of at most six attempts. NaN only where the matrix itself
    is not finite, or far from definite. Has no reverse derivative.
    """
    eye = jnp.eye(matrix.shape[0], dtype=matrix.dtype)

    def broken(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        attempt, factor = carry
        return (attempt < _ATTEMPTS) & ~jnp.all(jnp.isfinite(factor))

    def again(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        attempt, _ = carry
        return attempt + 1, cholesky(matrix + jitter * 10.0 ** attempt.astype(matrix.dtype) * eye)

    first = jnp.int32(1), cholesky(matrix + jitter * eye)
    return jax.lax.while_loop(broken, again, first)[1]


def solve_lower(factor: jax.Array, right: jax.Array, transpose: bool = False) -> jax.Array:
    """X with L X = right, or L^T X = right if `transpose`: lower factor (n, n), right (n, k)."""
    return cast(jax.Array, _solve(factor, right, transpose))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _solve(factor: jax.Array, right: jax.Array, transpose: bool) -> jax.Array:
    return (_backward if transpose else _forward)(factor, right)


def _solve_fwd(factor: jax.Array, right: jax.Array, transpose: bool):
    x = solve_lower(factor, right, transpose)
    return x, (factor, x)


def _solve_bwd(transpose: bool, residual: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    factor, x = residual
    along = solve_lower(factor, cotangent, not transpose)
    change = product(x, along.T) if transpose else product(along, x.T)
    return -jnp.tril(change), along


_solve.defvjp(_solve_fwd, _solve_bwd)


def solve_definite(factor: jax.Array, right: jax.Array) -> jax.Array:
    """X with L L^T X = right: lower factor L (n, n), right (n,) or (n, k)."""
    columns = right[:, None] if right.ndim == 1 else right
    return solve_lower(factor, solve_lower(factor, columns), True).reshape(right.shape)
