"""PPO: advantages by hand, probe problems with known answers, determinism, checkpoints."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc import networks
from jcenas.alloc.environment import Environment, Step
from jcenas.alloc.networks import ActorCritic, Outputs
from jcenas.alloc.ppo import PpoConfig, make_ppo, make_train
from jcenas.alloc.returns import Normaliser, generalised_advantages
from jcenas.runtime import checkpoint

CONFIG = PpoConfig(environments=16, steps=16, updates=60, learning_rate=3e-3, width=32, entropy=0.0, discount=0.5)


@pytest.mark.accelerator
def test_advantages_by_hand():
    # gamma 0.5, lambda 0.5. Row 1 ends an episode; row 2 is cut: its next value counts, but not the next advantage.
    reward, value = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([0.0, 1.0, 2.0, 3.0])
    after = jnp.array([1.0, 9.0, 4.0, 8.0])
    terminated, done = jnp.array([False, True, False, False]), jnp.array([False, True, True, False])
    # delta: 1 + .5 - 0 = 1.5; 2 - 1 = 1; 3 + 2 - 2 = 3; 4 + 4 - 3 = 5. A: 1.5 + .25 = 1.75; 1; 3; 5.
    got = generalised_advantages(reward, value, after, terminated, done, 0.5, 0.5)
    np.testing.assert_allclose(got, [1.75, 1, 3, 5])


def test_lambda_one_is_the_monte_carlo_return():
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=8).astype(np.float32), rng.normal(size=8).astype(np.float32)
    ends = np.arange(8) == 7
    got = generalised_advantages(reward, value, np.append(value[1:], 0), ends, ends, 0.9, 1.0)
    returns = [sum(0.9 ** (j - i) * reward[j] for j in range(i, 8)) for i in range(8)]
    np.testing.assert_allclose(got, returns - value, rtol=1e-5)


def test_normaliser_equals_numpy():
    rows = np.random.default_rng(0).normal(3, 5, (40, 2)).astype(np.float32)
    seen = Normaliser.empty(2).update(rows[:7]).update(rows[7:])
    np.testing.assert_allclose(seen.mean, rows.mean(0), rtol=1e-4)
    np.testing.assert_allclose(seen.variance, rows.var(0), rtol=1e-3)
    np.testing.assert_allclose(seen.apply(rows).std(0), 1, rtol=1e-3)


def test_distributions_by_hand():
    even = Outputs(jnp.zeros(4), jnp.zeros(()), jnp.zeros(()))
    np.testing.assert_allclose(networks.entropy(even, True), np.log(4), rtol=1e-6)
    np.testing.assert_allclose(networks.log_probability(even, jnp.int32(2), True), -np.log(4), rtol=1e-6)
    normal = Outputs(jnp.array([1.0]), jnp.log(2.0), jnp.zeros(()))
    np.testing.assert_allclose(
        networks.log_probability(normal, jnp.float32(3.0), False), -0.5 - np.log(2) - 0.9189385, rtol=1e-5
    )
    draws = networks.sample(networks.noise(jax.random.key(0), (4000,), 0), normal, False)
    np.testing.assert_allclose([draws.mean(), draws.std()], [1, 2], atol=0.1)


@pytest.mark.parametrize("actions", [3, 0])
def test_both_towers_at_once_equal_the_network(actions):
    network, x = ActorCritic(actions, 8), jax.random.normal(jax.random.key(1), (5, 6))
    params = network.init(jax.random.key(0), x)
    params = jax.tree.map(lambda w: w + 0.1, params)  # biases too
    towers = networks.stack(params)
    alone, both = network.apply(params, x), networks.forward(towers, x.T)
    np.testing.assert_allclose(both.head.T, alone.head, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both.value, alone.value, rtol=1e-5, atol=1e-6)
    action = jnp.array([0, 1, 2, 1, 0]) if actions else jnp.linspace(-1.0, 1.0, 5)
    for ask in (networks.entropy, lambda out, *how: networks.log_probability(out, action, *how)):
        np.testing.assert_allclose(ask(both, bool(actions), 0), ask(alone, bool(actions)), rtol=1e-5, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, networks.unstack(towers), params)
    slope = jax.grad(lambda t: jnp.sum(networks.forward(t, x.T).value ** 2))(towers)
    assert not np.any(slope.kernels[-1][1, 1:])  # what fills the critic up stays as it is


# Probe problems (after rejax): each isolates one thing that can be wrong. Episodes last `length` steps.


def probe(reward, *, length=1, actions=2, truncated=False, clock=True):
    """reward(observation, action, step) -> (); the observation is a coin, then the step."""

    def see(state):
        return jnp.stack([state[0], state[1] * clock]).astype(jnp.float32)

    def reset(key):
        state = (jax.random.bernoulli(key).astype(jnp.float32) * 2 - 1, jnp.float32(0.0))
        return state, see(state)

    def step(key, state, action):
        del key
        gain = jnp.asarray(reward(state[0], action, state[1]), jnp.float32)
        state = (state[0], state[1] + 1)
        end = state[1] >= length
        return Step(state, see(state), gain, end & jnp.logical_not(truncated), end & truncated)

    return Environment(reset, step, 2, actions)


REWARDS = {
    "one": lambda coin, action, step: jnp.float32(1.0),
    "as the coin": lambda coin, action, step: jnp.where((coin > 0) == (action == 1), 1.0, -1.0),
    # Of the first observation, 2 steps later: only discounting carries it back.
    "the coin, later": lambda coin, action, step: jnp.where(step == 2, coin, 0.0),
}


@jax.jit
def train_probe(which, length, truncated, clock):
    """Train on a probe of two actions: one program for all of them."""

    def reward(*seen):
        return jax.lax.switch(which, list(REWARDS.values()), *seen)

    environment = probe(reward, length=length, truncated=truncated, clock=clock)
    return make_train(CONFIG, environment)(jax.random.key(0))


def asking(state, actions):
    """What a trained network says of an observation."""
    network = ActorCritic(actions, CONFIG.width)

    @jax.jit
    def ask(*observation):
        return network.apply(state.params, state.normaliser.apply(jnp.array(observation, jnp.float32)))

    return ask


def learn(reward, *, length=1, truncated=False, clock=True):
    state, metrics = train_probe(list(REWARDS).index(reward), length, truncated, clock)
    return asking(state, 2), metrics


@pytest.mark.accelerator
def test_value_only():
    ask, _ = learn("one")
    assert float(ask(1, 0).value) == pytest.approx(1, abs=0.1)


def test_value_of_truncated_episodes_goes_on():
    ask, _ = learn("one", truncated=True, clock=False)
    assert float(ask(1, 0).value) == pytest.approx(2, abs=0.5)  # 1 / (1 - gamma): nothing ends, it is only cut


def test_action_and_observation():
    ask, metrics = learn("as the coin")
    assert int(jnp.argmax(ask(1, 0).head)) == 1
    assert int(jnp.argmax(ask(-1, 0).head)) == 0
    assert float(metrics.episode_return[-1]) > 0.9


def test_delayed_reward():
    ask, _ = learn("the coin, later", length=3)
    assert float(ask(1, 0).value) == pytest.approx(0.25, abs=0.1)
    assert float(ask(1, 2).value) == pytest.approx(1, abs=0.15)
    assert float(ask(-1, 2).value) == pytest.approx(-1, abs=0.15)


def test_continuous_action():
    config = replace(CONFIG, updates=150)
    environment = probe(lambda coin, action, step: -((action - 0.7 * coin) ** 2), actions=0)
    ask = asking(jax.jit(make_train(config, environment))(jax.random.key(0))[0], 0)
    assert float(ask(1, 0).head[0]) == pytest.approx(0.7, abs=0.2)
    assert float(ask(-1, 0).head[0]) == pytest.approx(-0.7, abs=0.2)


def test_deterministic_and_resumable(tmp_path):
    ppo = make_ppo(CONFIG, probe(lambda coin, action, step: coin))
    update, init = jax.jit(ppo.update), jax.jit(ppo.init)
    state, _ = update(init(jax.random.key(1)))
    assert (update(state)[1].episodes, update._cache_size()) == (256, 1)  # the state keeps its type
    checkpoint.save(tmp_path / "state", state)
    on, _ = update(state)
    again, _ = update(checkpoint.load(tmp_path / "state", state))
    jax.tree.map(np.testing.assert_array_equal, on.params, again.params)
    other, _ = update(init(jax.random.key(2)))
    assert not np.array_equal(jax.tree.leaves(other.params)[1], jax.tree.leaves(state.params)[1])


def test_minibatches_must_divide():
    with pytest.raises(ValueError, match="5 minibatches do not divide 16 x 16"):
        PpoConfig(environments=16, steps=16, minibatches=5)
