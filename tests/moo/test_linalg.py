"""Against numpy, finite differences, and for what must not be in a program for the CPU."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import linalg


def definite(*batch, n=5, seed=0):
    a = np.random.default_rng(seed).normal(size=(*batch, n, n))
    return jnp.asarray(a @ a.swapaxes(-1, -2) + n * np.eye(n), jnp.float32)


def test_a_factor_by_hand():
    factor = linalg.cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
    np.testing.assert_allclose(factor, [[2.0, 0.0], [1.0, 2.0]])


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_factors_and_solutions_are_those_of_numpy_under_any_vmap(batch):
    matrix, right = definite(*batch), definite(*batch, seed=1)[..., :2]

    def run(matrix, right):
        factor = linalg.cholesky(matrix)
        return factor, linalg.solve_lower(factor, right), linalg.solve_definite(factor, right[:, 0])

    for _ in batch:
        run = jax.vmap(run)
    factor, lower, whole = jax.jit(run)(matrix, right)
    wanted = np.linalg.cholesky(np.asarray(matrix, np.float64))
    np.testing.assert_allclose(factor, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(lower, np.linalg.solve(wanted, np.asarray(right)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        whole, np.linalg.solve(np.asarray(matrix), np.asarray(right)[..., :1])[..., 0], rtol=1e-4, atol=1e-5
    )


def test_an_operand_without_the_batch_axis_is_shared():
    factor, rights = linalg.cholesky(definite()), definite(4)
    got = jax.vmap(linalg.solve_lower, in_axes=(None, 0))(factor, rights)
    np.testing.assert_allclose(got, np.linalg.solve(np.asarray(factor)[None], np.asarray(rights)), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_built_in_functions():
    matrix, right = definite(3), definite(3, seed=2)[..., 0]

    def ours(matrix, right):
        factor = linalg.cholesky(matrix)
        return jnp.sum(jnp.log(jnp.diagonal(factor))) + right @ linalg.solve_definite(factor, right)

    def theirs(matrix, right):
        factor = jnp.linalg.cholesky(matrix)
        return jnp.sum(jnp.log(jnp.diagonal(factor))) + right @ jax.scipy.linalg.cho_solve((factor, True), right)

    got = jax.vmap(jax.grad(ours, argnums=(0, 1)))(matrix, right)
    for one, other in zip(got, jax.vmap(jax.grad(theirs, argnums=(0, 1)))(matrix, right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_batch_reaches_lapack_as_single_matrices_on_a_cpu():
    """Batched calls wait for each other in the thread pool; see the module's text."""

    def run(matrix, right):
        return linalg.solve_definite(linalg.cholesky(matrix), right)

    program = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(lambda m, r: jnp.sum(run(m, r))))))
    text = program.lower(definite(2, 4), definite(2, 4)).compile().as_text()
    calls = [line for line in text.splitlines() if "custom-call(" in line and re.search("potrf|trsm", line)]
    assert calls
    assert not [line for line in calls if re.search(r"f32\[\d+,\d+,\d+", line)]


def test_an_indefinite_matrix_gives_nan():
    assert np.isnan(linalg.cholesky(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any()
