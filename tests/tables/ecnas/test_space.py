"""Spaces over numbered cells: mutation stays in the table, searches find a known optimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import dataset as ecnas
from jcenas.tables.ecnas import search as ecnas_search
from jcenas.tables.ecnas import space as ecnas_space
from jcenas.tables.ecnas.dataset import EcNas
from jcenas.tables.ecnas.features import work


@pytest.fixture(scope="module")
def toy():
    """All 91 cells: energy is their parameters, error falls with their number of 3x3 convolutions."""
    book = catalog(4)
    found = work(book.genomes(jnp.arange(book.size)), 4)
    energy = found.additive[:, -6, None] * jnp.array([[4.0, 12.0, 36.0, 108.0]]) / 1e4
    error = 60 / (1 + found.additive[:, -3, None]) - jnp.array([[0.0, 5.0, 10.0, 15.0]])
    columns = {"energy_kwh": energy, "validation_accuracy": 100 - error}
    return EcNas(columns, jnp.zeros(91, jnp.int32), book, "4V", ecnas.DIRECT, ecnas.BUDGETS, True)


@pytest.mark.slow
def test_mutation_stays_inside_and_moves(toy, key):
    members = np.arange(0, 91, 3)
    space = ecnas_space.cell_space(toy.catalog, members)
    parents = space.sample(key, 200)
    children = jax.jit(jax.vmap(space.mutate))(jax.random.split(key, 200), parents)
    assert children.shape == (200, 1)
    assert children.dtype == jnp.int32
    assert bool(jnp.all((children >= 0) & (children < len(members)) & (children != parents)))
    features = space.features(children)
    assert float(features.min()) >= 0
    assert float(features.max()) <= 1
    with pytest.raises(InputError, match="no cell"):
        ecnas_space.cell_space(toy.catalog, np.array([], int))


@pytest.mark.slow
def test_mutation_is_local(key):
    """A child shares more with its parent than a cell drawn at random (two of six edges of 4V flip: not there)."""
    space = ecnas_space.cell_space(catalog(5))
    parents = space.sample(key, 300)
    children = jax.jit(jax.vmap(space.mutate))(jax.random.split(key, 300), parents)
    others = space.sample(jax.random.fold_in(key, 1), 300)

    def apart(a, b):
        return float(jnp.mean(jnp.abs(space.features(a) - space.features(b))))

    assert apart(parents, children) < 0.9 * apart(parents, others)


def test_search_space_of_known_cells(toy):
    holes = toy.columns["energy_kwh"].at[5:, :].set(jnp.nan).at[4, 2].set(jnp.nan)
    partial = toy.replace(columns=toy.columns | {"energy_kwh": holes})
    space = ecnas_space.search_space(partial, known_only=True)
    assert space.cardinalities == (5, 4)
    values = ecnas_space.evaluate(partial, space, jnp.array([[0, 0], [4, 1], [4, 2]]))
    assert jnp.isfinite(values).all(axis=1).tolist() == [True, True, False]
    assert ecnas_space.search_space(partial, known_only=False).cardinalities == (91, 4)


@pytest.mark.parametrize("method", ["random", "semoa"])
def test_searches_exhaust_a_small_table(toy, method):
    """With as many evaluations as there are points, everything is found, once."""
    space = ecnas_space.search_space(toy, known_only=True)
    run = ecnas_search.make_search(toy, space, method, evaluations=364, batch=26)
    found = run(jax.random.split(jax.random.key(0), 2))
    assert found.genomes.shape == (2, 364, 2)
    for genomes in np.asarray(found.genomes):
        assert len(np.unique(genomes, axis=0)) == 364


@pytest.mark.slow
def test_accuracy_alone_finds_the_best_accuracy(toy):
    space = ecnas_space.search_space(toy, known_only=True)
    run = ecnas_search.make_search(toy, space, "accuracy-only", evaluations=60)
    found = run(jax.random.split(jax.random.key(0), 4))
    best = 100 - float(jnp.max(toy.columns["validation_accuracy"]))
    assert np.median(np.asarray(found.objectives)[..., 1].min(axis=1)) == pytest.approx(best)


def test_bad_searches(toy):
    space = ecnas_space.search_space(toy, known_only=True)
    with pytest.raises(InputError, match=r"unknown optimizer 'magic'; .*lamoo.*; on EC-NAS also semoa-released"):
        ecnas_search.make_search(toy, space, "magic", evaluations=10)
    with pytest.raises(InputError, match="at least 1"):
        ecnas_search.make_search(toy, space, "semoa", evaluations=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sh-emoa", "ms-ehvi", "lamoo"])
def test_the_other_optimisers_run_and_beat_nothing(toy, method):
    space = ecnas_space.search_space(toy, known_only=True)
    batch = 1 if method == "sh-emoa" else 20
    found = ecnas_search.make_search(toy, space, method, evaluations=80, batch=batch)(
        jax.random.split(jax.random.key(0), 2)
    )
    assert bool(jnp.all(jnp.isfinite(found.objectives)))
    fewest = min(len(np.unique(genomes, axis=0)) for genomes in np.asarray(found.genomes))
    assert fewest >= 60  # all but SH-EMOA never propose twice
