"""Attainment, effects of operations and the price of a table, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.ecnas.analysis import attainment, cost_of_making, swaps
from jcenas.spaces.nasbench101_catalog import catalog
from jcenas.tables.ecnas import dataset as ecnas


def test_median_attainment_by_hand():
    runs = [
        np.array([[1.0, 9.0], [3.0, 2.0]]),
        np.array([[2.0, 5.0], [np.nan, 0.0]]),
        np.array([[1.0, 7.0], [4.0, 8.0]]),
    ]
    grid = np.array([0.5, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(attainment(runs, grid), [np.inf, 9, 7, 5])
    np.testing.assert_array_equal(attainment(runs, grid, 1.0), [np.inf, np.inf, 9, 7])


def test_swaps_and_price_by_hand():
    book = catalog(3)  # no inner vertex; then conv3x3, conv1x1, maxpool, without and with a shortcut
    one = np.array([1.0, 10, 5, 2, 10, 5, 2])[:, None] * np.array([1.0, 3, 9, 27])
    columns = {name: jnp.asarray(one, jnp.float32) for name in ("energy_kwh", "train_time_s", "co2_g")}
    columns["validation_accuracy"] = jnp.asarray(80 + one / one[:, :1] + one[:, :1], jnp.float32)
    columns |= dict.fromkeys(("total_time_s", "total_energy_kwh", "total_co2_g"), columns["energy_kwh"] * 2)
    table = ecnas.EcNas(columns, jnp.asarray(one[:, 0], jnp.int32), book, "3V", ecnas.DIRECT, ecnas.BUDGETS, True)
    found = swaps(table)
    assert [s.pairs for s in found] == [2, 2, 2]
    np.testing.assert_allclose([s.energy for s in found], [-0.5, -0.8, -0.6], rtol=1e-6)
    np.testing.assert_allclose([s.accuracy for s in found], [-5, -8, -3], rtol=1e-5)
    done, whole = cost_of_making(table)
    assert (done.trainings, whole.trainings) == (7, 28)
    assert done.energy_kwh == pytest.approx(2 * 35)
    assert whole.energy_kwh == pytest.approx(40 * 35)
    assert whole.emissions_kg == pytest.approx(1.4)
