"""Features by hand, learning a known law, calibration, the shipped file, and the published network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.spaces import nasbench101 as nb
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import published
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas import surrogate as es
from jcenas.tables.ecnas.features import work

C3, C1, MP = nb.OPERATIONS
PAIR = nb.make_cell([[0, 1], [0, 0]], ("input", "output"))
SMALL = es.FitConfig(members=2, hidden=4)


def chain(*operations):
    k = len(operations) + 2
    return nb.make_cell(np.eye(k, k=1, dtype=int), ("input", *operations, "output"))


def genomes(*cells):
    return jnp.asarray(np.stack([nb.encode(cell) for cell in cells]))


def test_features_by_hand():
    found = work(genomes(PAIR, chain(C3, MP)))
    counts = found.additive[:, :40].reshape(2, 8, 5)  # operations, projections, sums, cuts, shortcut, one; by share
    assert not counts[0].any()  # no vertex feeds the output, so no share
    assert counts[1, :, 0].tolist() == [1, 0, 1, 1, 0, 0, 0, 1]
    assert not counts[1, :, 1:].any()
    assert found.additive[1, -3:].tolist() == [1, 0, 1]
    assert bool(jnp.all(found.additive >= 0))
    assert found.additive.shape[1] == 46
    assert found.shape.shape[1] == 83


def test_features_count_cuts_between_unequal_vertices():
    # 1, 2 and 3 feed the output with 43, 43 and 42 of 128 channels; 85.3 of 256: 86, 85, 85; 171, 171, 170 of 512.
    graph = np.zeros((5, 5), int)
    graph[0, 1] = graph[0, 2] = graph[1, 3] = graph[1, 4] = graph[2, 4] = graph[3, 4] = 1
    counts = work(genomes(nb.make_cell(graph, ("input", C1, MP, C3, "output")))).additive[0, :40].reshape(8, 5)
    assert counts[5].tolist() == [0, 0, 1, 0, 0]  # the edge 1 -> 3 loses a channel in every stack
    assert counts[4].tolist() == [0, 0, 0, 0, 0]
    assert counts[3].tolist() == [0, 0, 2, 0, 0]


@pytest.fixture(scope="module")
def law():
    """Cells of at most five vertices and an energy that is a known function of them."""
    book = catalog(7)
    cells = book.genomes(jnp.arange(0, 2532, 4))
    found = work(cells)
    energy = 2 + 6 * found.additive[:, -3] + 2 * found.additive[:, -2] + found.additive[:, -1]
    return cells, energy * (1 + 0.02 * jax.random.normal(jax.random.key(0), energy.shape))


@pytest.fixture(scope="module")
def parts(law):
    """Rows to fit, to calibrate and to test."""
    order = jax.random.permutation(jax.random.key(1), len(law[0]))
    return order[:350], order[350:500], order[500:]


@pytest.fixture(scope="module")
def fitted(law, parts):
    cells, energy = law
    return es.fit(jax.random.key(2), cells[parts[0]], energy[parts[0]], SMALL)


@pytest.mark.slow
def test_learns_a_known_law_and_says_how_well(law, parts, fitted):
    (cells, energy), (_, hold, test), model = law, parts, fitted
    assert bool(jnp.all(jnp.isnan(model.quantiles)))
    model = es.calibrate(model, cells[hold], energy[hold])
    found = model.predict(cells[test])
    assert bool(jnp.all((found.energy_wh > 0) & (found.scale_wh > 0)))
    relative = jnp.abs(found.energy_wh / energy[test] - 1)
    assert float(jnp.mean(relative)) < 0.03  # the noise alone makes 0.016
    low, high = model.interval(cells[test], 0.9)
    covered = float(jnp.mean((low <= energy[test]) & (energy[test] <= high)))
    assert 0.8 < covered <= 1.0
    assert bool(jnp.all(jnp.diff(model.quantiles) >= 0))
    with pytest.raises(ValueError, match="level must be one of"):
        model.interval(cells[test], 0.99)
    with pytest.raises(ValueError, match="at least 19 cells"):
        es.calibrate(model, cells[:5], energy[:5])


def test_calibration_takes_the_right_rank():
    shipped = es.load()
    cells = genomes(*[chain(*[C3] * i) for i in range(1, 5)])[jnp.arange(39) % 4]
    found = shipped.predict(cells)
    offsets = jnp.arange(1, 40) / 10  # scores 0.1, 0.2, ..., 3.9
    model = es.calibrate(shipped, cells, found.energy_wh + offsets * found.scale_wh)
    np.testing.assert_allclose(model.quantiles, [2.0, 3.2, 3.6, 3.8], rtol=1e-3)  # ceil(40 level)


@pytest.mark.slow
def test_save_and_load(law, fitted, tmp_path):
    cells, _ = law
    es.save(fitted, tmp_path / "model.npz")
    again = es.load(tmp_path / "model.npz")
    jax.tree.map(np.testing.assert_array_equal, again.predict(cells[:8]), fitted.predict(cells[:8]))


def test_the_shipped_surrogate_is_sane_on_small_cells():
    book = catalog(7)
    model = es.load()
    energy = np.asarray(model.predict(book.genomes(jnp.arange(91))).energy_wh)
    assert energy.min() > 0
    assert energy.argmin() == 0  # the cell without an operation
    sizes = np.asarray(book.sizes[:91])
    assert energy[sizes == 2].mean() < energy[sizes == 3].mean() < energy[sizes == 4].mean()
    dear, middle, cheap, longer = np.asarray(
        model.predict(genomes(chain(C3), chain(C1), chain(MP), chain(C3, C3))).energy_wh
    )
    assert longer > dear > middle > cheap


def test_numbering_does_not_matter():
    a = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    pair = genomes(nb.make_cell(a, ("input", C1, MP, "output")), nb.make_cell(a, ("input", MP, C1, "output")))
    energy = es.load().predict(pair).energy_wh
    np.testing.assert_allclose(energy[0], energy[1], rtol=1e-6)


def test_published_inputs_by_hand():
    x = np.asarray(published.inputs(genomes(chain(C3, MP))))[0]
    matrix = np.zeros((7, 7))
    matrix[0, 1] = matrix[1, 2] = matrix[2, 3] = 1
    np.testing.assert_array_equal(x[:28], matrix[np.triu_indices(7)])
    assert x[28:35].tolist() == [1, 3, 4, 5, 0, 0, 0]
    assert x.shape == (36,)


@pytest.mark.slow
@pytest.mark.data
def test_published_weights_reproduce_their_figures(data, monkeypatch):
    from scipy.stats import kendalltau

    monkeypatch.setenv("JCENAS_DATA", str(data))
    cells, energy = ecnas_read.measured_7v()
    x = published.inputs(jnp.asarray(cells))
    params = published.load_params(data / "ec_nas" / "ecnas_7V_energy_surrogate_mlp_h128.npz")
    found = np.asarray(published.PublishedNet().apply(params, x))
    train, valid, test = published.published_split()
    assert sorted([*train, *valid, *test]) == list(range(4310))
    assert kendalltau(found[test], energy[test]).statistic == pytest.approx(0.9498, abs=2e-4)
    assert np.abs(found - energy)[test].mean() == pytest.approx(0.330, abs=1e-3)
    ours = np.asarray(es.load().predict(jnp.asarray(cells)).energy_wh)
    assert np.abs(ours - energy).mean() < 0.21
