import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jcenas.errors import InputError
from jcenas.spaces import NasBench201
from jcenas.spaces.nasbench201 import PATHS
from jcenas.tables import macro
from jcenas.tables.grid import Grid, Listed
from jcenas.tables.names import check_table, load_table
from jcenas.tables.table import Table
from jcenas.tables.toy import toy, toy_frame


def grid_frame():
    """A 2 x 3 grid in disorder; column x is 10 a + b."""
    rows = [(1, 2), (0, 0), (1, 0), (0, 2), (0, 1), (1, 1)]
    return pd.DataFrame({"a": [a for a, _ in rows], "b": [b for _, b in rows], "x": [10.0 * a + b for a, b in rows]})


def test_grid_by_hand():
    table = Table.from_frame(grid_frame(), genome=["a", "b"])
    assert table.space == Grid((2, 3))
    np.testing.assert_array_equal(table.columns["x"], [0, 1, 2, 10, 11, 12])
    queries = jnp.array([[1, 0], [0, 2], [2, 0], [0, -1]])
    np.testing.assert_array_equal(jax.jit(table.rows)(queries), [3, 2, -1, -1])
    np.testing.assert_array_equal(table.rows(table.genomes), np.arange(6))


def test_list_of_genomes_by_hand():
    frame = pd.DataFrame({"arch": ["020", "100", "011"], "x": [1.0, 2.0, 3.0]})
    table = Table.from_frame(frame, genome="arch")
    assert isinstance(table.space, Listed)
    np.testing.assert_array_equal(table.columns["x"], [3, 1, 2])  # sorted: 011, 020, 100
    np.testing.assert_array_equal(table.rows(jnp.array([[0, 2, 0], [0, 0, 0]])), [1, -1])


def test_a_mutation_of_a_list_goes_to_one_of_the_nearest(key):
    # 16 that differ in one variable, 5 that differ in two: only the 16 are neighbours.
    near = np.eye(16, 16, dtype=np.int32)
    far = np.roll(near[:5], 1, axis=1) + near[:5]
    space = Listed(np.concatenate([far, near, np.zeros((1, 16), np.int32)]))
    changed = jax.vmap(space.mutate, (0, None))(jax.random.split(key, 400), jnp.zeros(16, jnp.int32))
    np.testing.assert_array_equal(np.unique(changed, axis=0), np.unique(near, axis=0))


def test_rows_of_a_list_are_those_of_a_dictionary():
    rng = np.random.default_rng(0)
    most = np.array([3, 1, 700, 2, 400_000])  # more than one digit of a look-up has
    genomes = np.unique(rng.integers(0, most, (3000, 5)), axis=0).astype(np.int32)
    rng.shuffle(genomes)
    space, places = Listed(genomes), {tuple(g): i for i, g in enumerate(genomes.tolist())}
    odd = genomes[:50] + rng.choice([-1, 1, 512, -512, 2**18], (50, 5))
    asked = np.concatenate([genomes, rng.integers(-2, most + 2, (500, 5)), odd]).astype(np.int32)
    wanted = [places.get(tuple(g), -1) for g in asked.tolist()]
    assert wanted.count(-1) > 400
    np.testing.assert_array_equal(jax.jit(space.rows)(asked), wanted)


def test_some_of_a_space():
    frame = pd.DataFrame({"ops": ["000001", "314444"], "x": [1.0, 2.0]})
    space = Table.from_frame(frame, genome="ops", space=NasBench201()).space
    assert isinstance(space, Listed)
    assert space.of == NasBench201()


def test_neighbours_that_are_looked_up_are_those_that_are_computed(rng, monkeypatch):
    genomes = np.unique(rng.integers(0, (2, 3, 5, 2), (50, 4)).astype(np.int32), axis=0)
    assert len(genomes) > 30
    keys = jax.random.split(jax.random.key(0), len(genomes))
    found = []
    for longest in (20_000, 1):  # of a list whose neighbours are looked up; blocks of 7 rows
        monkeypatch.setattr("jcenas.tables.grid._LONG", longest)
        monkeypatch.setattr("jcenas.tables.grid._BLOCK", 7)
        space = Listed(genomes)
        assert (space._near is None) == (longest == 1)
        found.append(jax.jit(jax.vmap(space.mutate))(keys, jnp.asarray(genomes)))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("space", [Grid((2, 1, 3)), Listed(np.array([[0, 1], [2, 2], [1, 1], [2, 0]], np.int32))])
