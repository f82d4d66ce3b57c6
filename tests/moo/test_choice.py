"""Acquisition values that are no numbers, and the precision of what they come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.engine import process
from jcenas.engine.candidates import Inputs
from jcenas.moo import Box, LamooConfig, SurrogateConfig, SvmConfig, bayesian, choice, lamoo, surrogate

VALUES = np.array([np.nan, 3.0, -np.inf, 5.0, np.nan, 4.0], np.float32)
REFERENCE = (2.0, 2.0)


def test_nan_never_wins_by_hand():
    allowed = np.array([True, True, True, False, True, True])
    assert choice.best(VALUES, allowed) == 5
    assert choice.best(VALUES, np.array([False, False, True, False, False, False])) == 2
    # First the numbers by size, then NaN and -inf by place, then what is not allowed.
    np.testing.assert_array_equal(choice.best_rows(VALUES, allowed, 6), [5, 1, 0, 2, 4, 3])


def float_products(jaxpr):
    """The matrix products of floats in a program and all its parts."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general" and jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.floating):
            yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from float_products(inner)


def ask_of(optimizer):
    key = jax.random.key(0)
    return jax.make_jaxpr(optimizer.ask)(key, optimizer.init(key))


def inputs_of(n):
    return Inputs(jnp.zeros((n, 1)), jnp.zeros((n, 2)))


def said_by_process(known, errors, mask, asked):
    made = process.condition(known, errors, mask)
    return process.predict(made, asked), process.leave_one_out(made)


SIZES = {"capacity": 40, "batch": 2, "reference": REFERENCE}
PROGRAMS = {
    "bayesian": lambda: ask_of(bayesian(Box(variables=2), **SIZES)),
    "lamoo ehvi": lambda: ask_of(lamoo(Box(variables=2), LamooConfig(sampler="ehvi"), **SIZES)),
    "lamoo rbf": lambda: ask_of(lamoo(Box(variables=2), LamooConfig(svm=SvmConfig(kernel="rbf")), **SIZES)),
    "lamoo cmaes": lambda: ask_of(lamoo(Box(variables=2), LamooConfig(sampler="cmaes"), **SIZES)),
    "predictor": lambda: jax.make_jaxpr(said_by_process)(inputs_of(9), jnp.ones(9), jnp.ones(9, bool), inputs_of(4)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_matrix_product_asks_for_full_precision(name):
    # On accelerators the default is ten bits of mantissa, which makes covariances indefinite.
    products = list(float_products(PROGRAMS[name]().jaxpr))
    assert products
    full = (jax.lax.Precision.HIGHEST,) * 2
    assert [p.source_info.traceback for p in products if p.params["precision"] != full] == []


@pytest.mark.slow
def test_a_broken_model_does_not_lead_the_choice(key, monkeypatch):
    # Draws of every candidate but two are NaN: a search that took the largest would propose the first of them.
    pool, good = 16, [5, 11]

    def broken(key, config, processes, queries, exact):
        draws = jnp.full((config.draws, queries.shape[0], 2), jnp.nan)
        return draws.at[:, jnp.array(good)].set(jnp.array([[0.5, 0.9], [0.9, 0.5]]))

    monkeypatch.setattr(surrogate, "posterior_draws", broken)
    config = SurrogateConfig(covariance="matern", pool=pool, draws=2, fit_steps=0)
    samples = surrogate.Samples(jnp.zeros((4, 1)), jnp.ones((4, 2)), jnp.ones(4, bool))
    candidates = surrogate.Pool(jnp.zeros((pool, 1)), jnp.ones(pool, bool), [None, None])
    picks = surrogate.choose(key, config, samples, pool=candidates, reference=jnp.array(REFERENCE), b=2)
    assert sorted(np.asarray(picks).tolist()) == good
