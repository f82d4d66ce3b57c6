"""Graphs, hash, strings and the space by hand; the catalog against an exhaustive search for isomorphisms."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import nasbench101 as nb
from jcenas.spaces.nasbench101_catalog import catalog

C3, C1, MP = nb.OPERATIONS
CHAIN = nb.make_cell([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", C3, "output"))


def diamond(first, second):
    """Input feeds two vertices, both feed the output."""
    return nb.make_cell([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], ("input", first, second, "output"))


def test_strings_and_genomes_by_hand():
    assert nb.to_string(CHAIN) == "010001000:input,conv3x3-bn-relu,output"
    assert nb.encode(CHAIN, 4).tolist() == [1, 0, 0, 0, 1, 0, 0, 0]  # 0 -> 1 and 1 -> 3 of six edges, two labels
    assert nb.edges(4) == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    for cell in (CHAIN, diamond(C1, MP)):
        again = nb.from_string(nb.to_string(cell))
        np.testing.assert_array_equal(again.adjacency, cell.adjacency)
        assert again.operations == cell.operations
        back = nb.decode(nb.encode(cell, 7), 7)
        np.testing.assert_array_equal(back.adjacency, cell.adjacency)
        assert back.operations == cell.operations


def test_what_is_not_on_a_path_is_cut():
    # Vertex 1 leads nowhere, vertex 3 comes from nowhere.
    graph = np.zeros((5, 5), int)
    graph[0, 1] = graph[0, 2] = graph[2, 4] = graph[3, 4] = 1
    cell = nb.make_cell(graph, ("input", C1, C3, MP, "output"))
    np.testing.assert_array_equal(cell.adjacency, CHAIN.adjacency)
    assert cell.operations == CHAIN.operations


@pytest.mark.parametrize(
    ("graph", "labels", "message"),
    [
        ([[0, 1], [1, 0]], ("input", "output"), "upper-triangular, but has the edge 1 -> 0"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", "conv9x9", "output"), "'conv9x9' is not one of"),
        ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], ("input", C3, "output"), "no path"),
        ([[0, 1], [0, 0]], ("output", "input"), "first label must be 'input'"),
        ([[0, 1], [0, 0]], ("input", C3, "output"), "3 labels for 2 vertices"),
        ([[0, 2], [0, 0]], ("input", "output"), "only 0 and 1"),
        ([[0, 1, 0]], ("input", "output"), "square"),
        (np.triu(np.ones((6, 6), int), 1), ("input", C3, C3, C3, C3, "output"), "15 edges; the space has at most 9"),
        (np.eye(8, k=1, dtype=int), ("input", *[C3] * 6, "output"), "8 vertices; the space has at most 7"),
    ],
)
def test_a_bad_graph_is_refused_with_the_reason(graph, labels, message):
    with pytest.raises(InputError, match=message):
        nb.make_cell(graph, labels)


@pytest.mark.parametrize("text", ["", "0100:input,output:", "011:input,output", "01x0:input,output"])
def test_a_bad_string_is_refused(text):
    with pytest.raises(InputError):
        nb.from_string(text)


def test_hash_of_isomorphic_cells():
    assert nb.module_hash(diamond(C1, MP)) == nb.module_hash(diamond(MP, C1))
    others = [nb.module_hash(c) for c in (CHAIN, diamond(C1, C1), diamond(C1, MP), diamond(C3, MP))]
    assert len(set(others)) == 4


def isomorphic(a, b):
    """Exhaustive search over all numberings of the inner vertices."""
    k = len(a.operations)
    if k != len(b.operations):
        return False
    for inner in itertools.permutations(range(1, k - 1)):
        order = [0, *inner, k - 1]
        same = np.array_equal(a.adjacency[np.ix_(order, order)], b.adjacency)
        if same and tuple(a.operations[i] for i in order) == b.operations:
            return True
    return False


def test_catalog_of_four_vertices_is_the_whole_space_once():
    book = catalog(4)
    assert book.size == 91
    assert np.bincount(book.sizes).tolist() == [0, 0, 1, 6, 84]
    cells = [nb.decode(g, 4) for g in np.asarray(book.genomes(jnp.arange(91)))]
    assert not any(isomorphic(a, b) for a, b in itertools.combinations(cells, 2))
    assert len({nb.module_hash(cell) for cell in cells}) == 91
    genomes = np.indices((2,) * 6 + (3,) * 2).reshape(8, -1).T
    found = np.asarray(book.index(jnp.asarray(genomes)))
    valid = np.asarray(nb.NasBench101(vertices=4).valid(jnp.asarray(genomes)))
    np.testing.assert_array_equal(found >= 0, valid)
    for genome, number in zip(genomes[valid], found[valid], strict=True):
        assert isomorphic(nb.decode(genome, 4), cells[number])


@pytest.mark.parametrize(("vertices", "size"), [(3, 7), (5, 2532), (7, 423624)])
def test_sizes_and_representatives_are_their_own(vertices, size):
    book = catalog(vertices)
    assert book.size == size
    numbers = jnp.asarray(np.unique(np.linspace(0, size - 1, 5000).astype(int)))
    np.testing.assert_array_equal(book.index(book.genomes(numbers)), numbers)


def test_index_does_not_depend_on_the_numbering(key):
    book, space = catalog(7), nb.NasBench101()
    for genome in np.asarray(space.sample(key, 12)):
        cell = nb.decode(genome)
        k = len(cell.operations)
        numbers = set()
        for inner in itertools.permutations(range(1, k - 1)):
            order = [0, *inner, k - 1]
            matrix = cell.adjacency[np.ix_(order, order)]
            if not np.tril(matrix).any():
                other = nb.make_cell(matrix, [cell.operations[i] for i in order])
                numbers.add(int(book.index(jnp.asarray(nb.encode(other)))))
                assert nb.module_hash(other) == nb.module_hash(cell)
        assert len(numbers) == 1


def test_samples_are_valid_and_uniform(key):
    space = nb.NasBench101(vertices=4)
    genomes = jax.jit(space.sample, static_argnums=1)(key, 20000)
    assert genomes.dtype == jnp.int32
    assert bool(jnp.all(space.valid(genomes)))
    total = int(jnp.sum(space.valid(jnp.asarray(np.indices((2,) * 6 + (3,) * 2).reshape(8, -1).T))))
    counts = np.unique(np.asarray(genomes), axis=0, return_counts=True)[1]
    assert len(counts) == total
    mean = 20000 / total
    assert np.sum((counts - mean) ** 2) / mean < total + 5 * np.sqrt(2 * total)  # chi square


def test_mutation_is_the_published_one(key):
    space = nb.NasBench101()
    sample = jax.jit(space.sample, static_argnums=1)
    genome = sample(key, 1)[0]
    tried = np.asarray(jax.jit(space.mutations, static_argnums=2)(key, genome, 4000)) != np.asarray(genome)
    np.testing.assert_allclose(tried[:, :21].sum(1).mean(), 2.0, atol=0.1)
    np.testing.assert_allclose(tried[:, 21:].sum(1).mean(), 0.5, atol=0.06)
    parents = sample(key, 300)
    children = jax.jit(jax.vmap(space.mutate))(jax.random.split(key, 300), parents)
    assert bool(jnp.all(space.valid(children)))
    assert bool(jnp.all(jnp.any(children != parents, axis=1)))


def test_features_see_the_pruned_cell_only():
    space = nb.NasBench101(vertices=4)
    used = nb.encode(CHAIN, 4)
    hanging = used.copy()
    hanging[1], hanging[7] = 1, 2  # an edge to a vertex that leads nowhere, and its label
    features = space.features(jnp.asarray(np.stack([used, hanging])))
    np.testing.assert_array_equal(features[0], features[1])
    assert features.shape == (2, 6 + 6)
    with pytest.raises(InputError, match="at least 3"):
        nb.NasBench101(vertices=2)
    with pytest.raises(InputError, match="3 vertices"):
        nb.encode(CHAIN, 2)


@pytest.mark.data
@pytest.mark.parametrize("space", ["4V", "5V"])
def test_hashes_and_representatives_of_the_benchmark(data, space):
    import pandas as pd

    name = f"ecnas_{space}9E_4epochs_raw.csv.gz"
    frame = pd.read_csv(data / "ec_nas" / name, dtype={"adjacency": str}).query("repeat == 1")
    cells = [nb.from_string(f"{a}:{o}") for a, o in zip(frame["adjacency"], frame["ops"], strict=True)]
    assert [nb.module_hash(cell) for cell in cells] == frame["hash"].tolist()
    vertices = int(space[0])
    book = catalog(vertices)
    genomes = np.stack([nb.encode(cell, vertices) for cell in cells])
    numbers = book.index(jnp.asarray(genomes))
    np.testing.assert_array_equal(jnp.sort(numbers), jnp.arange(book.size))
    np.testing.assert_array_equal(book.genomes(numbers), genomes)  # the benchmark keeps the same representatives


@pytest.mark.parametrize(("entry", "value"), [(7, 7), (0, -1), (0, 2), (6, 99)])
def test_a_genome_outside_the_frame_is_no_cell(entry, value):
    genome = nb.encode(diamond(C1, MP), 4)
    assert catalog(4).index(jnp.asarray(genome)) >= 0
    genome[entry] = value
    assert catalog(4).index(jnp.asarray(genome)) == -1
    assert not nb.NasBench101(vertices=4).valid(jnp.asarray(genome))
    with pytest.raises(InputError, match=f"entry {entry} of genome .* is {value}; it must be from 0 to"):
        nb.decode(genome, 4)
    with pytest.raises(InputError, match=r"a genome of 4 vertices has shape \(8,\), got \(7,\)"):
        nb.decode(genome[:7], 4)
