import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcenas.nets.layers import depthwise as dw

RANDOM = np.random.default_rng(0)
IMAGES = jnp.asarray(RANDOM.normal(size=(3, 8, 8, 5)), jnp.float32)
TIES = jnp.asarray(RANDOM.integers(0, 3, (3, 8, 8, 5)), jnp.float32)  # a third of the windows hold equal maxima


def library(x, kernel, stride, dilation):
    pad = dilation * (kernel.shape[0] // 2)
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        [(pad, pad)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def window(x, start, combine, stride):
    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, start, combine, (1, 3, 3, 1), (1, stride, stride, 1), pad)


def library_average(x, stride):
    return window(x, 0.0, lax.add, stride) / window(jnp.ones_like(x), 0.0, lax.add, stride)


def weighted(f, shape):
    """A scalar of f's output in which every number of it has a weight of its own."""
    weights = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    return lambda *arguments: jnp.sum(weights * f(*arguments))


@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_and_both_gradients_equal_the_librarys(size, stride, dilation):
    kernel = jnp.asarray(RANDOM.normal(size=(size, size, 5)), jnp.float32)
    shape = (3, 8 // stride, 8 // stride, 5)
    ours = weighted(lambda x, k: dw.depthwise(x, k, stride=stride, dilation=dilation), shape)
    theirs = weighted(lambda x, k: library(x, k, stride, dilation), shape)
    found = jax.jit(jax.value_and_grad(ours, (0, 1)))(IMAGES, kernel)
    expected = jax.jit(jax.value_and_grad(theirs, (0, 1)))(IMAGES, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), found, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("images", [IMAGES, TIES], ids=["distinct", "ties"])
def test_pools_and_their_gradients_equal_reduce_window(images, stride):
    shape = (3, 8 // stride, 8 // stride, 5)
    for ours, theirs in [
        (lambda x: dw.max_pool_3x3(x, stride), lambda x: window(x, -jnp.inf, lax.max, stride)),
        (lambda x: dw.average_pool_3x3(x, stride), lambda x: library_average(x, stride)),
    ]:
        found = jax.jit(jax.value_and_grad(weighted(ours, shape)))(images)
        expected = jax.jit(jax.value_and_grad(weighted(theirs, shape)))(images)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_pools_by_hand():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    # corner: (0 + 1 + 3 + 4) / 4; edge: (0 + 1 + 2 + 3 + 4 + 5) / 6
    np.testing.assert_allclose(dw.average_pool_3x3(x)[0, 0, :, 0], [2.0, 2.5, 3.0], rtol=1e-6)
    np.testing.assert_array_equal(dw.max_pool_3x3(-x)[0, 2, :, 0], [-3.0, -3.0, -4.0])


def test_a_dilated_kernel_by_hand():
    x = jnp.zeros((1, 6, 6, 2)).at[0, 2, 3].set(1.0)
    kernel = jnp.zeros((3, 3, 2)).at[0, 2].set(jnp.array([5.0, 7.0]))  # reads two rows above, two columns to the right
    y = dw.depthwise(x, kernel, dilation=2)
    np.testing.assert_array_equal(y[0, 4, 1], [5.0, 7.0])
    assert float(jnp.abs(y).sum()) == 12.0


def test_under_vmap_every_member_has_its_own_kernel():
    kernels = jnp.asarray(RANDOM.normal(size=(2, 3, 3, 5)), jnp.float32)
    together = jax.vmap(lambda k: dw.depthwise(IMAGES, k))(kernels)
    np.testing.assert_allclose(together[1], dw.depthwise(IMAGES, kernels[1]), rtol=1e-5, atol=1e-5)


def test_elsewhere_the_librarys_kernels_are_used():
    kernel = jnp.ones((3, 3, 5))
    exported = jax.export.export(jax.jit(lambda x: dw.depthwise(dw.max_pool_3x3(x), kernel)), platforms=["cuda"])
    text = exported(IMAGES).mlir_module()
    assert "stablehlo.convolution" in text
    assert "reduce_window" in text
