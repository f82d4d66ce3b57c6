import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets.layers.convolution import conv, conv_of_many


def lax_conv(x, kernel, stride):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), ((kernel.shape[0] // 2,) * 2,) * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize(("side", "stride", "size"), [(8, 1, 3), (8, 2, 3), (8, 1, 5), (2, 1, 3), (2, 2, 3), (8, 1, 1)])
def test_conv_and_both_gradients_equal_automatic_ones(side, stride, size, key):
    k1, k2, k3 = jax.random.split(key, 3)
    x, kernel = jax.random.normal(k1, (3, side, side, 4)), jax.random.normal(k2, (size, size, 4, 5))
    weights = jax.random.normal(k3, (3, side // stride, side // stride, 5))

    def gradients(conv):
        return jax.jit(jax.value_and_grad(lambda x, k: jnp.sum(weights * conv(x, k, stride)), (0, 1)))(x, kernel)

    ours, theirs = gradients(conv), gradients(lax_conv)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), ours, theirs)


def test_conv_of_many_under_vmap_equals_each_alone(key):
    k1, k2 = jax.random.split(key)
    x, kernels = jax.random.normal(k1, (2, 3, 4, 4, 3)), jax.random.normal(k2, (2, 3, 3, 3, 5))

    def loss(conv):
        def of(x, kernel):
            return jnp.sum(jnp.sin(conv(x, kernel)))

        return of

    found = jax.jit(jax.vmap(jax.value_and_grad(loss(conv_of_many), (0, 1))))(x, kernels)
    alone = jax.jit(jax.value_and_grad(loss(lambda x, kernel: lax_conv(x, kernel, 1)), (0, 1)))
    for member in range(2):
        expected = alone(x[member], kernels[member])
        jax.tree.map(lambda a, b, m=member: np.testing.assert_allclose(a[m], b, rtol=2e-4, atol=2e-4), found, expected)
