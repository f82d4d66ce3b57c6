import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, SurrogateConfig, bayesian, ms_ehvi, surrogate

REFERENCE = np.array([2.0, 2.0], np.float32)
SMALL = SurrogateConfig(covariance="matern", pool=48, draws=8, fit_steps=2, fit_points=8, front=8)


def test_known_objectives_enter_every_draw_as_they_are(key):
    inputs = jnp.array([[0.0], [0.5], [1.0]])
    objectives = jnp.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    queries, known = jnp.array([[0.25], [0.75]]), jnp.array([7.0, 8.0])
    draws = surrogate.draw(key, SMALL, inputs, objectives, jnp.ones(3, bool), queries, [None, known])
    assert draws.shape == (8, 2, 2)
    np.testing.assert_array_equal(draws[:, :, 1], np.tile(known, (8, 1)))
    assert np.std(np.asarray(draws[:, 0, 0])) > 0


def test_a_known_cost_rules_out_what_costs_too_much(key):
    # Everything that was seen is cheap, so a model of the cost knows nothing of the cliff at the last third of x.
    box = Box(variables=1, levels=61)

    def cost(genomes):
        return jnp.where(genomes[:, 0] >= 40, 5.0, 0.5).astype(jnp.float32)  # 5 is beyond the reference

    genomes = jnp.arange(0, 40, 4, dtype=jnp.int32)[:, None]
    error = 1.5 - box.features(genomes)  # falls with x, so that x = 1 looks best
    values = jnp.concatenate([error, cost(genomes)[:, None]], axis=1)
    sizes = {"capacity": 20, "batch": 1, "reference": REFERENCE}
    proposed = {}
    for name, optimizer in {
        "mixed": ms_ehvi(box, (None, cost), SMALL, **sizes),
        "modelled": bayesian(box, SMALL, **sizes),
    }.items():
        state = optimizer.tell(optimizer.init(key), genomes, values)
        proposed[name] = np.asarray(jax.jit(optimizer.ask)(key, state)[1])[:, 0]
    assert proposed["mixed"].max() < 40
    assert proposed["modelled"].max() >= 40


def test_bad_settings_are_named():
    sizes = {"capacity": 4, "batch": 1, "reference": REFERENCE}
    with pytest.raises(ValueError, match="known has no function among its 2 entries"):
        ms_ehvi(Box(variables=1), (None, None), **sizes)
    with pytest.raises(ValueError, match=r"each of the 2 objectives of reference \(2,\).* got 1"):
        ms_ehvi(Box(variables=1), (lambda g: g[:, 0],), **sizes)
    with pytest.raises(ValueError, match="reference must be finite"):
        bayesian(Box(variables=1), capacity=4, batch=1, reference=[[1.0]])
