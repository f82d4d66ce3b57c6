"""Counts by hand, against a published table and against what is built; a layer from XLA's convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets.layers.operations import BATCH_NORM_EPSILON
from jcenas.nets.mobilenet import cost
from jcenas.nets.mobilenet.cost import MacroMobile
from jcenas.nets.mobilenet.network import InvertedResidual, MobileNetwork
from jcenas.spaces.mobilenet import ACCEL_NASBENCH, MobileNet

B0 = "e=1 6 6 6 6 6 6;k=3 3 5 3 5 5 3;l=1 2 2 3 3 4 1;se=1 1 1 1 1 1 1"
LEAST = "e=1 1 1 1 1 1 1;k=3 3 3 3 3 3 3;l=1 1 1 1 1 1 1;se=0 0 0 0 0 0 0"


def filled(module, x, *more):
    shapes = jax.eval_shape(lambda x: module.init(jax.random.key(0), x, *more), x)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda s: jnp.asarray(0.1 + 0.3 * rng.random(s.shape), s.dtype), shapes)


def test_the_smallest_network_by_hand():
    channels, pixels = [32, 16, 24, 40, 80, 112, 192, 320], [112**2, 56**2, 28**2, 14**2, 14**2, 7**2, 7**2]
    parameters, work = 27 * 32 + 64, 27 * 32 * 112**2
    for before, after, out in zip(channels[:-1], channels[1:], pixels, strict=True):
        parameters += 9 * before + 2 * before + before * after + 2 * after
        work += out * (9 * before + before * after)
    parameters += 320 * 1280 + 2 * 1280 + 1281 * 1000
    work += 49 * 320 * 1280 + 1280 * 1000
    genome = ACCEL_NASBENCH.from_string(LEAST)
    assert int(cost.parameters(genome, ACCEL_NASBENCH)) == parameters
    np.testing.assert_allclose(cost.multiply_adds(genome, ACCEL_NASBENCH), work, rtol=1e-6)


def test_published_parameters_of_efficientnet_b0():
    """5.3 M (arXiv 1905.11946, table 2); 5,288,548 in the implementations that have this squeeze-excite."""
    assert int(cost.parameters(ACCEL_NASBENCH.from_string(B0), ACCEL_NASBENCH)) == 5_288_548


@pytest.mark.data
def test_parameters_and_multiply_adds_of_the_published_table(data):
    import pandas as pd

    frame = pd.read_csv(data / "macro_benches" / "accel_nasbench_imagenet_mnasnet.csv.gz")
    columns = (frame[f"arch_{part}"] for part in ("e", "k", "l", "se"))
    texts = [f"e={e};k={k};l={n};se={se}" for e, k, n, se in zip(*columns, strict=True)]
    genomes = np.stack([ACCEL_NASBENCH.from_string(text) for text in texts])
    assert len(genomes) == 5138
    published = np.round(1e6 * frame["params_M"]).astype(int)
    np.testing.assert_array_equal(cost.parameters(genomes, ACCEL_NASBENCH), published)
    found = cost.counts(genomes, ACCEL_NASBENCH)  # the benchmark adds four for a normalised number, one for a pooled
    operations = found.multiply_adds + 4 * found.normalised + found.pooled
    np.testing.assert_allclose(operations, 1e6 * frame["macs_M"], rtol=5e-7)


def test_counts_equal_what_is_built():
    space = MobileNet()
    genomes = space.sample(jax.random.key(0), 3)
    counted = cost.parameters(genomes, space, MacroMobile(classes=7))
    for genome, parameters in zip(np.asarray(genomes), counted.tolist(), strict=True):
        module = MobileNetwork(space, tuple(genome.tolist()), 7)
        shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_the_smallest_network_for_digits_by_hand():
    space = MobileNet.small(8)
    genome = np.zeros(len(space.cardinalities), np.int32)
    macro = MacroMobile(image_channels=1, classes=10)
    channels, pixels = [8, 8, 16, 24], [8**2, 4**2, 2**2]
    parameters, work = 9 * 8 + 2 * 8, 9 * 8 * 8**2
    for before, after, out in zip(channels[:-1], channels[1:], pixels, strict=True):
        parameters += 9 * before + 2 * before + before * after + 2 * after
        work += out * (9 * before + before * after)
    parameters += 24 * 96 + 2 * 96 + 97 * 10
    work += 4 * 24 * 96 + 96 * 10
    assert int(cost.parameters(genome, space, macro)) == parameters
    np.testing.assert_allclose(cost.multiply_adds(genome, space, macro), work, rtol=1e-6)


@pytest.mark.parametrize(("side", "image_channels"), [(8, 1), (28, 1), (32, 3)])
def test_counts_of_small_networks_equal_what_is_built(side, image_channels):
    space, images = MobileNet.small(side), jnp.zeros((2, side, side, image_channels))
    macro = MacroMobile(image_channels=image_channels, classes=10)
    genomes = np.asarray(space.sample(jax.random.key(1), 2))
    for genome, parameters in zip(genomes, cost.parameters(genomes, space, macro).tolist(), strict=True):
        module = MobileNetwork(space, tuple(genome.tolist()), 10)
        logits, variables = jax.eval_shape(lambda module=module: module.init_with_output(jax.random.key(0), images))
        assert logits.shape == (2, 10)
        assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters


def test_the_dearest_network_costs_most():
    space = MobileNet()
    dearest = cost.largest(space)
    genomes = np.asarray(space.sample(jax.random.key(0), 500))
    for measure in (cost.parameters, cost.multiply_adds):
        assert float(measure(dearest, space)) > np.asarray(measure(genomes, space)).max()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_layer_by_hand(stride):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8, 8)), jnp.float32)
    module = InvertedResidual(8, 4, 5, True, stride)
    v = filled(module, x, "running", None)
    assert v["params"]["squeeze_excite"]["squeeze"]["kernel"].shape == (32, 2)
    found = jax.jit(lambda v: module.apply(v, x, "running", None))(v)
    expected = jax.jit(lambda v: layer_by_hand(v, x, stride))(v)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def layer_by_hand(v, x, stride):
    p, b = v["params"], v["batch_stats"]

    def norm(y, name):
        mean, variance = (b[name][part][None, None, None] for part in ("mean", "variance"))
        scale, bias = (p[name][part][None, None, None] for part in ("scale", "bias"))
        return (y - mean) / jnp.sqrt(variance + BATCH_NORM_EPSILON) * scale + bias

    y = jax.nn.silu(norm(jnp.einsum("bhwc,cd->bhwd", x, p["expand"]), "expand_norm"))
    y = jax.lax.conv_general_dilated(
        y,
        p["depthwise"][:, :, None],
        (stride, stride),
        ((2, 2), (2, 2)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=32,
    )
    y = jax.nn.silu(norm(y, "depthwise_norm"))
    dense = p["squeeze_excite"]
    z = jax.nn.silu(y.mean((1, 2)) @ dense["squeeze"]["kernel"] + dense["squeeze"]["bias"][None])
    z = jax.nn.sigmoid(z @ dense["excite"]["kernel"] + dense["excite"]["bias"][None])
    y = norm(jnp.einsum("bhwc,cd->bhwd", y * z[:, None, None], p["project"]), "project_norm")
    return y + x if stride == 1 else y


def test_a_small_network_drops_residuals_and_refuses_odd_images():
    space = MobileNet(layers=(1, 2), resolutions=(32,), widths=(0.5,))
    genome = space.from_string(LEAST.replace("l=1 1", "l=1 2"))
    module = MobileNetwork(space, tuple(genome.tolist()), 5)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(16, 32, 32, 3)), jnp.float32)
    v = filled(module, images)

    @jax.jit
    def training(rate):
        return module.apply(
            v, images, None, statistics="batch", drop_path=rate, rngs={"drop_path": jax.random.key(0)},
            mutable=["batch_stats"],
        )[0]  # fmt: skip

    plain, dropped = training(0.0), training(0.9)
    assert plain.shape == (16, 5)
    assert not np.allclose(plain, dropped)
    without, _ = jax.jit(lambda: module.apply(v, images, statistics="batch", mutable=["batch_stats"]))()
    np.testing.assert_allclose(plain, without, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="multiples of 32"):
        module.init(jax.random.key(0), images[:, :30])
