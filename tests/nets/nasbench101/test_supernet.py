"""One program for every cell: the same logits, gradients and statistics as a network of its own, and nothing more."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets import Network101, Supernet101
from jcenas.nets.nasbench101.supernet import extract, start_alone
from jcenas.spaces import nasbench101 as nb

pytestmark = pytest.mark.usefixtures("optimised")

VERTICES = 6
C3, C1, MP = nb.OPERATIONS
MACRO: dict[str, Any] = {"vertices": VERTICES, "channels": 7, "stacks": 2, "cells": 1}
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4, 4, 3)), jnp.float32)
SPACE = nb.NasBench101(vertices=VERTICES)


def genome(edges, *labels):
    matrix = np.zeros((len(labels) + 2,) * 2, int)
    for edge in edges:
        matrix[edge] = 1
    return nb.encode(nb.make_cell(matrix, ("input", *labels, "output")), VERTICES)


CELLS = {
    "the shortcut alone": genome([(0, 1)]),
    # Seven channels for three vertices: 3, 2 and 2; the first one feeds the others, which take its first channels.
    "unequal widths": genome([(0, 1), (1, 2), (0, 2), (1, 3), (1, 4), (2, 4), (3, 4)], C3, MP, C1),
    # Vertex 1 does not feed the output: it is as wide as the widest vertex that it feeds.
    "narrow to wide": genome([(0, 1), (1, 2), (2, 3), (1, 4), (2, 5), (3, 5), (4, 5), (0, 5)], C1, C3, C3, MP),
}
UNUSED = CELLS["unequal widths"].copy()
UNUSED[nb.edges(VERTICES).index((0, 4))] = 1  # an edge to a vertex that leads nowhere


def network(choose="branch"):
    return Supernet101(4, choose=choose, **MACRO)


@functools.cache
def alone(cell):
    return Network101(cell, 4, **MACRO)


@pytest.fixture(scope="module")
def variables():
    """Weights and statistics that differ from their initial values, so that every one of them matters."""
    shapes = jax.eval_shape(network().init, jax.random.key(0), IMAGES, SPACE.sample(jax.random.key(0), 1)[0])
    rng = np.random.default_rng(1)

    def fill(path, s):
        drawn = 0.5 * rng.normal(size=s.shape) if path[-1].key == "kernel" else 0.3 + 0.3 * rng.random(s.shape)
        return drawn.astype(s.dtype)  # of NumPy, as all that `extract` takes: no program for each of its slices

    return jax.tree.map_with_path(fill, shapes)


def training(module, v, cell, statistics):
    """(logits, new statistics) and the gradient of one batch."""

    def loss(params):
        now = {"params": params, "batch_stats": v["batch_stats"]}
        logits, updated = module.apply(now, IMAGES, cell, statistics=statistics, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(logits)), (logits, updated["batch_stats"])

    return jax.grad(loss, has_aux=True)(v["params"])[::-1]


@functools.cache
def program(choose, statistics):
    """A training step of every cell as one executable, and how often it was traced."""
    traced = []

    def run(v, cell):
        traced.append(cell)
        return training(network(choose), v, cell, statistics)

    return jax.jit(run), traced


def close(a, b, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), a, b)


def check_equal(variables, choose, cell, statistics):
    (logits, stats), gradient = program(choose, statistics)[0](variables, cell)
    module, own = alone(tuple(cell.tolist())), extract(network(), variables, cell)
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(
        jnp.shape, dict(jax.eval_shape(module.init, jax.random.key(0), IMAGES))
    )
    (expected, own_stats), own_gradient = jax.jit(lambda v: training(module, v, None, statistics))(own)
    taken = extract(network(), jax.device_get({"params": gradient, "batch_stats": stats}), cell)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    close(taken["batch_stats"], own_stats, rtol=1e-5, atol=1e-6)
    close(taken["params"], own_gradient, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("statistics", ["running", "batch"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_it_equals_the_network_of_the_cell(variables, cell, statistics):
    check_equal(variables, "branch", cell, statistics)


@pytest.mark.slow
@pytest.mark.parametrize("cell", np.asarray(SPACE.sample(jax.random.key(2), 3)), ids=str)
def test_it_equals_the_network_of_a_random_cell(variables, cell):
    check_equal(variables, "branch", cell, "batch")


@pytest.mark.slow
@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_branch_and_blend_agree(variables, statistics):
    for cell in (*CELLS.values(), *SPACE.sample(jax.random.key(3), 4)):
        branch, blend = (program(choose, statistics)[0](variables, cell) for choose in ("branch", "blend"))
        close(branch, blend, rtol=1e-2, atol=1e-3)
        np.testing.assert_allclose(branch[0][0], blend[0][0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("choose", ["branch", pytest.param("blend", marks=pytest.mark.slow)])
def test_what_a_cell_does_not_have_has_no_influence_and_no_gradient(variables, choose):
    run, _ = program(choose, "batch")
    leaves, structure = jax.tree.flatten(variables)
    ends = np.cumsum([leaf.size for leaf in leaves])
    numbers = [np.arange(end - leaf.size, end).reshape(leaf.shape) for end, leaf in zip(ends, leaves, strict=True)]
    for cell in CELLS.values():
        own = jax.tree.leaves(extract(network(), jax.tree.unflatten(structure, numbers), cell))
        has = jax.tree.unflatten(structure, [np.isin(n, np.concatenate([o.ravel() for o in own])) for n in numbers])
        other = jax.tree.map(lambda a, has: np.where(has, a, 100 - a), variables, has)
        (logits, stats), gradient = run(variables, cell)
        (same, _), same_gradient = run(other, cell)
        np.testing.assert_array_equal(logits, same)
        stats, gradient, same_gradient = jax.device_get((stats, gradient, same_gradient))
        close(gradient, same_gradient, rtol=0)
        jax.tree.map(lambda g, has: np.testing.assert_array_equal(g[~has], 0), gradient, has["params"])
        moved = jax.tree.map(lambda a, b: a != b, stats, variables["batch_stats"])
        jax.tree.map(np.testing.assert_array_equal, moved, has["batch_stats"])


def test_one_program_serves_every_cell_and_unconnected_vertices_change_nothing(variables):
    run, traced = program("branch", "batch")
    for cell in SPACE.sample(jax.random.key(4), 3):
        (logits, _), _ = run(variables, cell)
        assert np.isfinite(logits).all()
    assert len(traced) == 1
    jax.tree.map(np.testing.assert_array_equal, run(variables, UNUSED), run(variables, CELLS["unequal widths"]))


def test_many_cells_side_by_side(variables):
    module = network("blend")
    apply = jax.jit(lambda cell: module.apply(variables, IMAGES, cell))
    cells = jnp.asarray(np.stack(list(CELLS.values())))
    np.testing.assert_allclose(jax.jit(jax.vmap(apply))(cells), jnp.stack([apply(c) for c in cells]), rtol=1e-4)


def test_it_starts_as_he_et_al_say():
    module = Supernet101(4, vertices=4, channels=24, stacks=1, cells=1)
    v = jax.device_get(jax.jit(module.init)(jax.random.key(0), IMAGES, CELLS["the shortcut alone"][:8]))
    cell = v["params"]["stack0_cell0"]
    for name, inputs in (("conv3x3", 9 * 24), ("conv1x1", 24), ("project", 24)):
        np.testing.assert_allclose(np.std(cell[name]["kernel"]), (2 / inputs) ** 0.5, rtol=0.1)
        assert (cell[name]["scale"] == 1).all()


@pytest.mark.slow
def test_a_cell_alone_starts_with_the_weights_of_its_network():
    module = Supernet101(4, **MACRO | {"channels": 40})
    v = jax.jit(module.init)(jax.random.key(0), IMAGES, UNUSED)
    params = jax.jit(functools.partial(start_alone, module))(v["params"], CELLS["unequal widths"])
    v, params = jax.device_get((v, params))
    cell = extract(module, v | {"params": params}, CELLS["unequal widths"])["params"]["stack1_cell0"]
    for name, shape in (("vertex1", (3, 3, 27, 27)), ("vertex3", (26, 26)), ("input1", (40, 27))):
        kernel = cell[name]["kernel"]
        assert kernel.shape == shape
        np.testing.assert_allclose(np.std(kernel), (2 / np.prod(shape[:-1])) ** 0.5, rtol=0.1)
    jax.tree.map(np.testing.assert_array_equal, params["classifier"], v["params"]["classifier"])


def test_images_that_cannot_be_halved_are_refused(variables):
    with pytest.raises(InputError, match="multiples of 2") as caught:
        network().apply(variables, IMAGES[:, :3], CELLS["unequal widths"])
    assert str(caught.value) == "images must be (B, H, W, C) with H and W multiples of 2, not (6, 3, 4, 3)"


def test_a_genome_of_another_frame_or_without_a_path_is_refused(variables):
    with pytest.raises(AssertionError, match="genome"):
        network().apply(variables, IMAGES, CELLS["unequal widths"][:-1])
    with pytest.raises(InputError, match="no path"):
        extract(network(), variables, np.zeros_like(UNUSED))