def test_spaces_follow_the_contract(space, key):
    genomes = jax.jit(space.sample, static_argnums=1)(key, 60)
    assert (genomes.shape, genomes.dtype) == ((60, len(space.cardinalities)), jnp.int32)
    assert len(np.unique(genomes, axis=0)) == (6 if isinstance(space, Grid) else 4)  # 60 draws meet all of them
    changed = jax.jit(jax.vmap(space.mutate))(jax.random.split(key, 60), genomes)
    assert np.any(np.asarray(changed) != np.asarray(genomes), axis=1).all()
    changed = np.asarray(changed)
    assert ((changed >= 0) & (changed < np.array(space.cardinalities))).all()
    if isinstance(space, Listed):
        assert space.valid(changed).all()
        assert not space.valid(jnp.array([[0, 0]]))[0]
    features = space.features(genomes)
    assert features.dtype == jnp.float32
    assert 0 <= features.min() <= features.max() <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="b"), "has no column 'b'; its columns are a, x"),
        (lambda f: f.iloc[:0], "has no rows"),
        (lambda f: f.assign(a=f["a"] - 1), "must hold integers from 0"),
        (lambda f: f.assign(a=f["a"] + 0.5), "must hold integers from 0"),
        (lambda f: f.assign(a="z"), "must hold integers from 0"),
        (lambda f: pd.concat([f, f.iloc[:1]]), r"genome \[1, 2\] comes twice"),
        (lambda f: f.assign(y="text"), "column 'y' is not numeric"),
    ],
)
def test_bad_frames(change, message):
    with pytest.raises(InputError, match=message):
        Table.from_frame(change(grid_frame()), genome=["a", "b"])


def test_bad_digits_and_spaces():
    with pytest.raises(InputError, match="digit strings of one length"):
        Table.from_frame(pd.DataFrame({"arch": ["01", "2"], "x": [1.0, 2.0]}), genome="arch")
    with pytest.raises(InputError, match="genomes of 2 variables are not of the space given, which has 6"):
        Table.from_frame(grid_frame(), genome=["a", "b"], space=NasBench201())


def test_missing_values_and_unknown_columns_are_named():
    frame = grid_frame().assign(cost=[1.0, np.nan, 3, 4, np.inf, 6])
    table = Table.from_frame(frame, genome=["a", "b"], name="mine")
    with pytest.raises(InputError, match=r"table mine: column 'cost' is missing for 2 of 6 .*complete columns are x"):
        table.objectives(("x", "cost"))
    with pytest.raises(InputError, match="table mine has no column 'y'; its columns are cost, x"):
        table.column("y")


def test_toy_by_hand():
    frame = toy_frame().set_index("ops")
    # All 3x3: a = 6, run 3, four paths: capacity 6 + 0.75 + 0.48 = 7.23.
    best = frame.loc["333333"]
    assert abs(best["error"] - (4 + 50 * np.exp(-0.95 * 7.23))) <= 0.6
    assert (best["energy_mj"], best["train_seconds"]) == (46.0, 5700.0)
    # 3x3 -> none -> ... : only the direct edge is alive, with a skip; capacity 0.12 + 0.
    dead, skip = frame.loc["300000"], frame.loc["000100"]
    assert (dead["error"], dead["energy_mj"], dead["train_seconds"]) == (90.0, 1.0, 1700.0)
    assert abs(skip["error"] - (4 + 50 * np.exp(-0.95 * 0.12))) <= 0.6
    assert {len(path) for path in PATHS} == {1, 2, 3}


