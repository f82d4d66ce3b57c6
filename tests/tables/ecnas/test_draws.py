"""The released random search: what its draws describe, how many of them are cells, and that a sequence is balanced."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.spaces.nasbench101 import encode, from_string
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import draws as ecnas_draws
from jcenas.tables.ecnas import search as ecnas_search
from jcenas.tables.ecnas import space as ecnas_space
from jcenas.tables.ecnas.dataset import BUDGETS, DIRECT, EcNas

# Choices of 4V: two labels, switches 01 02 03 12 13 23, budget, large, whole.
BY_HAND = {
    (0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0): "0100:input,output",  # 2 vertices: the first switch is their edge
    (0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1): None,  # 2 vertices, but the first switch is off
    (0, 1, 0, 0, 1, 1, 1, 1, 2, 1, 0): "0100:input,output",  # one edge, which happens to join the ends
    (0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0): None,  # one edge, 0 -> 1
    (0, 2, 1, 0, 1, 0, 1, 1, 3, 1, 1): "011001000:input,conv3x3-bn-relu,output",  # vertex 2 hangs in the air
    (1, 2, 1, 0, 0, 1, 0, 1, 3, 1, 1): "0100001000010000:input,conv1x1-bn-relu,maxpool3x3,output",
}


def points_of(values):
    return (jnp.asarray(values, jnp.float32) + 0.5) / jnp.asarray(ecnas_draws.choices(4), jnp.float32)[None, :]


def test_draws_by_hand():
    book = catalog(4)
    genomes, budget, allowed = ecnas_draws.decode(points_of(list(BY_HAND)), 4)
    assert budget.tolist() == [values[-3] for values in BY_HAND]
    assert allowed.all()
    for number, text in zip(np.asarray(book.index(genomes)), BY_HAND.values(), strict=True):
        if text is None:
            assert number == -1
        else:
            assert number == int(book.index(jnp.asarray(encode(from_string(text), 4))))


def test_nine_edges_count_before_pruning():
    values = np.zeros(len(ecnas_draws.choices(7)), int)
    values[-2:] = 1
    points = []
    for edges in (9, 10):  # row by row: all six of the input, then those of vertex 1
        values[5 : 5 + 21] = np.arange(21) < edges
        points.append((values + 0.5) / ecnas_draws.choices(7))
    genomes, _, allowed = ecnas_draws.decode(jnp.asarray(np.stack(points), jnp.float32), 7)
    assert allowed.tolist() == [True, False]
    assert genomes[:, :21].sum(axis=1).tolist() == [9, 10]


def test_share_of_cells_is_that_of_the_published_runs():
    """All choices of 4V once: 1/4 with two vertices, 1/32 with one edge, and 47/64 of a quarter; published 46.46 %."""
    switches = np.array(list(itertools.product((0, 1), repeat=8)))
    values = np.concatenate(
        [np.zeros((256, 2), int), switches[:, :6], np.zeros((256, 1), int), switches[:, 6:]], axis=1
    )
    genomes, _, _ = ecnas_draws.decode(points_of(values), 4)
    share = float(jnp.mean(catalog(4).index(genomes) >= 0))
    assert share == pytest.approx(1 / 4 + 1 / 32 + 47 / 256)
    assert share == pytest.approx(1 - 5354 / 10000, abs=3 * 0.005)


def test_a_sequence_is_balanced_and_draws_repeat(key):
    """Every choice of 2 or 4 takes each value equally often in the first 2^k points of a Sobol sequence."""
    points = ecnas_draws.sobol(key, 256, 11)
    assert points.shape == (256, 11)
    assert float(points.max()) < 1
    for column, kinds in zip(np.asarray(points).T, ecnas_draws.choices(4), strict=True):
        if kinds != 3:
            assert np.bincount((column * kinds).astype(int)).tolist() == [256 // kinds] * kinds
    assert not jnp.array_equal(points, ecnas_draws.sobol(jax.random.fold_in(key, 1), 256, 11))
    np.testing.assert_array_equal(points[:100], ecnas_draws.sobol(key, 100, 11))


@pytest.mark.parametrize("method", ["random-released", "random-sobol"])
def test_searches_count_what_is_no_cell(method):
    book = catalog(4)
    ones = jnp.ones((book.size, len(BUDGETS)))
    columns = {"energy_kwh": ones * (1.0 + jnp.arange(4))[None, :], "validation_accuracy": 90 * ones}
    table = EcNas(columns, jnp.zeros(book.size, jnp.int32), book, "4V", DIRECT, BUDGETS, True)
    space = ecnas_space.search_space(table, known_only=False)
    found = ecnas_search.make_search(table, space, method, evaluations=1000)(jax.random.split(jax.random.key(0), 3))
    assert found.genomes.shape == found.objectives.shape == (3, 1000, 2)
    there = found.genomes[..., 0] >= 0
    np.testing.assert_array_equal(there, jnp.isfinite(found.objectives).all(axis=-1))
    np.testing.assert_allclose(jnp.mean(there, axis=1), 0.4648, atol=4 * 0.0158)
    np.testing.assert_array_equal(found.objectives[..., 0][there], found.genomes[..., 1][there] + 1.0)
    assert bool(jnp.all(found.objectives[..., 1][there] == 10))
    assert len(np.unique(found.genomes[0][there[0]], axis=0)) < 364
