"""Untrained scores: by hand on networks small enough, then against plain definitions, then the common contract."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import CellNetwork, FixedNetwork, Macro, extract
from jcenas.nets.nasbench201 import cost
from jcenas.proxies import (
    MEASURES,
    Start,
    activations,
    counts,
    fisher,
    gradient_kernel,
    gradient_norm,
    naswot,
    snip,
    synflow,
    zen,
    zero_shot,
)
from jcenas.proxies.jacobian_covariance import score_of
from jcenas.proxies.naswot import agreement
from jcenas.train.images import Split
from jcenas.train.recipe import cross_entropy

CELLS = jnp.array([[3, 1, 2, 1, 3, 4], [3, 3, 3, 3, 3, 3], [1, 4, 0, 2, 0, 1], [2, 2, 0, 3, 3, 1]], jnp.int32)
DEAD = jnp.array([3, 3, 3, 0, 0, 0], jnp.int32)


class Linear(nn.Module):
    """logits = images @ w, without anything else."""

    @nn.compact
    def __call__(self, images, genome, *, statistics="running"):
        return images.reshape(images.shape[0], -1) @ self.param("w", nn.initializers.zeros, (2, 2))


def linear_start(w, images, labels=(0, 1)):
    images = jnp.asarray(images, jnp.float32).reshape(len(images), 1, 2, 1)
    variables = {"params": {"w": jnp.asarray(w, jnp.float32)}, "batch_stats": {}}
    return Start(variables=variables, images=images, labels=jnp.array(labels), key=jax.random.key(0))


@pytest.mark.accelerator
def test_synflow_by_hand():
    # R = sum of |w| over inputs of 1; each |w| dR/d|w| is |w|: 1 + 2 + 3 + 4
    start = linear_start([[1, -2], [-3, 4]], [[5, 6], [7, 8]])
    np.testing.assert_allclose(synflow(Linear(), start, CELLS[0]), np.log(10), rtol=1e-5)


def test_snip_and_gradient_norm_by_hand():
    # Equal logits: softmax is 1/2 each; dL/dw = mean over images of x (p - y).
    start = linear_start([[1, 1], [1, 1]], [[2, 0], [0, 4]])
    # image 1, class 0: x=(2, 0), p-y=(-1/2, 1/2); image 2, class 1: x=(0, 4), p-y=(1/2, -1/2)
    gradient = np.array([[-0.5, 0.5], [1.0, -1.0]])
    np.testing.assert_allclose(zero_shot.loss_gradient(Linear(), start, CELLS[0])["w"], gradient, rtol=1e-6)
    np.testing.assert_allclose(snip(Linear(), start, CELLS[0]), 3.0, rtol=1e-6)
    np.testing.assert_allclose(gradient_norm(Linear(), start, CELLS[0]), np.sqrt(2.5), rtol=1e-6)


@pytest.mark.accelerator
def test_gradient_kernel_by_hand():
    # The gradient of the sum of logits by w is x in both columns: Theta = 2 x x^T.
    start = linear_start([[1, 1], [1, 1]], [[2, 0], [0, 4]])
    theta = gradient_kernel.kernel(Linear(), start, CELLS[0])
    np.testing.assert_allclose(theta, [[8, 0], [0, 32]], rtol=1e-6)
    np.testing.assert_allclose(gradient_kernel.ntk_condition(Linear(), start, CELLS[0]), -np.log(4), rtol=1e-5)
    np.testing.assert_allclose(gradient_kernel.kernel_mean(Linear(), start, CELLS[0]), np.log(10), rtol=1e-5)
    singular = gradient_kernel.condition_score(jnp.ones((3, 3)))
    assert -17 < float(singular) < -12  # a condition beyond rounding counts as rounding, not as infinite


def test_jacobian_covariance_by_hand():
    k = 1e-5
    # Rows uncorrelated: both eigenvalues 1. Rows the same: eigenvalues 2 and 0.
    apart = score_of(jnp.array([[1.0, -1, 1, -1], [1, 1, -1, -1]]))
    np.testing.assert_allclose(apart, -2 * (np.log(1 + k) + 1 / (1 + k)), rtol=1e-5)
    same = score_of(jnp.array([[1.0, -1, 1, -1], [2, -2, 2, -2]]))
    assert float(same) < -9e4  # about -1 / k
    assert float(score_of(jnp.zeros((2, 4)))) == -np.inf


@pytest.mark.slow
def test_the_relus_of_a_cell_are_those_of_a_network_built_for_it(network, start):
    # Nodes 1 and 2 by hand from the weights of the cell, with batch statistics and no other code than Linen's norms.
    maps = jax.jit(lambda g: activations.relu_inputs(network, start, g))(CELLS[0])
    assert [float(count) for _, count in maps] == [1, 2, 0, 1, 1, 1, 2, 0, 1, 1, 1, 2, 0, 1]
    weights = start.variables["params"]["stage0_cell0"]
    node0, node1, node2 = (np.asarray(m) for m, _ in maps[:3])

    def norm(y):
        return (y - y.mean((0, 1, 2))) / np.sqrt(y.var((0, 1, 2)) + 1e-5)

    def conv(x, kernel):
        return np.asarray(
            jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        )

    # genome 3 1 2 1 3 4: 0-1 is 3x3, 0-2 skip, 1-2 is 1x1
    first = norm(conv(np.maximum(node0, 0), weights["conv3x3"][0]))
    np.testing.assert_allclose(node1, first, atol=2e-4)
    second = node0 + norm(np.maximum(first, 0) @ np.asarray(weights["conv1x1"][2]))
    np.testing.assert_allclose(node2, second, atol=5e-4)


@pytest.mark.slow
def test_agreement_counts_relus(network, start):
    kernel = np.asarray(jax.jit(lambda g: agreement(network, start, g))(CELLS[1]))
    # 4 channels on 8x8, doubled and halved twice: per stage 6 convolutions, 2 blocks of 2 ReLUs, 1 at the head.
    relus = 6 * (256 + 128 + 64) + (256 + 128) + (128 + 64) + 64
    np.testing.assert_array_equal(np.diagonal(kernel), relus)
    np.testing.assert_array_equal(kernel, kernel.T)
    maps = [
        (np.asarray(m) > 0, int(c)) for m, c in jax.jit(lambda g: activations.relu_inputs(network, start, g))(CELLS[1])
    ]
    agree = sum(c * (m[0] == m[1]).sum() for m, c in maps)
    assert kernel[0, 1] == agree
    score = jax.jit(lambda g: naswot(network, start, g))(CELLS[1])
    np.testing.assert_allclose(score, np.linalg.slogdet(kernel.astype(np.float64))[1], rtol=1e-4)


def test_images_that_look_the_same_have_no_determinant(network, start):
    twice = start.replace(images=jnp.concatenate([start.images[:8]] * 2))
    assert float(jax.jit(lambda g: naswot(network, twice, g))(CELLS[1])) == -np.inf


@pytest.mark.slow
def test_fisher_against_its_definition_through_finite_differences(network, start):
    few = start.replace(images=start.images[:2], labels=start.labels[:2])
    _, outputs = jax.jit(lambda g: activations.block_outputs(network, few, g))(CELLS[0])
    assert set(outputs) == {"stage0_cell0", "reduce1", "stage1_cell0", "reduce2", "stage2_cell0"}
    none = jax.tree.map(jnp.zeros_like, outputs)

    @jax.jit
    def loss(shifts):
        return cross_entropy(activations.block_outputs(network, few, CELLS[0], shifts)[0], few.labels)

    # Scaling channel c of image n's output of a block by (1 + h) changes the loss by h sum(a g).
    h, n, expected = 1e-2, 2, 0.0
    for name, a in outputs.items():
        for image in range(n):
            for channel in range(a.shape[-1]):
                step = jnp.zeros_like(a).at[image, :, :, channel].set(h * a[image, :, :, channel])
                slope = (loss(none | {name: step}) - loss(none | {name: -step})) / (2 * h)
                expected += float(n * slope) ** 2 / (2 * n)
    np.testing.assert_allclose(jax.jit(lambda g: fisher(network, few, g))(CELLS[0]), expected, rtol=0.02)


def test_zen_score_sees_the_scale_of_the_weights(network, start):
    # Features are homogeneous in the stem's weights: doubled, log 2 more.
    params = start.variables["params"]
    doubled = start.replace(variables=start.variables | {"params": params | {"stem": 2 * params["stem"]}})
    score = jax.jit(lambda s: zen(network, s, CELLS[0]))
    one, two = float(score(start)), float(score(doubled))
    np.testing.assert_allclose(two - one, np.log(2), rtol=1e-3)


def log_synflow_64(variables, genome, shape, **size):
    """The definition in float64, on a network built for the cell."""
    with jax.enable_x64(True):
        own = jax.tree.map(lambda x: np.abs(np.asarray(x, np.float64)), extract(variables, genome))
        fixed = FixedNetwork(genome, 10, **size)

        def flow(p):
            return jnp.sum(fixed.apply({**own, "params": p}, jnp.ones((1, *shape))))

        gradient = jax.jit(jax.grad(flow))(own["params"])
        products = jax.tree.map(lambda p, g: float(np.sum(p * g)), own["params"], gradient)
    return np.log(sum(jax.tree.leaves(products)))


@pytest.mark.parametrize("weight", [1e-6, 1e-2, 1.0, 1e4, 1e12])  # R down to 1e-42, up to 1e98
def test_synflow_of_a_whole_network_by_hand(weight):
    # One channel, one skip-only cell a stage (which gives 4 times its input), and kernels of one tap, at the centre.
    network, skips = CellNetwork(10, channels=1, cells=1), jnp.ones(6, jnp.int32)
    blank = jax.eval_shape(network.init, jax.random.key(0), jnp.ones((1, 4, 4, 1)), skips)
    variables = jax.tree.map(lambda x: jnp.zeros(x.shape), blank)
    variables["batch_stats"] = jax.tree_util.tree_map_with_path(
        lambda path, x: x + (path[-1].key == "variance"), variables["batch_stats"]
    )

    def filled(path, x):
        if path[-1].key == "scale":
            return jnp.ones_like(x)
        if path[-1].key == "bias":
            return x
        return x.at[1, 1].set(weight) if x.ndim == 4 else jnp.full_like(x, weight)

    variables["params"] = jax.tree_util.tree_map_with_path(filled, variables["params"])
    start = Start(variables=variables, images=jnp.zeros((2, 4, 4, 1)), labels=jnp.zeros(2, jnp.int32), key=None)
    # With all weights and norm scales times t, R(t) = (w t)(r t) 4 B(1) 4 B(2) 4 (r t) 40 w t, where a reduction of c
    # channels B(c) = 2 c^2 (w r)^2 t^4 + c w t, r = 1 / sqrt(1 + 1e-5); the score is log R'(1).
    r = 1 / np.sqrt(1 + 1e-5)
    reductions = [np.polynomial.Polynomial([0, c * weight, 0, 0, 2 * (c * weight * r) ** 2]) for c in (1, 2)]
    rest = np.polynomial.Polynomial([0, 0, 0, 0, 4**3 * 40 * (weight * r) ** 2])
    expected = np.log((rest * reductions[0] * reductions[1]).deriv()(1.0))
    score = jax.jit(lambda: synflow(network, start, skips))()
    np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
def test_synflow_beyond_the_range_of_float32_equals_float64(network, start):
    params = jax.tree.map(lambda x: 20 * x, start.variables["params"])  # thirty layers and norms: 1e39 more
    large = start.replace(variables=start.variables | {"params": params})
    score = float(jax.jit(lambda g: synflow(network, large, g))(CELLS[1]))
    assert 88.8 < score < 170  # the largest float32 is e^88.7
    expected = log_synflow_64(large.variables, (3, 3, 3, 3, 3, 3), (8, 8, 1), channels=4, cells=1)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


@pytest.mark.slow
def test_synflow_at_the_size_of_the_benchmark(digits):
    # The published scores of these cells: 5.9e66, 1.2e66, 7.5e48, 1.8e17, and 0 of the last one.
    network = CellNetwork(10, channels=16, cells=5)
    part = Split(jnp.zeros((1, 32, 32, 3), jnp.uint8), jnp.zeros(1, jnp.int32))
    colour = digits.replace(train=part, mean=jnp.zeros(3), deviation=jnp.ones(3))
    proxy = zero_shot.make_proxy(synflow, network, images=1)
    start = jax.jit(proxy.prepare)(jax.random.key(0), colour)
    cells = [(3, 3, 3, 3, 3, 3), (3, 1, 3, 1, 1, 3), (3, 1, 2, 1, 3, 4), (1, 1, 1, 1, 1, 1), (3, 3, 3, 0, 0, 0)]
    scores = np.asarray(jax.jit(proxy.score)(start, jnp.array(cells, jnp.int32)))
    assert np.isfinite(scores[:4]).all()
    assert scores[4] == -np.inf
    assert (np.diff(scores) < 0).all()
    expected = log_synflow_64(start.variables, cells[0], (32, 32, 3), channels=16, cells=5)
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", MEASURES)
def test_contract(name, network, small_cell, start, digits):
    """One score a cell, finite and different for living cells, and none better for a dead one."""
    dead = DEAD
    if name not in {"Fisher", "NASWOT", "Zen-score"}:  # which look into the blocks: any network will do
        network, dead = small_cell, jnp.zeros(6, jnp.int32)
        start = jax.jit(zero_shot.make_proxy(MEASURES[name], network, images=16).prepare)(jax.random.key(0), digits)
    score = jax.jit(zero_shot.make_proxy(MEASURES[name], network).score)
    scores = np.asarray(score(start, jnp.concatenate([CELLS, dead[None]])))
    assert scores.shape == (5,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores[:4]).all()
    assert len(set(scores[:4].tolist())) == 4
    assert scores[4] <= scores[:4].min()


@pytest.mark.slow
def test_side_by_side_is_one_by_one(network, start):
    alone = jax.jit(zero_shot.make_proxy(naswot, network).score)(start, CELLS)
    blend = CellNetwork(10, channels=4, cells=1, choose="blend")
    together = jax.jit(zero_shot.make_proxy(naswot, blend, together=2).score)(start, CELLS)
    np.testing.assert_allclose(alone, together, rtol=2e-3)


def test_counts_are_those_of_the_network(network, start):
    macro = Macro(image_size=8, image_channels=1, channels=4, cells=1)
    genome = (3, 1, 2, 1, 3, 4)
    own = extract(start.variables, genome)["params"]
    size = sum(x.size for x in jax.tree.leaves(own))
    proxy = counts.counted(functools.partial(cost.parameters, macro))
    assert float(proxy.score(proxy.prepare(None, None), jnp.array([genome]))[0]) == size
    assert (
        float(counts.counted(functools.partial(cost.multiply_adds, macro)).score((), jnp.array([DEAD, genome]))[0]) > 0
    )
