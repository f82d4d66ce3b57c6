"""Spaces where not every combination of choices is allowed: whatever proposes keeps to what is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import (
    Budgeted,
    LamooConfig,
    ShEmoaConfig,
    SurrogateConfig,
    bayesian,
    candidates,
    history,
    lamoo,
    nsga2,
    random_search,
    semoa,
    sh_emoa,
)
from jcenas.moo.types import is_valid
from jcenas.spaces import NasBench101, NasBench201
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.spaces.nasbench201 import all_cells, connected
from jcenas.tables.ecnas.space import cell_space
from jcenas.tables.grid import Listed

SMALLEST = NasBench101(vertices=3)  # 15 of 24 genomes are cells: four with the direct edge, one without, three labels
SPACES = {
    "nasbench101-3": SMALLEST,
    "nasbench101-7": NasBench101(),
    "nasbench201": NasBench201(connected_only=True),
    "listed": Listed(all_cells()[::977]),
    "ec-nas": cell_space(catalog(4), np.arange(0, 91, 3)),
    "budgeted": Budgeted(space=SMALLEST, budgets=(1.0, 3.0)),
}
SIZES = {"capacity": 40, "batch": 4, "reference": (2.0, 20.0)}
SMALL = SurrogateConfig(covariance="categorical", pool=16, draws=2, fit_steps=2, fit_points=8)
OPTIMIZERS = {
    "random": lambda space: random_search(space, capacity=40, batch=4),
    "nsga2": lambda space: nsga2(space, capacity=40, batch=4, population=4),
    "semoa": lambda space: semoa(space, initial=4, **SIZES),
    "qehvi": lambda space: bayesian(space, SMALL, initial=4, **SIZES),
    "lamoo": lambda space: lamoo(space, LamooConfig(initial=4, leaf_size=2, height=1), **SIZES),
    "lamoo ehvi": lambda space: lamoo(
        space, LamooConfig(initial=4, height=1, sampler="ehvi", surrogate=SMALL), **SIZES
    ),
    "lamoo cmaes": lambda space: lamoo(space, LamooConfig(initial=4, height=1, sampler="cmaes", draws=16), **SIZES),
    "sh-emoa": lambda space: sh_emoa(space, (1.0, 2.0), ShEmoaConfig(population=2, mutations=1), **SIZES),
}


def proposals(optimizer, key, steps):
    """Genomes (steps, 4, d) of a search for genomes of a small sum and a small reciprocal of it."""

    def step(state, key):
        state, genomes = optimizer.ask(key, state)
        total = jnp.sum(genomes, axis=1).astype(jnp.float32)
        return optimizer.tell(state, genomes, jnp.stack([1 / (1 + total), total], axis=1)), genomes

    @jax.jit  # the beginning too, which is else a program for each of its operations
    def search(key):
        first, rest = jax.random.split(key)
        return jax.lax.scan(step, optimizer.init(first), jax.random.split(rest, steps))[1]

    return search(key)


def slow_ones(names, *slow):
    """Parameters of which some are marked slow."""
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in names]


@pytest.mark.parametrize("name", SPACES)
def test_samples_and_long_walks_stay_inside(name, key):
    space, walks = SPACES[name], 64
    genomes = jax.jit(space.sample, static_argnums=1)(key, walks)
    valid = jax.jit(functools.partial(is_valid, space))
    assert jnp.all(valid(genomes))
    mutate = jax.jit(jax.vmap(space.mutate))
    for i in range(20):
        moved = mutate(jax.random.split(jax.random.fold_in(key, i), walks), genomes)
        assert jnp.all(valid(moved))
        assert np.all(np.any(np.asarray(moved != genomes), axis=1))
        genomes = moved


@pytest.mark.parametrize("name", slow_ones(["nasbench201", "budgeted", "listed"], "listed"))
def test_evolution_stays_inside(name, key):
    """Of the spaces whose mutation is their own, as of NAS-Bench-101's cells, the walks above tell as much."""
    found = proposals(OPTIMIZERS["nsga2"](SPACES[name]), key, 9)
    assert jnp.all(is_valid(SPACES[name], found.reshape(36, -1)))


@pytest.mark.parametrize("name", slow_ones(OPTIMIZERS, "lamoo ehvi", "lamoo cmaes", "qehvi", "sh-emoa"))
def test_every_optimiser_proposes_all_that_is_valid_and_nothing_else(name, key):
    found = np.asarray(proposals(OPTIMIZERS[name](SMALLEST), key, 9))[..., :4].reshape(36, 4)
    assert np.all(SMALLEST.valid(jnp.asarray(found)))
    if name != "sh-emoa":  # which evaluates some of them at both budgets
        assert len(np.unique(found, axis=0)) == 15


def test_what_remains_when_little_is_left_is_a_genome(key):
    # 14 of 15 cells are seen: eight draws are the last one, then known ones, never a row of -1.
    valid = jax.jit(SMALLEST.valid)
    cells = np.indices(SMALLEST.cardinalities).reshape(4, -1).T
    cells = cells[np.asarray(valid(cells))].astype(np.int32)
    state = jax.jit(lambda seen: history.propose(history.empty(20, 4, 2), seen))(cells[:-1])
    for source in (candidates.from_table, candidates.from_draws):
        draw = source(SMALLEST, lambda genomes: genomes)
        drawn = jax.jit(lambda k, s, draw=draw: draw(k, s, 20, candidates.everywhere))(key, state)
        assert jnp.all(valid(drawn))
        np.testing.assert_array_equal(drawn[0], cells[-1])


def test_connected_cells_are_drawn_evenly_and_reached_from_a_cut_one(key):
    space = SPACES["nasbench201"]
    cells = jax.random.choice(key, jnp.asarray(all_cells()), (2000,))
    share = float(jnp.mean(connected(cells)))
    # Among connected cells the first path, one edge, is there in 0.8 / share of them.
    drawn = space.sample(key, 4000)
    assert abs(float(jnp.mean(drawn[:, 3] != 0)) - 0.8 / share) < 0.05
    assert connected(space.mutate(key, jnp.zeros(6, jnp.int32)))


def test_a_list_is_enumerated_however_large_its_grid(key):
    # 40 of 2**26 genomes; drawing 4,000 of them until all differ would never end, and took minutes for a search.
    members = np.random.default_rng(0).permutation(np.eye(40, 26, dtype=np.int32) + np.arange(40)[:, None] % 2)[:26]
    space = Listed(np.unique(members, axis=0).astype(np.int32))
    assert candidates.is_table(space)
    state = history.propose(history.empty(20, 26, 2), jnp.asarray(space.genomes[:3]))
    drawn = candidates.source(space)(key, state, 4000, candidates.everywhere)
    assert np.all(space.valid(drawn))
    unseen = len(space.genomes) - 3
    first = np.unique(space.rows(drawn[:unseen]))
    np.testing.assert_array_equal(first, np.arange(3, len(space.genomes)))


def test_a_space_without_a_valid_genome_is_refused():
    class Nothing:
        cardinalities = (2, 2)
        valid = staticmethod(lambda genomes: jnp.zeros(genomes.shape[:-1], bool))

    with pytest.raises(ValueError, match="calls none of its 4 genomes valid"):
        candidates.source(Nothing())
