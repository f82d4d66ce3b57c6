import jax
import numpy as np
import pytest

from jcenas.moo import sorting


@pytest.mark.parametrize("n", [1, 2, 33, 5000])
def test_orders_are_stable_and_right(n):
    values = np.random.default_rng(n).integers(-4, 4, n).astype(np.float32) / 3
    values[:: n // 2 + 1] = np.inf
    np.testing.assert_array_equal(jax.jit(sorting.ascending)(values), np.argsort(values, kind="stable"))
    gains = np.abs(values)
    np.testing.assert_array_equal(jax.jit(sorting.descending_gains)(gains), np.argsort(-gains, kind="stable"))


def test_double_precision_and_tiny_differences():
    with jax.enable_x64(True):
        values = 1 + np.random.default_rng(0).permutation(3000) * np.finfo(float).eps
        np.testing.assert_array_equal(sorting.ascending(values), np.argsort(values))
        np.testing.assert_array_equal(sorting.descending_gains(values), np.argsort(-values))


def test_negative_infinity_and_zeros():
    np.testing.assert_array_equal(sorting.ascending(np.array([0.0, -0.0, -np.inf, -1e-30], np.float32)), [2, 3, 0, 1])
