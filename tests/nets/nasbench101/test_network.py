"""A cell by hand from XLA's convolutions, and the published parameters of what is built."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets.layers.operations import BATCH_NORM_EPSILON
from jcenas.nets.nasbench101 import cost as counts
from jcenas.nets.nasbench101.network import Network101
from jcenas.spaces import nasbench101 as nb

C3, C1, MP = nb.OPERATIONS
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(3, 8, 8, 3)), jnp.float32)


def genome(matrix, *labels, vertices=7):
    return tuple(nb.encode(nb.make_cell(matrix, ("input", *labels, "output")), vertices).tolist())


def network(cell, **options):
    return Network101(cell, 4, **{"channels": 5, "stacks": 1, "cells": 1} | options)


def filled(module, images=IMAGES):
    shapes = jax.eval_shape(module.init, jax.random.key(0), images)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda s: jnp.asarray(0.1 + 0.3 * rng.random(s.shape), s.dtype), shapes)


def conv_norm(x, p, b):
    kernel = p["kernel"] if p["kernel"].ndim == 4 else p["kernel"][None, None]
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    mean, variance = (b["norm"][part][None, None, None] for part in ("mean", "variance"))
    scale, bias = (p["norm"][part][None, None, None] for part in ("scale", "bias"))
    return jax.nn.relu((y - mean) / jnp.sqrt(variance + BATCH_NORM_EPSILON) * scale + bias)


def test_a_cell_by_hand():
    # 1 (3x3) feeds 2 and the output, 2 (pool) and 3 (1x1, reads input and 1) feed it too; the input goes there as well.
    matrix = [[0, 1, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0] * 5]
    module = network(genome(matrix, C3, MP, C1))
    v = filled(module)

    def apply(name, x, where="stack0_cell0"):
        p, b = v["params"], v["batch_stats"]
        return conv_norm(x, *((p[where][name], b[where][name]) if where else (p[name], b[name])))

    x = apply("stem", IMAGES, None)
    # Three vertices share 5 channels: 2, 2 and 1; so vertex 3 takes the first channel of vertex 1.
    one = apply("vertex1", apply("input1", x))
    two = jax.lax.reduce_window(one, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    three = apply("vertex3", apply("input3", x) + one[..., :1])
    assert one.shape[-1] == 2
    assert three.shape[-1] == 1
    y = jnp.concatenate([one, two, three], -1) + apply("shortcut", x)
    dense = v["params"]["classifier"]
    logits = y.mean((1, 2)) @ dense["kernel"] + dense["bias"][None]
    np.testing.assert_allclose(module.apply(v, IMAGES), logits, rtol=1e-5)


def test_stacks_halve_by_a_maximum_and_double_the_channels():
    direct = genome([[0, 1], [0, 0]])
    module = network(direct, stacks=2)
    v = filled(module)
    p, b = v["params"], v["batch_stats"]
    x = conv_norm(IMAGES, p["stem"], b["stem"])
    x = conv_norm(x, p["stack0_cell0"]["shortcut"], b["stack0_cell0"]["shortcut"])
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = conv_norm(x, p["stack1_cell0"]["shortcut"], b["stack1_cell0"]["shortcut"])
    assert x.shape == (3, 4, 4, 10)
    logits = x.mean((1, 2)) @ p["classifier"]["kernel"] + p["classifier"]["bias"][None]
    np.testing.assert_allclose(module.apply(v, IMAGES), logits, rtol=1e-5)


def test_unused_vertices_change_nothing():
    used = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    hanging = list(genome(used, C3, vertices=4))
    plain = network(tuple(hanging), vertices=4)
    hanging[1], hanging[7] = 1, 2  # an edge from the input to a vertex that leads nowhere, and its label
    v = filled(plain)
    np.testing.assert_array_equal(
        network(tuple(hanging), vertices=4).apply(v, IMAGES), network(genome(used, C3)).apply(v, IMAGES)
    )


def test_it_trains():
    """A hundred steps on six images: the loss falls to a third."""
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    module = network(genome(matrix, C3, MP), channels=8)
    images, labels = jnp.concatenate([IMAGES, 2 - IMAGES]), jnp.arange(6) % 4
    v = filled(module, images)
    rng = np.random.default_rng(2)
    v["params"] = jax.tree.map(
        lambda p: jnp.asarray(rng.normal(size=p.shape) / 4 + (p.ndim == 1), p.dtype), v["params"]
    )

    @jax.jit
    def step(params, batch_stats):
        def loss(params):
            variables = {"params": params, "batch_stats": batch_stats}
            logits, updated = module.apply(variables, images, statistics="batch", mutable=["batch_stats"])
            return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(6), labels]), updated["batch_stats"]

        (value, batch_stats_now), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient), batch_stats_now, value

    params, batch_stats, losses = v["params"], v["batch_stats"], []
    for _ in range(100):
        params, batch_stats, value = step(params, batch_stats)
        losses.append(float(value))
    assert losses[-1] < losses[0] / 3


def test_a_bad_genome_or_image_is_refused():
    with pytest.raises(InputError, match="no path"):
        network((0,) * 26).init(jax.random.key(0), IMAGES)
    with pytest.raises(InputError, match=r"multiples of 4, not \(3, 6, 6, 3\)"):
        network(genome([[0, 1], [0, 0]]), stacks=3).init(jax.random.key(0), IMAGES[:, :6, :6])


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "vertices"), [("4V9E_4epochs_raw", 4), ("5V9E_4epochs_raw", 5), ("7V_4epochs_energy_measured", 7)]
)
def test_what_is_built_has_the_parameters_of_the_benchmark(data, name, vertices):
    import pandas as pd

    frame = pd.read_csv(data / "ec_nas" / f"ecnas_{name}.csv.gz", dtype={"adjacency": str})
    frame = frame.drop_duplicates(["adjacency", "ops"]).sample(5, random_state=0)
    for row in frame.itertuples():
        cell = nb.from_string(f"{row.adjacency}:{row.ops}")
        encoded = nb.encode(cell, vertices)
        module = Network101(tuple(encoded.tolist()), 10, vertices=vertices)
        shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
        built = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        assert built == row.trainable_params == int(counts.parameters(encoded, vertices))
