"""The training ground of the allocator: an hour by hand, ends of episodes, the data that it is trained on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.learned import LEVELS
from jcenas.carbon import zone_names
from jcenas.engine.grid import PAST_H
from jcenas.sim.allocation import AccountingCase, AllocationConfig, TrainingGround, make_allocation, observed
from jcenas.sim.curves import Curves
from jcenas.sim.problem import released_power
from jcenas.sim.train_policy import TEST_ZONES, training_traces, training_zones

CONFIG = AllocationConfig(
    devices=2, hours=3, switch_s=0.0, least_h=10.0, most_h=10.0, unlimited=0.0, forecast_error=0.0
)


def ground(given=0, train_s=1800.0, scatter=0.0):
    alone = -jnp.log(1 - jnp.linspace(0, 0.9, 10))  # a tenth of the hypervolume more with each evaluation
    curves = Curves(
        jnp.stack([alone, alone / 2])[None], jnp.array([1.0, 2.0]), jnp.float32(train_s), jnp.float32(scatter)
    )
    case = AccountingCase(curves, released_power(), jnp.int32(given))
    return TrainingGround(jnp.full((1, 200), 100.0), jax.tree.map(lambda x: jnp.stack([x]), case))


@functools.partial(jax.jit, static_argnums=0)
def reset(config, ground, key):
    return make_allocation(config, ground).reset(key)


@functools.partial(jax.jit, static_argnums=0)
def step(config, ground, key, state, action):
    return make_allocation(config, ground).step(key, state, action)


def compiled(config, ground):
    """The environment, its functions compiled once for all grounds."""
    functions = {"reset": functools.partial(reset, config, ground), "step": functools.partial(step, config, ground)}
    return make_allocation(config, ground)._replace(**functions)


def test_an_hour_by_hand():
    environment = compiled(CONFIG, ground())
    state, seen = environment.reset(jax.random.key(0))
    assert seen.shape == (environment.features,)
    assert float(state.budget_g) == pytest.approx(1000, rel=1e-5)
    step = environment.step(jax.random.key(1), state, jnp.int32(LEVELS - 1))
    # Two devices for an hour: 2 kWh, 200 g, four evaluations of half an hour; of one device they would be worth 0.4.
    assert float(step.state.emissions_g) == pytest.approx(200)
    assert float(step.state.evaluations) == pytest.approx(4)
    assert float(step.reward) == pytest.approx(-np.log(0.6) / 2, rel=1e-5)
    assert not step.terminated
    idle = environment.step(jax.random.key(1), step.state, jnp.int32(0))
    assert (float(idle.reward), float(idle.state.emissions_g)) == (0, pytest.approx(200))
    one = environment.step(jax.random.key(1), state, jnp.int32((LEVELS - 1) // 2))
    assert float(one.reward) == pytest.approx(-np.log(0.8), rel=1e-5)


def test_only_whole_trainings_count_and_cut_ones_go_on():
    environment = compiled(CONFIG, ground(train_s=2400.0))
    state, _ = environment.reset(jax.random.key(0))
    both = environment.step(jax.random.key(1), state, jnp.int32(LEVELS - 1)).state  # one and a half on each device
    assert float(both.evaluations) == 2
    np.testing.assert_allclose(both.halfway, [0.5, 0.5], atol=1e-6)
    assert int(observed(CONFIG, both).half_finished) == 2
    one = environment.step(jax.random.key(1), both, jnp.int32((LEVELS - 1) // 2)).state
    assert float(one.evaluations) == 4
    np.testing.assert_allclose(one.halfway, [0.0, 0.5], atol=1e-6)
    assert int(observed(CONFIG, one).half_finished) == 1


def test_offset_shows_in_what_is_seen_only():
    environment = compiled(CONFIG, ground(given=3, scatter=0.5))
    states, _ = jax.jit(jax.vmap(environment.reset))(jax.random.split(jax.random.key(0), 500))
    np.testing.assert_allclose(states.level, -np.log(0.7) / 2, rtol=1e-5)
    assert float(jnp.std(states.offset)) == pytest.approx(0.5, rel=0.1)
    seen = jax.jit(jax.vmap(lambda state: observed(CONFIG, state).hypervolume))(states)
    np.testing.assert_allclose(seen, 1 - np.exp(-np.maximum(states.level + states.offset, 0)), atol=1e-6)


def test_evaluations_that_are_given():
    state, _ = compiled(CONFIG, ground(given=3)).reset(jax.random.key(0))
    assert float(state.evaluations) == 3
    assert float(state.level) == pytest.approx(-np.log(0.7) / 2, rel=1e-5)  # of the widest curve


def test_paper_reward_by_hand():
    config = AllocationConfig(**{**CONFIG.__dict__, "reward": "paper"})
    environment = compiled(config, ground())
    state, _ = environment.reset(jax.random.key(0))
    step = environment.step(jax.random.key(1), state, jnp.int32(LEVELS - 1))
    gain = 1 - 0.6**0.5
    assert float(step.reward) == pytest.approx(20 * gain * 0.8 - 2 * 200 / (2 * 100) + 0.05 * 4)


def test_without_a_budget():
    config = AllocationConfig(**{**CONFIG.__dict__, "unlimited": 1.0})
    environment = compiled(config, ground())
    state, seen = environment.reset(jax.random.key(0))
    step = environment.step(jax.random.key(1), state, jnp.int32(LEVELS - 1))
    assert jnp.isfinite(seen).all()
    assert jnp.isfinite(step.observation).all()
    assert not step.terminated
    assert float(step.state.evaluations) == pytest.approx(4)


def test_episodes_end_with_the_time_or_the_carbon():
    environment = compiled(CONFIG, ground())
    state, _ = environment.reset(jax.random.key(0))
    ends = []
    for _ in range(3):
        step = environment.step(jax.random.key(1), state, jnp.int32(0))
        state = step.state
        ends.append(bool(step.terminated))
    assert ends == [False, False, True]
    poor = state.replace(hour=jnp.int32(0), emissions_g=state.budget_g - 100)
    step = environment.step(jax.random.key(1), poor, jnp.int32(LEVELS - 1))
    assert bool(step.terminated)
    assert float(step.state.evaluations) == pytest.approx(2)  # half an hour is paid
    assert float(step.state.emissions_g) == pytest.approx(1000, rel=1e-5)


def test_training_leaves_the_test_zones_out():
    chosen = training_zones(500, 0)
    assert set(chosen) < set(zone_names())
    assert not set(chosen) & set(TEST_ZONES)
    assert not {z for z in chosen if z.split("-")[0] in ("AU", "CA", "DE", "GB", "KR", "SG")}
    assert "US-NE-ISNE" in chosen  # as the module says: of the United States only the test zones are left out
    assert len(training_zones(5, 1)) == 5
    traces = training_traces(training_zones(3, 0), 0)
    assert traces.shape == (3, 24 * 181)
    assert (traces >= 1).all()
    assert PAST_H == 24
