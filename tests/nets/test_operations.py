import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import operations as ops


def lax_conv(x, kernel, stride):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize(("stride", "out"), [(1, 5), (1, 20), (2, 5)])  # to 16 channels two columns at once
def test_conv_and_both_gradients_equal_automatic_ones(stride, out, key):
    k1, k2, k3 = jax.random.split(key, 3)
    x, kernel = jax.random.normal(k1, (3, 8, 8, 4)), jax.random.normal(k2, (3, 3, 4, out))
    weights = jax.random.normal(k3, (3, 8 // stride, 8 // stride, out))
    ours = jax.value_and_grad(lambda x, k: jnp.sum(weights * ops.conv(x, k, stride)), (0, 1))(x, kernel)
    theirs = jax.value_and_grad(lambda x, k: jnp.sum(weights * lax_conv(x, k, stride)), (0, 1))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), ours, theirs)


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


def test_conv_of_many_under_vmap_equals_each_alone(key):
    k1, k2 = jax.random.split(key)
    x, kernels = jax.random.normal(k1, (2, 3, 4, 4, 3)), jax.random.normal(k2, (2, 3, 3, 3, 5))
    loss = lambda conv: lambda x, kernel: jnp.sum(jnp.sin(conv(x, kernel)))
    found = jax.vmap(jax.value_and_grad(loss(ops.conv_of_many), (0, 1)))(x, kernels)
    alone = jax.value_and_grad(loss(lambda x, kernel: lax_conv(x, kernel, 1)), (0, 1))
    for member in range(2):
        expected = alone(x[member], kernels[member])
        jax.tree.map(lambda a, b, m=member: np.testing.assert_allclose(a[m], b, rtol=2e-4, atol=2e-4), found, expected)


def test_normalise_by_hand():
    x = jnp.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    m = ops.moments(x)
    assert (float(m.mean[0]), float(m.variance[0])) == (2.0, 1.0)
    y = ops.normalise(x, m, jnp.array([2.0]), jnp.array([5.0]))
    np.testing.assert_allclose(y.ravel(), [3.0, 7.0], atol=1e-4)
