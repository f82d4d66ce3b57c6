import jax
import jax.numpy as jnp
import numpy as np

from jcenas.nets.layers import operations as ops


def test_average_pool_counts_existing_pixels_only():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    pooled = ops.average_pool_3x3(x)[0, :, :, 0]
    # corner: (0 + 1 + 3 + 4) / 4; edge: (0 + 1 + 2 + 3 + 4 + 5) / 6; centre: 36 / 9
    np.testing.assert_allclose(pooled[0], [2.0, 2.5, 3.0], rtol=1e-6)
    np.testing.assert_allclose(pooled[1, 1], 4.0, rtol=1e-6)


def test_average_pool_2x2_by_hand():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(ops.average_pool_2x2(x)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_pointwise_is_a_1x1_convolution(key):
    x, kernel = jax.random.normal(key, (2, 4, 4, 3)), jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(ops.pointwise(x, kernel)[1, 2, 3], x[1, 2, 3] @ kernel, rtol=1e-5)


def test_gradients_of_pointwise_equal_automatic_ones(key):
    k1, k2, k3 = jax.random.split(key, 3)
    x, kernel, g = (jax.random.normal(k, s) for k, s in ((k1, (2, 4, 4, 3)), (k2, (3, 2)), (k3, (2, 4, 4, 2))))
    expected = jax.vjp(ops.pointwise, x, kernel)[1](g)
    for ours, theirs in zip(ops.pointwise_gradients(x, kernel, g), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_normalise_by_hand():
    x = jnp.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    m = ops.moments(x)
    assert (float(m.mean[0]), float(m.variance[0])) == (2.0, 1.0)
    y = ops.normalise(x, m, jnp.array([2.0]), jnp.array([5.0]))
    np.testing.assert_allclose(y.ravel(), [3.0, 7.0], atol=1e-4)
