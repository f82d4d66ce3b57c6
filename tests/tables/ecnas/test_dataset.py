"""Queries, masks, campaigns and fronts on a table made by hand; the prepared tables against the published ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import nasbench101 as nb
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import dataset as ecnas
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas.dataset import DIRECT, SAMPLED, EcNas

C3, C1, MP = nb.OPERATIONS
CHAIN = "010001000:input,conv3x3-bn-relu,output"


def table(columns=None, campaign=DIRECT, name="4V", scaling=False):
    """The seven cells of at most three vertices; cell 0 has no inner vertex, cell 1 a 3x3 convolution."""
    book = catalog(3)
    unknown = np.full((7, 4), np.nan)
    energy, accuracy = unknown.copy(), unknown.copy()
    energy[:, 0] = [1, 2, 3, 4, 5, 6, 7]
    accuracy[:] = np.array([50, 60, 55, 70, 70, 80, 65])[:, None] + np.array([0, 1, 2, 3])
    if scaling:
        energy = ecnas.scaled({"energy_kwh": energy})["energy_kwh"]
    columns = columns or {"energy_kwh": energy, "validation_accuracy": accuracy}
    return EcNas(
        columns={k: jnp.asarray(v, jnp.float32) for k, v in columns.items()},
        parameters=jnp.arange(7, dtype=jnp.int32) + 100,
        catalog=book,
        name=name,
        campaign=campaign,
        budgets=ecnas.BUDGETS,
        linear_scaling=scaling,
    )


def test_queries_by_hand():
    bench = table()
    number = bench.number(CHAIN)
    assert bench.query(CHAIN, 4, "energy_kwh") == number + 1
    assert bench.query(CHAIN, 36, "validation_accuracy") == bench.query(CHAIN, 4, "validation_accuracy") + 2
    assert bench.query(CHAIN, metric="parameters") == 100 + number
    assert set(bench.query(CHAIN, 108)) == {"parameters", "validation_accuracy"}
    ways = [nb.from_string(CHAIN), ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", C3, "output"))]
    assert {bench.number(way) for way in ways} == {number}
    assert nb.to_string(bench.cell(number)) == CHAIN
    scaled = table(scaling=True)
    assert [scaled.query(CHAIN, b, "energy_kwh") / (number + 1) for b in ecnas.BUDGETS] == [1, 3, 9, 27]


def test_isomorphic_graphs_have_one_entry():
    bench = ecnas_like_5v()
    a = ([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], ("input", C1, MP, "output"))
    b = ([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], ("input", MP, C1, "output"))
    assert bench.number(a) == bench.number(b)


def ecnas_like_5v():
    book = catalog(5)
    known = jnp.zeros((book.size, 4)).at[:, 0].set(jnp.arange(book.size))
    columns = {"energy_kwh": known}
    return EcNas(columns, jnp.zeros(book.size, jnp.int32), book, "5V", DIRECT, ecnas.BUDGETS, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CHAIN, 5), "no budget of 5 epochs; it has 4, 12, 36, 108"),
        ((CHAIN, 108, "energy_kwh"), "no energy_kwh at 108 epochs: .* known at 4 epochs; load .* linear_scaling=True"),
        ((CHAIN, 4, "energy"), "no metric 'energy'; it has energy_kwh, validation_accuracy"),
        (("0110:input,output", 4), "upper-triangular"),
        (("0000:input,output", 4), "no path"),
        ((np.zeros(4, int), 4), "no path"),
    ],
)
def test_bad_queries_say_why(arguments, message):
    with pytest.raises(InputError, match=message):
        table().query(*arguments)


def test_batched_queries_mask_what_is_not_there():
    bench = table()
    index = jnp.array([0, 6, -1, 7, 2, 2, 2])
    budget = jnp.array([0, 0, 0, 0, 1, 4, -1])
    values, valid = ecnas.batched(bench, "energy_kwh", index, budget)
    assert valid.tolist() == [True, True, False, False, False, False, False]
    assert values[:2].tolist() == [1, 7]
    assert bool(jnp.all(jnp.isnan(values[2:])))
    genomes = jnp.stack([bench.catalog.genomes(jnp.array(3)), jnp.zeros(4, jnp.int32)])
    answer = jax.jit(bench.lookup, static_argnums=0)("energy_kwh", genomes, jnp.zeros(2, jnp.int32))
    assert answer.valid.tolist() == [True, False]
    assert float(answer.values[0]) == 4
    objectives = bench.objectives(jnp.array([0, 0, -1]), jnp.array([0, 1, 0]))
    np.testing.assert_array_equal(objectives, [[1, 50], [np.nan, np.nan], [np.nan, np.nan]])


def test_batched_queries_compile_once():
    bench = table()
    traces = 0

    @jax.jit
    def ask(bench, index, budget):
        nonlocal traces
        traces += 1
        return bench.at("energy_kwh", index, budget)

    for shift in range(3):
        ask(bench, jnp.arange(4) + shift, jnp.zeros(4, jnp.int32))
    assert traces == 1


def test_front_by_hand_and_campaigns_apart():
    found = ecnas.front(table())
    assert found.energy_kwh.tolist() == [1, 2, 4, 6]
    assert found.validation_accuracy.tolist() == [50, 60, 70, 80]
    assert found.epochs.tolist() == [4] * 4
    both = ecnas.front(table(), table())
    assert sorted(set(both.table.tolist())) == [0, 1]  # equal points do not dominate one another
    with pytest.raises(InputError, match=r"different campaigns .* take the front of each"):
        ecnas.front(table(), table(campaign=SAMPLED, name="7V"))


def test_unknown_spaces_and_options(tmp_path, monkeypatch):
    for options, message in (
        ({"space": "6V"}, "no EC-NAS space '6V'"),
        ({"space": "4V", "repeat": 4}, "repeat must be"),
        ({"space": "7V", "energy": "guess"}, "energy must be"),
    ):
        with pytest.raises(InputError, match=message):
            ecnas_read.load(**options)
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path))
    with pytest.raises(InputError, match="jcenas data"):
        ecnas_read.load("4V")


@pytest.mark.data
def test_the_published_tables(data, monkeypatch):
    import pandas as pd

    monkeypatch.setenv("JCENAS_DATA", str(data))
    names = {"val_acc": "validation_accuracy", "test_acc": "test_accuracy", "train_time_s": "train_time_s"}
    names |= {"energy_kWh": "energy_kwh", "co2eq_g": "co2_g"}
    for space, rows in (("4V", 364), ("5V", 4772)):
        bench = ecnas_read.load(space, linear_scaling=True)
        assert bench.size == {"4V": 91, "5V": 2532}[space]
        published = pd.read_csv(data / "ec_nas" / f"ecnas_{space}9E_linscale_from_runs.csv.gz")
        raw = pd.read_csv(data / "ec_nas" / f"ecnas_{space}9E_4epochs_raw.csv.gz", dtype={"adjacency": str})
        graphs = raw.drop_duplicates("hash").set_index("hash")[["adjacency", "ops"]]
        joined = published.join(graphs, on="hash")
        assert len(joined) == rows
        index = jnp.asarray(ecnas_read.numbers(bench.catalog, joined))
        budget = jnp.asarray(np.searchsorted(ecnas.BUDGETS, joined["epochs"]))
        for column, metric in names.items():
            np.testing.assert_allclose(bench.at(metric, index, budget).values, joined[column], rtol=2e-6)
        np.testing.assert_array_equal(bench.parameters[index], joined["trainable_params"])
    assert "own_validation_accuracy" in bench.columns
    with pytest.raises(InputError, match="linear_scaling"):
        ecnas_read.load("4V").query(CHAIN, 108, "energy_kwh")
    mean = ecnas_read.load("4V", repeat=None).query(CHAIN, 4, "energy_kwh")
    each = [ecnas_read.load("4V", repeat=r).query(CHAIN, 4, "energy_kwh") for r in (1, 2, 3)]
    assert mean == pytest.approx(np.mean(each), rel=1e-6)
