"""Kernels and their products ask for full precision: on accelerators the default makes them indefinite."""

import jax
import jax.numpy as jnp
import pytest

from jcenas.proxies import learning_curve, predictor
from jcenas.proxies.jacobian_covariance import score_of
from jcenas.proxies.predictor import PredictorConfig

CONFIG, ROWS, VALUES, MASK = PredictorConfig(members=2), jnp.zeros((9, 3)), jnp.zeros(9), jnp.ones(9, bool)


def ensemble(rows):
    fitted = predictor.fit(jax.random.key(0), CONFIG, rows, VALUES, MASK)
    return predictor.predict(CONFIG, fitted, rows)


def curves(rows):
    return learning_curve.predict(learning_curve.fit(rows, VALUES, MASK, ridge=1e-3), rows)


@pytest.mark.parametrize("function", [ensemble, curves, score_of])
def test_every_matrix_product_asks_for_full_precision(function):
    program = str(jax.make_jaxpr(function)(ROWS))
    products = program.count("dot_general[")
    assert products > 0
    assert program.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == products
