"""Trained policies as files, and the features that they see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.environment import Environment, Step
from jcenas.alloc.features import FEATURES
from jcenas.alloc.features import features as learned_features
from jcenas.alloc.learned import DEFAULT, LEVELS, load_policy, save_policy, share_of, share_of_action
from jcenas.alloc.networks import Outputs
from jcenas.alloc.ppo import PpoConfig, make_ppo
from jcenas.errors import InputError


def test_features_by_hand(observe):
    features = jax.jit(learned_features)
    forecast = np.repeat(np.where(np.arange(24) < 12, 100.0, 300.0)[:, None], 3, axis=1)
    forecast[12] = [250, 300, 350]

    def seen(affordable):
        return observe(
            100, [100, 300], forecast=forecast, time_left=0.5, carbon_left=0.25, hours_left=24, affordable=affordable,
            hypervolume=0.9, evaluations=0, queue=5, capacity=10, half_finished=4, future=np.zeros(24),
        )  # fmt: skip

    vector = np.asarray(features(seen(1200.0)))
    assert vector.shape == (FEATURES,)
    # Mean 200: 1,200 g/kWh h pay a quarter of 24 h at the mean; all 12 clean hours are in the plans that reach so far.
    np.testing.assert_allclose(vector[:6], [0.5, 0.25, 1, 0.5, 0, 0.25])
    np.testing.assert_allclose(vector[6:9], [1, 1, 1])
    np.testing.assert_allclose(vector[11:16], [0.5, 0.9, 0, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(vector[16:], np.where(np.arange(24) < 12, 0.5, 1.5))
    # A quarter of the devices in every hour costs 1,200, so no plan is narrower; 300 leave the choice to each plan.
    np.testing.assert_allclose(vector[9:11], [0.25, 0.25])
    np.testing.assert_allclose(features(seen(300.0))[9:11], [0.125, 0.25])
    np.testing.assert_allclose(features(seen(np.inf))[6:11], [1, 1, 1, 1, 1])
    assert features(observe(100, [100]))[2] == 0  # no carbon budget
    assert jnp.isfinite(features(observe(0, [0], forecast=np.zeros((1, 3)), affordable=0.0, hours_left=0.0))).all()


def test_shares_by_hand():
    logits = jnp.zeros(LEVELS).at[3].set(1.0)
    assert float(share_of(Outputs(logits, jnp.zeros(()), jnp.zeros(())), True)) == 3 / 8
    assert float(share_of(Outputs(jnp.zeros(1), jnp.zeros(()), jnp.zeros(())), False)) == 0.5
    assert float(share_of_action(jnp.int32(8), True)) == 1.0
    assert float(share_of_action(jnp.float32(0.0), False)) == 0.5


@pytest.mark.parametrize("discrete", [True, False])
def test_round_trip(discrete, tmp_path, key, observe):
    def reset(key):
        return (), jax.random.normal(key, (FEATURES,))

    def step(key, state, action):
        return Step(
            state, jax.random.normal(key, (FEATURES,)), jnp.float32(action), jnp.asarray(True), jnp.asarray(False)
        )

    config = PpoConfig(environments=2, steps=4, updates=1, width=8)
    ppo = make_ppo(config, Environment(reset, step, FEATURES, LEVELS if discrete else 0))
    state, _ = jax.jit(lambda key: ppo.update(ppo.init(key)))(key)
    path = save_policy(tmp_path / "mine.npz", state, discrete=discrete)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.npz"]
    policy = load_policy(path)
    params, normaliser = policy.init_params(key)
    jax.tree.map(np.testing.assert_array_equal, params, state.params)
    np.testing.assert_array_equal(normaliser.mean, state.normaliser.mean)
    share = jax.jit(policy.apply)(key, (params, normaliser), observe(100, [50, 200]))
    assert 0 <= float(share) <= 1


def test_bad_files(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", mean=np.zeros(3), variance=np.zeros(3), discrete=np.asarray(True))
    for name, message in (("none", "no policy file"), ("text", "no policy file"), ("other", "3 features")):
        with pytest.raises(InputError, match=message):
            load_policy(tmp_path / f"{name}.npz")


def test_the_shipped_policy_is_small_and_waits_for_clean_hours(key, observe):
    assert DEFAULT.stat().st_size <= 200_000
    policy = load_policy(DEFAULT)
    params, apply = policy.init_params(key), jax.jit(policy.apply)

    def share(day, time_left, affordable):
        forecast = np.repeat(np.tile(day, 2)[:, None], 3, axis=1)
        seen = observe(
            day[0], [100.0, 300.0], forecast=forecast, time_left=time_left, carbon_left=time_left,
            hours_left=80 * time_left, affordable=affordable, hypervolume=0.99, evaluations=40, queue=22, capacity=24,
            half_finished=2, future=np.zeros(80),
        )  # fmt: skip
        return float(apply(key, params, seen))

    clean, dirty = [100.0] * 8 + [300.0] * 4, [300.0] * 4 + [100.0] * 8
    assert share(clean, 0.5, 500.0) > share(dirty, 0.5, 500.0) == 0  # pays for one device in the clean hours, no more
    assert share(clean, 0.25, 4000.0) > 0.5  # pays for all devices in all hours
