"""The hand-written gradient of a cell against automatic differentiation of the cell written out plainly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcenas.nets.layers.operations import BATCH_NORM_EPSILON, Moments
from jcenas.nets.nasbench201.cell import CellWeights, branch_cell
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, EDGES, NONE, POOL, SKIP

C, RANDOM = 3, np.random.default_rng(0)
IMAGES = jnp.asarray(RANDOM.normal(size=(5, 4, 4, C)), jnp.float32)
WEIGHTS = CellWeights(
    *(
        jnp.asarray(RANDOM.normal(size=shape), jnp.float32)
        for shape in [(6, C, C), (6, 3, 3, C, C), (6, 2, C), (6, 2, C)]
    )
)
RUNNING = Moments(jnp.asarray(RANDOM.normal(size=(6, 2, C)), jnp.float32), jnp.full((6, 2, C), 0.7, jnp.float32))
GENOMES = np.array([[CONV_3X3, CONV_1X1, POOL, SKIP, CONV_3X3, NONE], [SKIP, POOL, CONV_1X1, NONE, POOL, CONV_3X3]])


def window_sum(x):
    return lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")


def plain_edge(x, choice, e, weights, statistics):
    if choice == NONE:
        return jnp.zeros_like(x)
    if choice == SKIP:
        return x
    if choice == POOL:
        return window_sum(x) / window_sum(jnp.ones_like(x))
    row = int(choice == CONV_3X3)
    kernel = weights.conv3x3[e] if row else weights.conv1x1[e][None, None]
    z = lax.conv_general_dilated(
        jnp.maximum(x, 0), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
    if statistics == "batch":
        mean, variance = jnp.mean(z, (0, 1, 2), keepdims=True), jnp.var(z, (0, 1, 2), keepdims=True)
    else:
        mean, variance = (part[e, row][None, None, None] for part in RUNNING)
    normal = (z - mean) / jnp.sqrt(variance + BATCH_NORM_EPSILON)
    return normal * weights.scale[e, row][None, None, None] + weights.bias[e, row][None, None, None]


def plain_cell(x, genome, weights, statistics):
    nodes = [x]
    for target in (1, 2, 3):
        edges = [(e, source) for e, (source, into) in enumerate(EDGES) if into == target]
        nodes.append(sum(plain_edge(nodes[source], genome[e], e, weights, statistics) for e, source in edges))
    return nodes[-1]


@pytest.mark.accelerator
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_output_and_gradients_equal_automatic_ones(statistics):
    weight_of_output = jnp.asarray(RANDOM.normal(size=IMAGES.shape), jnp.float32)

    @jax.jit
    def ours(x, genome, weights):
        def loss(x, w):
            return jnp.sum(weight_of_output * branch_cell(x, genome, w, RUNNING, statistics)[0])

        return jax.value_and_grad(loss, (0, 1))(x, weights)

    for genome in GENOMES:

        def loss(x, w, genome=genome):
            return jnp.sum(weight_of_output * plain_cell(x, genome, w, statistics))

        expected = jax.jit(jax.value_and_grad(loss, (0, 1)))(IMAGES, WEIGHTS)
        found = ours(IMAGES, jnp.asarray(genome, jnp.int32), WEIGHTS)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3), found, expected)
