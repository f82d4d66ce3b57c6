import numpy as np
import pytest

from experiments.forecast import fit_typical_year, typical_year_held_out, typical_year_match
from jcenas.carbon import process


def test_cell_means_by_hand():
    cells = (np.array([0, 0, 1, 1, 0]), np.array([0, 1, 0, 1, 0]))
    means = fit_typical_year.cell_means(np.array([1.0, 2, 3, 4, 5]), cells, (2, 2))
    np.testing.assert_array_equal(means, [[3, 2], [3, 4]])


def test_autocorrelation_by_hand():
    # Centred: -1.5, -0.5, 0.5, 1.5; products at lag 1: 0.75 - 0.25 + 0.75 = 1.25 of 5.
    np.testing.assert_allclose(fit_typical_year.autocorrelation(np.array([1.0, 2, 3, 4]), 2), [1, 0.25, -0.3])


def test_daily_range_by_hand():
    days = np.concatenate((np.arange(24.0), np.full(24, 7.0), [999.0]))  # the odd end does not count
    assert fit_typical_year.daily_range(days) == 11.5


@pytest.mark.parametrize("volatility", [0.0, 0.9])
def test_weights_of_a_known_process_are_found(volatility):
    truth = np.zeros(process.N_PARTS)
    truth[[1, 8, 12, 18]] = [0.4, 0.3, 0.2, 0.1]
    target = process.autocovariance(np.arange(fit_typical_year.MAX_LAG + 1), volatility) @ truth
    found = fit_typical_year.part_weights(target, volatility)
    assert found.min() >= 0
    np.testing.assert_allclose(
        process.autocovariance(np.arange(400), volatility) @ found,
        process.autocovariance(np.arange(400), volatility) @ truth,
        atol=0.01,
    )


@pytest.mark.data
def test_smoke_of_the_match(capsys, monkeypatch):
    monkeypatch.setattr(typical_year_match, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    typical_year_match.main(smoke=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:22].strip() for line in lines] == list(typical_year_match.NAMES)


@pytest.mark.slow
@pytest.mark.data
def test_smoke_of_the_held_out_year(capsys, monkeypatch):
    monkeypatch.setattr(typical_year_held_out, "record", lambda *_, **__: pytest.fail("a smoke run records nothing"))
    typical_year_held_out.main(smoke=True)
    assert len(capsys.readouterr().out.splitlines()) == len(typical_year_match.NAMES)
