"""All operations of a NAS-Bench-201 cell mixed, against their sum written out plainly and against single paths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcenas.nets import CellNetwork, FixedNetwork, extract
from jcenas.nets.layers import operations as ops
from jcenas.nets.layers.operations import BATCH_NORM_EPSILON, Moments
from jcenas.nets.nasbench201.cell import CellWeights
from jcenas.nets.nasbench201.mixed_cell import mixed_cell
from jcenas.nets.nasbench201.network import Cell
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, OPERATIONS, POOL, SKIP

C, RANDOM = 3, np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


IMAGES, MIXTURE = normal(5, 4, 4, C), normal(6, 5)
WEIGHTS = CellWeights(normal(6, C, C), normal(6, 3, 3, C, C), normal(6, 2, C), normal(6, 2, C))
RUNNING = Moments(normal(6, 2, C), jnp.full((6, 2, C), 0.7, jnp.float32))


def window_sum(x):
    return lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")


def convolved(x, e, row, weights, statistics):
    """ReLU, convolution, norm; and the mean that the norm used."""
    kernel = weights.conv3x3[e] if row else weights.conv1x1[e][None, None]
    z = lax.conv_general_dilated(
        jnp.maximum(x, 0), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
    if statistics == "batch":
        mean, variance = jnp.mean(z, (0, 1, 2), keepdims=True), jnp.var(z, (0, 1, 2), keepdims=True)
    else:
        mean, variance = (part[e, row][None, None, None] for part in RUNNING)
    y = (z - mean) / jnp.sqrt(variance + BATCH_NORM_EPSILON)
    return y * weights.scale[e, row][None, None, None] + weights.bias[e, row][None, None, None], mean


def plain(x, mixture, weights, statistics):
    nodes, means = [x, 0, 0, 0], []
    for e, (source, target) in enumerate(EDGES):
        x, share = nodes[source], mixture[e]
        small, small_mean = convolved(x, e, 0, weights, statistics)
        large, large_mean = convolved(x, e, 1, weights, statistics)
        pool = window_sum(x) / window_sum(jnp.ones_like(x))
        nodes[target] += share[SKIP] * x + share[CONV_1X1] * small + share[CONV_3X3] * large + share[POOL] * pool
        means.append(jnp.stack([small_mean.ravel(), large_mean.ravel()]))
    return nodes[-1], jnp.stack(means)


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_output_statistics_and_gradients_equal_the_plain_sum(statistics):
    weight_of_output = normal(*IMAGES.shape)

    def ours(x, mixture, weights):
        y, used = mixed_cell(x, mixture, weights, RUNNING, statistics)
        return jnp.sum(weight_of_output * y), used.mean

    def expected(x, mixture, weights):
        y, mean = plain(x, mixture, weights, statistics)
        return jnp.sum(weight_of_output * y), mean

    results = [
        jax.jit(jax.value_and_grad(f, (0, 1, 2), has_aux=True))(IMAGES, MIXTURE, WEIGHTS) for f in (ours, expected)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3), *results)


def test_statistics_after_a_pointwise_convolution_without_it():
    kernel = normal(C, 7)
    found = ops.moments_after_pointwise(ops.pixel_moments(IMAGES), kernel)
    expected = ops.moments(ops.pointwise(IMAGES, kernel))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_a_mixture_of_one_operation_an_edge_is_that_candidate_with_the_same_weights():
    genome = jnp.array([3, 0, 2, 1, 4, 3], jnp.int32)
    shapes = jax.eval_shape(lambda key: Cell("branch", C).init(key, IMAGES, genome, "batch"), jax.random.key(0))
    variables = jax.tree.map(lambda s: 0.3 + 0.1 * normal(*s.shape), shapes)
    results = []
    for choose, architecture in (("mix", jax.nn.one_hot(genome, len(OPERATIONS))), ("branch", genome)):
        cell = Cell(choose, C)
        run = jax.jit(lambda v, a, cell=cell: cell.apply(v, IMAGES, a, "batch", mutable=["batch_stats"]))
        results.append(run(variables, architecture))
    (mixed, moved), (alone, of_candidate) = results
    np.testing.assert_allclose(mixed, alone, rtol=1e-3, atol=1e-3)
    ours, theirs = (stats["batch_stats"]["mean"] for stats in (moved, of_candidate))
    np.testing.assert_allclose(ours[0, 1], theirs[0, 1], rtol=1e-3, atol=1e-4)  # edge 0 is a 3x3 convolution
    before = variables["batch_stats"]["mean"]
    assert (ours != before).all()  # everything ran
    np.testing.assert_array_equal(theirs[1], before[1])


@pytest.mark.slow
def test_the_cells_of_a_stage_in_a_loop_are_cells_one_after_another():
    genome, sizes = (1, 0, 1, 4, 0, 3), {"channels": 2, "cells": 2}
    mixed, alone = CellNetwork(3, **sizes, choose="mix"), FixedNetwork(genome, 3, **sizes)
    images, mixture = normal(3, 4, 4, 1), jax.nn.one_hot(jnp.array(genome), len(OPERATIONS))
    shapes = jax.eval_shape(mixed.init, jax.random.key(0), images, mixture)
    variables = jax.tree.map(lambda s: 0.5 + 0.3 * normal(*s.shape), shapes)
    options = {"statistics": "batch", "mutable": ["batch_stats"]}
    logits, moved = jax.jit(lambda v: mixed.apply(v, images, mixture, **options))(variables)
    expected, theirs = jax.jit(lambda v: alone.apply(v, images, **options))(extract(variables, genome))
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)
    for name in ("stage2_cell0", "stage2_cell1"):  # edge 5, a 3x3 convolution
        ours = moved["batch_stats"][name]["mean"][5, 1]
        np.testing.assert_allclose(ours, theirs["batch_stats"][name]["norm_5"]["mean"], rtol=1e-3, atol=1e-3)