def test_toy_has_what_a_search_needs():
    table = toy()
    error, cost = np.asarray(table.objectives(("error", "energy_mj"))).T
    assert table.size == 15625
    assert dict(table.notes)["error"].startswith("analytic, not measured")
    assert np.corrcoef(error, cost)[0, 1] < 0  # what is good costs more
    top = error < np.quantile(error, 0.1)
    ranks = pd.DataFrame({"real": error, "guess": np.asarray(table.column("oneshot_error"))})
    assert 0.4 < ranks.corr("spearman").iloc[0, 1] < 0.9
    assert abs(ranks[top].corr("spearman").iloc[0, 1]) < 0.25  # like a supernet: no order among good cells


def test_names():
    assert load_table("toy").name == "toy"
    with pytest.raises(InputError, match="unknown table 'nasbench20'; did you mean 'nasbench201'"):
        check_table("nasbench20")


# Measured tables; facts from the papers and from the data's own notes.


@pytest.fixture(scope="module")
def nasbench201():
    from jcenas.tables.measured import nasbench201

    return nasbench201("cifar10")


@pytest.mark.data
def test_nasbench201(nasbench201, data):
    error = np.asarray(nasbench201.column("error"))
    np.testing.assert_allclose(100 - error.min(), 94.3733, atol=1e-3)  # the published optimum
    row = int(nasbench201.rows(jnp.array([[4, 2, 1, 2, 1, 1]]))[0])  # cell 0 of the benchmark
    np.testing.assert_allclose(100 - error[row], 85.8633, atol=1e-3)
    np.testing.assert_allclose(nasbench201.column("fpga_energy_mj")[row], 18.01072, rtol=1e-5)
    np.testing.assert_allclose(nasbench201.column("oneshot_error")[row], 100 - 16.26, rtol=1e-5)
    np.testing.assert_allclose(nasbench201.column("train_seconds")[row], 200 * 14.442186, rtol=1e-5)
    assert dict(nasbench201.notes)["edge_gpu_energy_mj"].startswith("MODELLED")
    released = np.asarray(nasbench201.column("released_error"))
    assert np.mean(released - error > 20) == pytest.approx(7664 / 15625, abs=0.03)  # about half is deflated


@pytest.mark.data
def test_other_data_sets(data):
    from jcenas.tables.measured import nasbench201

    for name, best in (("cifar100", 73.5133), ("imagenet16", 47.3111)):
        table = nasbench201(name)
        np.testing.assert_allclose(100 - float(table.column("error").min()), best, atol=1e-3)
        assert "oneshot_error" not in table.columns
    with pytest.raises(InputError, match="no data set 'svhn'; it has cifar10"):
        nasbench201("svhn")


@pytest.mark.data
def test_raspberry_pi_5(data):
    pytest.importorskip("pyarrow")
    from jcenas.tables.measured import nasbench201

    energy = np.asarray(nasbench201("cifar100", raspberry_pi=True).column("raspberry_pi_5_energy_mj"))
    np.testing.assert_allclose([energy.min(), energy.max()], [1.52, 28.15], atol=0.01)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "size", "best"),
    [("nas-bench-macro", 6561, 93.127), ("accel-nasbench", 5138, None), ("darts-1000", 1000, 86.61)],
)
def test_other_tables(name, size, best, data):
    table, entry = load_table(name), check_table(name)
    assert size * 0.98 <= table.size <= size  # copies of one genome count once
    objectives = np.asarray(table.objectives(("error", entry.cost)))
    assert (objectives < np.array(entry.reference)).all(axis=1).mean() > 0.5
    assert float(table.column("train_seconds").min()) > 50
    np.testing.assert_array_equal(table.rows(table.genomes[:50]), np.arange(50))
    if best is not None:
        np.testing.assert_allclose(100 - float(table.column("error").min()), best, atol=0.01)


def test_an_architecture_trained_twice_has_its_mean():
    frame = pd.DataFrame({"a": [1, 0, 1], "b": [0, 1, 0], "error": [10.0, 5.0, 20.0], "ms": [1.0, 2.0, 1.0]})
    table = macro._table(frame, ["a", "b"], "twins", {"error": "measured"})
    np.testing.assert_array_equal(table.genomes, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(table.column("error"), [5, 15])
    assert dict(table.notes)["copies"] == "3 rows are of 2 architectures; the mean of those of one counts"
