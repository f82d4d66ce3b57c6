"""The training loop: it learns a known series, is deterministic, resumes, compiles once, and ignores the future."""

import dataclasses
import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast import features, fit, windows
from jcenas.carbon.forecast.losses import mape_by_day, point_log
from jcenas.carbon.forecast.training import ForecastTraining, _drop_inputs, make_trainer
from jcenas.errors import InputError

# The recipe of conftest, which pytest imports by path.
SMALL_STEPS = ForecastTraining(steps=4, chunk_steps=2, batch_size=8)


@pytest.fixture(scope="module")
def network():
    from jcenas.carbon.forecast.network import ForecastNetwork

    return ForecastNetwork(zones=1, width=16, layers=1, heads=2)


@pytest.mark.slow
def test_learns_a_seasonal_series_and_its_wind(toy, trained, network):
    table, span = toy
    begin = span.start + datetime.timedelta(days=120)
    test = windows.cut(table, jnp.asarray(windows.origins(span, begin, None, every_h=7)))
    apply = jax.jit(jax.vmap(lambda *w: network.apply({"params": trained}, *w)))
    errors = mape_by_day(jnp.exp(point_log(apply(*test[:3]))), test.target)
    persistence = mape_by_day(jnp.tile(test.history[:, -24:, features.INTENSITY], (1, 4)), test.target)
    assert (errors < 0.7 * persistence).all(), (errors, persistence)
    blind = test.known.at[..., features.FUTURE_WEATHER].set(jnp.nan)
    without = mape_by_day(jnp.exp(point_log(apply(test.history, blind, test.zone))), test.target)
    assert (errors < 0.9 * without).all(), (errors, without)


@pytest.mark.slow
def test_the_future_changes_nothing(toy, network):
    """Training up to a border gives the same parameters whatever comes after it."""
    table, span = toy
    border = span.start + datetime.timedelta(days=60)
    rows = windows.origins(span, None, border)
    after = span.first + 60 * 24
    other = table.replace(history=table.history.at[after:].set(1.0), known=table.known.at[after:].set(5.0))
    first, second = (fit.train(jax.random.key(0), network, SMALL_STEPS, t, rows) for t in (table, other))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_same_key_same_parameters_and_every_chunk_is_reported(toy, network):
    table, span = toy
    rows = windows.origins(span, None, None)
    reports = []

    def report(done, steps, loss):
        reports.append((done, steps))

    first = fit.train(jax.random.key(3), network, SMALL_STEPS, table, rows)
    again = fit.train(jax.random.key(3), network, SMALL_STEPS, table, rows, progress=report)
    assert reports == [(2, 4), (4, 4)]
    jax.tree.map(np.testing.assert_array_equal, first, again)


@pytest.mark.slow
def test_compiles_once_and_keeps_types(toy, network):
    table, span = toy
    trainer = make_trainer(network, SMALL_STEPS)
    traces = []

    def chunk(state, table, rows):
        traces.append(1)
        return trainer.chunk(state, table, rows)

    jitted = jax.jit(chunk, donate_argnums=0)
    rows = jnp.asarray(windows.origins(span, None, None))
    state = jax.jit(trainer.init)(jax.random.key(0))
    types = jax.tree.map(jax.typeof, state)
    for _ in range(2):
        state, losses = jitted(state, table, rows)
        assert jax.tree.map(jax.typeof, state) == types
    assert len(traces) == 1
    assert losses.shape == (2,)
    assert int(state.step) == 4


@pytest.mark.parametrize("what", ["mix", "weather", "zone"])
def test_dropped_inputs_are_unknown_and_nothing_else_is(toy, key, what):
    table, span = toy
    batch = windows.cut(table, jnp.asarray(windows.origins(span, None, None)[:6]))
    none = {"drop_mix": 0.0, "drop_weather": 0.0, "drop_zone": 0.0}
    dropped = _drop_inputs(key, batch, ForecastTraining(**none | {f"drop_{what}": 1.0}))
    mix, past = features.MIX, features.PAST_WEATHER
    assert np.isnan(dropped.history[..., mix]).all() == (what == "mix")
    assert np.isnan(dropped.history[..., past]).all() == (what == "weather")
    assert np.isnan(dropped.known[..., features.FUTURE_WEATHER]).all() == (what == "weather")
    assert (np.asarray(dropped.zone) == (0 if what == "zone" else 1)).all()
    np.testing.assert_array_equal(dropped.history[..., features.INTENSITY], batch.history[..., features.INTENSITY])
    np.testing.assert_array_equal(dropped.target, batch.target)


def test_bad_input(toy, network):
    table, _ = toy
    with pytest.raises(InputError, match="168 \\+ 96 hours"):
        fit.train(jax.random.key(0), network, SMALL_STEPS, table, np.zeros(0, np.int32))
    with pytest.raises(ValueError, match="does not divide"):
        make_trainer(network, dataclasses.replace(SMALL_STEPS, chunk_steps=3))
