"""Operations against XLA's own, a network by hand, and counts against the published ones and against what is built."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets.genotype import cost
from jcenas.nets.genotype.cost import MacroGenotype
from jcenas.nets.genotype.network import GenotypeNetwork, reductions
from jcenas.nets.genotype.operations import Operation, path_masks
from jcenas.nets.layers.norm import STATISTICS_MOMENTUM
from jcenas.nets.layers.operations import BATCH_NORM_EPSILON
from jcenas.spaces import genotype as g
from jcenas.spaces.darts import DARTS_V2, Darts
from jcenas.spaces.nasnet import NASNET_OPERATIONS, NasNet

NHWC = ("NHWC", "HWIO", "NHWC")
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8, 4)), jnp.float32)


def convolve(x, kernel, stride=(1, 1), dilation=1, groups=1):
    pads = [(dilation * (k // 2),) * 2 for k in kernel.shape[:2]]
    return jax.lax.conv_general_dilated(
        x, kernel, stride, pads, rhs_dilation=(dilation,) * 2, dimension_numbers=NHWC, feature_group_count=groups
    )


def norm(x, p):
    """Batch norm with the initial running statistics, mean 0 and variance 1."""
    return (
        x / np.sqrt(1 + BATCH_NORM_EPSILON) * p["norm"]["scale"][None, None, None] + p["norm"]["bias"][None, None, None]
    )


def separable(x, weights, stride=1, dilation=1):
    x = convolve(jax.nn.relu(x), weights["depthwise"][:, :, None, :], (stride, stride), dilation, x.shape[-1])
    return norm(jnp.einsum("bhwc,cd->bhwd", x, weights["pointwise"]), weights)


def reference(name, x, p, s):
    """The operation from XLA's convolutions and windows."""
    if name.startswith("sep"):
        return separable(separable(x, p["first"], s), p["second"])
    if name.startswith("dil"):
        return separable(x, p["first"], s, 2)
    if name == "skip_connect":
        first, second = jnp.split(p["reduce"]["kernel"], 2, axis=1)
        x = jnp.pad(jax.nn.relu(x), ((0, 0), (0, 1), (0, 1), (0, 0)))
        one = convolve(x[:, :-1, :-1], first[None, None], (2, 2))
        return norm(jnp.concatenate([one, convolve(x[:, 1:, 1:], second[None, None], (2, 2))], -1), p["reduce"])
    if "1x" in name and name != "conv_1x1":
        x = convolve(jax.nn.relu(x), p["first"]["row"][None], (1, s))
        return norm(convolve(x, p["first"]["column"][:, None], (s, 1)), p["first"])
    if name == "conv_1x1":
        return norm(convolve(jax.nn.relu(x), p["first"]["kernel"][None, None], (s, s)), p["first"])
    if name == "conv_3x3":
        return norm(convolve(jax.nn.relu(x), p["first"]["kernel"], (s, s)), p["first"])
    k = int(name[-1])
    window = ((1, k, k, 1), (1, s, s, 1), ((0, 0), *[(k // 2, k // 2)] * 2, (0, 0)))
    if name.startswith("max"):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window)
    sums = [jax.lax.reduce_window(a, 0.0, jax.lax.add, *window) for a in (x, jnp.ones_like(x))]
    return sums[0] / sums[1]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", g.OPERATIONS)
def test_operations_equal_the_libraries_and_their_counts(name, stride):
    module = Operation(name, stride)
    variables = filled(module, X, "running")
    found = jax.jit(lambda v: module.apply(v, X, "running"))(variables)
    if name == "none":
        assert found.shape == (2, 8 // stride, 8 // stride, 4)
        assert not found.any()
    elif name == "skip_connect" and stride == 1:
        np.testing.assert_array_equal(found, X)
    else:
        expected = jax.jit(lambda p: reference(name, X, p, stride))(variables.get("params"))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    parameters, work = cost._per_operation(4)
    built = sum(leaf.size for leaf in jax.tree.leaves(variables.get("params", {})))
    assert parameters[g.NUMBER[name], stride - 1] == built
    assert (work[g.NUMBER[name], stride - 1] > 0) == (built > 0)


def test_multiply_adds_of_operations_by_hand():
    work = cost._per_operation(10)[1]
    assert work[g.NUMBER["sep_conv_5x5"]].tolist() == [2 * (250 + 100)] * 2
    assert work[g.NUMBER["conv_7x1_1x7"]].tolist() == [1400, 700 * 2 + 700]
    assert work[g.NUMBER["skip_connect"]].tolist() == [0, 100]


def test_published_counts():
    """DARTS states 3.3 M parameters for its network of 20 cells and 36 channels (arXiv 1806.09055, table 1)."""
    cells = g.to_cells(DARTS_V2)
    assert int(cost.parameters(cells)) == 3_349_342
    np.testing.assert_allclose(cost.multiply_adds(cells), 528.36e6, rtol=1e-4)
    network = GenotypeNetwork(DARTS_V2, 10)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 3_349_342


SMALL = g.Genotype((("sep_conv_3x3", 0), ("skip_connect", 1)), (2,), (("max_pool_3x3", 0), ("skip_connect", 1)), (2,))


def test_counts_of_a_small_network_by_hand():
    macro = MacroGenotype(image_size=8, classes=3, channels=2, cells=3)
    cells = g.to_cells(SMALL)
    # Stem 3 -> 6; cell 0 normal, 2 channels: inputs 6 -> 2 twice, separable 3x3; cell 1 reduces, 4 channels: inputs
    # 6 -> 4, 2 -> 4, factorised skip; cell 2 reduces, 8 channels: inputs 2 -> 8 (halved), 4 -> 8, skip.
    stem = 162 + 12
    cell0 = 2 * (12 + 4) + 2 * (18 + 4 + 4)
    cell1 = (24 + 8) + (8 + 8) + (16 + 8)
    cell2 = (16 + 16) + (32 + 16) + (64 + 16)
    assert int(cost.parameters(cells, macro)) == stem + cell0 + cell1 + cell2 + 8 * 3 + 3
    work = 162 * 64 + 64 * (24 + 44) + 64 * 32 + 16 * 16 + 16 * (16 + 32) + 4 * 64 + 24
    assert float(cost.multiply_adds(cells, macro)) == work
    assert reductions(3) == (1, 2)
    assert reductions(20) == (6, 13)


@pytest.mark.parametrize("space", [Darts(), NasNet(), NasNet(blocks=2, operations=NASNET_OPERATIONS)], ids=str)
def test_counts_equal_what_is_built(space):
    macro = MacroGenotype(image_size=32, classes=7, channels=6, cells=4, auxiliary=True)
    genomes = space.sample(jax.random.key(4), 3)
    counted = cost.parameters(space.cells(genomes), macro)
    for i in range(len(genomes)):
        genotype = g.from_cells(jax.tree.map(lambda a, i=i: a[i], space.cells(genomes)))
        network = GenotypeNetwork(genotype, 7, channels=6, cells=4, auxiliary=True)
        shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == int(counted[i])


def filled(network, *inputs):
    """Random weights by NumPy: initial ones would cost seconds of compilation."""
    shapes = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, *inputs[1:]), inputs[0])
    rng = np.random.default_rng(5)
    weights = jax.tree.map(lambda s: jnp.asarray(rng.normal(size=s.shape) / 3, s.dtype), shapes.get("params", {}))
    statistics = jax.tree_util.tree_map_with_path(
        lambda path, s: jnp.full(s.shape, float("variance" in str(path)), s.dtype), shapes.get("batch_stats", {})
    )
    return {"params": weights, "batch_stats": statistics}


@pytest.fixture(scope="module")
def small():
    network = GenotypeNetwork(SMALL, 3, channels=2, cells=3)
    images = jnp.asarray(np.random.default_rng(2).normal(size=(64, 8, 8, 3)), jnp.float32)
    return network, filled(network, images), images


def test_a_network_by_hand(small):
    network, variables, images = small
    expected = jax.jit(by_hand)(variables["params"], images)
    np.testing.assert_allclose(jax.jit(network.apply)(variables, images), expected, rtol=1e-4, atol=1e-5)


def by_hand(p, images):
    """Logits of the small network."""

    def pointwise(x, p):
        return norm(jnp.einsum("bhwc,cd->bhwd", jax.nn.relu(x), p["kernel"]), p)

    def halved(x, p):
        return reference("skip_connect", x, {"reduce": p}, 2)

    stem = norm(convolve(images, p["stem"]["kernel"]), p["stem"])
    c = p["cell0"]
    zero = reference("sep_conv_3x3", pointwise(stem, c["input0"]), c["edge0_sep_conv_3x3"], 1)
    zero += pointwise(stem, c["input1"])
    c = p["cell1"]
    one = reference("max_pool_3x3", pointwise(stem, c["input0"]), None, 2)
    one += halved(pointwise(zero, c["input1"]), c["edge1_skip_connect"]["reduce"])
    c = p["cell2"]
    two = reference("max_pool_3x3", halved(zero, c["input0"]), None, 2)
    two += halved(pointwise(one, c["input1"]), c["edge1_skip_connect"]["reduce"])
    return two.mean((1, 2)) @ p["classifier"]["kernel"] + p["classifier"]["bias"][None]


def test_statistics_move_in_training_only(small):
    network, variables, images = small
    training = jax.jit(lambda v: network.apply(v, images, statistics="batch", mutable=["batch_stats"]))
    _, updated = training(variables)
    stem = convolve(images, variables["params"]["stem"]["kernel"])
    expected = (1 - STATISTICS_MOMENTUM) * stem.mean((0, 1, 2))
    np.testing.assert_allclose(updated["batch_stats"]["stem"]["norm"]["mean"], expected, rtol=1e-4, atol=1e-6)
    _, updated = jax.jit(lambda v: network.apply(v, images, mutable=["batch_stats"]))(variables)
    jax.tree.map(np.testing.assert_array_equal, updated["batch_stats"], variables["batch_stats"])


def test_drop_path_keeps_the_mean_and_skips_identities(small):
    masks = path_masks(jax.random.key(0), 2, 2000, 0.25)
    assert masks.shape == (2, 2000, 1, 1, 1)
    values, counts = np.unique(np.asarray(masks), return_counts=True)
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(counts[0], 1000, atol=5 * np.sqrt(4000 * 0.25 * 0.75))
    assert 0 < np.mean(np.asarray(masks[0] != masks[1])) < 1  # each path for itself
    np.testing.assert_array_equal(path_masks(jax.random.key(0), 1, 5, 0.0), np.ones((1, 5, 1, 1, 1)))

    network, variables, images = small
    traces = 0

    @jax.jit
    def training(rate, key):
        nonlocal traces
        traces += 1
        out, _ = network.apply(
            variables, images, statistics="batch", drop_path=rate, rngs={"drop_path": key}, mutable=["batch_stats"]
        )
        return out

    plain = training(0.0, jax.random.key(0))
    np.testing.assert_allclose(plain, training(0.0, jax.random.key(1)), rtol=1e-6)
    assert not np.allclose(plain, training(0.3, jax.random.key(0)))
    assert traces == 1
    np.testing.assert_array_equal(network.apply(variables, images), network.apply(variables, images, drop_path=0.3))


@pytest.mark.slow
def test_auxiliary_logits_train_and_stay_out_of_the_result():
    network = GenotypeNetwork(SMALL, 3, channels=2, cells=3, auxiliary=True)
    images = jnp.asarray(np.random.default_rng(3).normal(size=(4, 32, 32, 3)), jnp.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    assert set(shapes) == {"params", "batch_stats"}
    variables = filled(network, images)
    head = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]["auxiliary_head"]))
    assert head == 128 * 8 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 769 * 3
    logits, more = network.apply(variables, images, statistics="batch", mutable=["batch_stats", "intermediates"])
    (auxiliary,) = more["intermediates"]["auxiliary"]
    assert logits.shape == auxiliary.shape == (4, 3)
    assert network.apply(variables, images).shape == (4, 3)
    with pytest.raises(InputError, match="8x8 maps"):
        network.init(jax.random.key(0), images[:, :16, :16])


def test_what_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match=r"multiples of 4, not \(1, 6, 8, 3\)"):
        GenotypeNetwork(SMALL, 3, channels=2, cells=3).init(jax.random.key(0), jnp.zeros((1, 6, 8, 3)))
    with pytest.raises(InputError, match=r"even, .* got 3"):
        GenotypeNetwork(SMALL, 3, channels=3, cells=3).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
