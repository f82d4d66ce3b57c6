import numpy as np
import pytest

from jcenas.carbon import process


def test_transitions_are_stationary():
    a, spread = process.transitions()
    kept = a @ a.transpose(0, 2, 1) + spread @ spread.transpose(0, 2, 1)
    np.testing.assert_allclose(kept, np.broadcast_to(np.eye(2), kept.shape), atol=1e-12)
    assert (np.abs(np.linalg.eigvals(a)) < 1).all()


def test_powers_of_the_transition_give_the_autocovariance():
    # With identity covariance, the autocovariance of the first component at lag l is (A^l)[0, 0].
    a, _ = process.transitions()
    lags = np.array([0, 1, 2, 24, 168])
    powers = np.stack([np.stack([np.linalg.matrix_power(one, lag)[0, 0] for one in a]) for lag in lags])
    np.testing.assert_allclose(process.autocovariance(lags, volatility=0.0), powers, rtol=1e-10, atol=1e-10)


def test_volatility_by_hand():
    # s = 1 at 24 h: exp(-(1 - 1/e)) times the calm value, and the slow parts stay.
    calm, wild = (process.autocovariance(np.array([24.0]), s)[0] for s in (0.0, 1.0))
    factor = np.exp(-(1 - np.exp(-1)))
    np.testing.assert_allclose(wild / calm, np.where(process.IS_VOLATILE, factor, 1.0))
    assert process.IS_VOLATILE.sum() == process.N_PARTS - 4
    assert calm[0] == pytest.approx(25 * np.exp(-24))  # Matérn-3/2 of 1 h
