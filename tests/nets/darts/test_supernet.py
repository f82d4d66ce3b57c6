"""The edge of DARTS's search network against the library's operations, a cell by hand, and the network's shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcenas.errors import InputError
from jcenas.nets.darts.mixed_edge import OPERATIONS, EdgeWeights, mixed_edge, standardise
from jcenas.nets.darts.supernet import EDGES, MIXTURE_SHAPE, DartsSupernet, MixedCell
from jcenas.nets.layers.operations import BATCH_NORM_EPSILON
from jcenas.spaces import genotype

C, RANDOM = 4, np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


def convolve(x, kernel, stride=1, dilation=1, groups=1):
    pad = dilation * (kernel.shape[0] // 2)
    return lax.conv_general_dilated(
        *(x, kernel, (stride, stride), [(pad, pad)] * 2),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision="highest",
    )


def norm(x):
    mean, variance = x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)
    return (x - mean) / jnp.sqrt(variance + BATCH_NORM_EPSILON)


def separable(x, depthwise, pointwise, stride=1, dilation=1):
    x = convolve(jnp.maximum(x, 0), depthwise[:, :, None], stride, dilation, groups=x.shape[-1])
    return norm(convolve(x, pointwise[None, None]))


def pool(x, start, combine, stride):
    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, start, combine, (1, 3, 3, 1), (1, stride, stride, 1), pad)


def plain_edge(x, mixture, w, stride):
    def both(kernels, i):
        return separable(separable(x, kernels[0], w.first[i], stride), kernels[1], w.last[i])

    skip = x
    if stride == 2:
        halves = [x[:, ::2, ::2], x[:, 1::2, 1::2]]
        parts = zip(halves, jnp.split(w.halve, 2, axis=1), strict=True)
        skip = norm(jnp.concatenate([convolve(jnp.maximum(half, 0), k[None, None]) for half, k in parts], -1))
    results = {
        "max_pool_3x3": norm(pool(x, -jnp.inf, lax.max, stride)),
        "avg_pool_3x3": norm(pool(x, 0.0, lax.add, stride) / pool(jnp.ones_like(x), 0.0, lax.add, stride)),
        "skip_connect": skip,
        "sep_conv_3x3": both(w.depthwise3, 0),
        "sep_conv_5x5": both(w.depthwise5, 1),
        "dil_conv_3x3": separable(x, w.dilated3, w.last[2], stride, 2),
        "dil_conv_5x5": separable(x, w.dilated5, w.last[3], stride, 2),
    }
    return sum(mixture[OPERATIONS.index(name)] * y for name, y in results.items())


@pytest.mark.slow  # the compilation
@pytest.mark.parametrize("stride", [1, 2])
def test_an_edge_and_its_gradients_equal_the_librarys_operations(stride):
    x, mixture = normal(2, 8, 8, C), normal(8)
    weights = EdgeWeights(
        *(normal(*shape) for shape in [(2, 3, 3, C), (2, 5, 5, C), (3, 3, C), (5, 5, C), (2, C, C), (4, C, C)]),
        halve=normal(C, C) if stride == 2 else None,
    )
    weight_of_output = normal(2, 8 // stride, 8 // stride, C)

    def gradients(edge):
        def loss(x, m, w):
            return jnp.sum(weight_of_output * edge(x, m, w, stride))

        return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(x, mixture, weights)

    found, expected = gradients(mixed_edge), gradients(plain_edge)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2), found, expected)


def test_edges_are_numbered_as_darts_numbers_them():
    assert EDGES[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert len(EDGES) == 14
    assert genotype.OPERATIONS[:8] == OPERATIONS


def test_a_cell_of_identities_by_hand():
    cell = MixedCell(C, reduction=False, reduction_before=False)
    x, y = normal(2, 4, 4, C), normal(2, 4, 4, C)
    skips = jnp.zeros((14, 8)).at[:, OPERATIONS.index("skip_connect")].set(1.0)
    # Node 4 reads half of node 2; node 5 nothing of node 4.
    skips = skips.at[EDGES.index((2, 4))].multiply(0.5).at[EDGES.index((4, 5))].set(0.0)
    shapes = jax.eval_shape(cell.init, jax.random.key(0), x, y, skips)
    params = jax.tree.map(lambda s: normal(*s.shape), shapes)["params"]
    params |= {"input0": jnp.eye(C), "input1": jnp.eye(C)}
    found = jax.jit(cell.apply)({"params": params}, x, y, skips)
    entry = standardise(jnp.maximum(x, 0)) + standardise(jnp.maximum(y, 0))
    # 2: 1; 3: 1 + 1; 4: 1 + 0.5 + 2; 5: 1 + 1 + 2
    expected = jnp.concatenate([entry, 2 * entry, 3.5 * entry, 4 * entry], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_shapes_of_the_network_and_bad_images():
    network = DartsSupernet(10, channels=4, cells=3)
    mixture = jnp.zeros(MIXTURE_SHAPE)
    logits, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), jnp.zeros((2, 8, 8, 3)), mixture)
    assert logits.shape == (2, 10)
    assert set(variables) == {"params"}  # norms have no statistics and no weights
    # four nodes of 4 channels, doubled twice
    assert variables["params"]["classifier"]["kernel"].shape == (4 * 16, 10)
    assert "halve" not in variables["params"]["cell0"]["of_inputs"]
    assert "halve" in variables["params"]["cell1"]["of_inputs"]
    with pytest.raises(InputError, match="multiples of 4"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((2, 6, 8, 3)), mixture)
