"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347): training is a scan of scans in one program.

An update is a scan of `steps` actions in `environments` environments side by side, advantages by a reverse scan, and
`epochs` scans over shuffled minibatches. `make_train(config, environment)` gives `train(key)`, which jits and vmaps.

Letters: T steps, E environments, f features, U updates.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import flatten_util

from jcenas.alloc import networks
from jcenas.alloc.environment import Environment
from jcenas.alloc.networks import ActorCritic
from jcenas.alloc.returns import Normaliser, generalised_advantages


@dataclass(frozen=True, kw_only=True)
class PpoConfig:
    """Hyper-parameters of PPO; the defaults are the usual ones of the literature.

    Attributes:
      environments: E, side by side.
      steps: T, actions of each environment in an update.
      updates: U.
      epochs: passes over the data of an update.
      minibatches: parts of a pass; must divide T E.
      learning_rate: of Adam, falling linearly to 0.
      discount: gamma.
      lambda_: of the advantages.
      clip: epsilon of the clipped objective.
      entropy: weight of the entropy.
      value: weight of the value loss.
      max_norm: of the gradient.
      width: hidden units.
      normalise: whether observations are normalised by their running statistics.
    """

    environments: int = 32
    steps: int = 128
    updates: int = 100
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 3e-4
    discount: float = 0.99
    lambda_: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value: float = 0.5
    max_norm: float = 0.5
    width: int = 64
    normalise: bool = True

    def __post_init__(self):
        if (self.environments * self.steps) % self.minibatches:
            raise ValueError(f"{self.minibatches} minibatches do not divide {self.steps} x {self.environments} actions")


class PpoState(struct.PyTreeNode):
    """Everything that training carries from one update to the next; a checkpoint of it resumes exactly."""

    params: Any
    optimiser: Any
    normaliser: Normaliser
    environment: Any  # leaves (E, ...)
    observation: jax.Array  # (E, f)
    episode_return: jax.Array  # (E,) float32, of the running episodes
    key: jax.Array


class Metrics(NamedTuple):
    """Training metrics of one update."""

    episode_return: jax.Array  # () float32, mean over the episodes that ended; NaN if none did
    episodes: jax.Array  # () int32
    value_loss: jax.Array  # () float32
    entropy: jax.Array  # () float32


class Transition(NamedTuple):
    """One action and what came of it."""

    observation: jax.Array
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array
    done: jax.Array
    last_value: jax.Array  # of the observation after the action, before the reset, where the episode is done
    finished_return: jax.Array  # of the episode where it is done, else 0


class Ppo(NamedTuple):
    """Training as two pure functions: the first state, and one update."""

    init: Callable[[jax.Array], PpoState]
    update: Callable[[PpoState], tuple[PpoState, Metrics]]


class _Learner(NamedTuple):
    """What is fixed when training is compiled."""

    config: PpoConfig
    environment: Environment
    network: ActorCritic
    optimiser: optax.GradientTransformation

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers of levels."""
        return self.environment.actions > 0

    @property
    def batch(self) -> int:
        """T E, actions of an update."""
        return self.config.environments * self.config.steps

    def apply(self, params: Any, x: jax.Array) -> networks.Outputs:
        """The network's outputs for what it sees."""
        return cast(networks.Outputs, self.network.apply(params, x))

    def seen(self, state: PpoState, observation: jax.Array) -> jax.Array:
        """Observations (..., f) as the network sees them."""
        return state.normaliser.apply(observation) if self.config.normalise else observation


def make_ppo(config: PpoConfig, environment: Environment) -> Ppo:
    """Return init(key) -> state and update(state) -> (state, metrics), pure."""
    steps = config.updates * config.epochs * config.minibatches
    adam = optax.adam(optax.schedules.linear_schedule(config.learning_rate, 0.0, steps), eps=1e-5)
    optimiser = optax.chain(optax.clip_by_global_norm(config.max_norm), adam)
    learner = _Learner(config, environment, ActorCritic(environment.actions, config.width), optimiser)
    return Ppo(functools.partial(_init, learner), functools.partial(_update, learner))


def _init(learner: _Learner, key: jax.Array) -> PpoState:
    """Fresh weights, and all environments at the begin of an episode."""
    environment, environments = learner.environment, learner.config.environments
    weights, resets, rest = jax.random.split(key, 3)
    params = learner.network.init(weights, jnp.zeros(environment.features, jnp.float32))
    states, observation = jax.vmap(environment.reset)(jax.random.split(resets, environments))
    normaliser = Normaliser.empty(environment.features)
    zeros = jnp.zeros(environments, jnp.float32)
    return PpoState(params, learner.optimiser.init(_flat(params)[0]), normaliser, states, observation, zeros, rest)


def _update(learner: _Learner, state: PpoState) -> tuple[PpoState, Metrics]:
    """One update: act, estimate advantages, and go down the gradient of the clipped objective."""
    act, shuffle, rest = jax.random.split(state.key, 3)
    state, data = _rollout(learner, state, act)
    flat, whole = _flat(state.params)

    def minibatch(carry, part):
        flat, memory = carry
        (_, told), gradient = jax.value_and_grad(_loss, argnums=1, has_aux=True)(learner, whole(flat), part)
        change, memory = learner.optimiser.update(flatten_util.ravel_pytree(gradient)[0], memory, flat)
        return (flat + change, memory), told

    parts = _minibatches(learner, shuffle, _samples(learner, state, data))
    (flat, memory), (error, spread) = jax.lax.scan(minibatch, (flat, state.optimiser), parts)
    params, episodes = networks.unstack(whole(flat)), jnp.sum(data.done, dtype=jnp.int32)
    mean = jnp.sum(data.finished_return) / jnp.where(episodes > 0, episodes, 1)
    rows = data.observation.reshape(learner.batch, -1)
    normaliser = state.normaliser.update(rows) if learner.config.normalise else state.normaliser
    state = state.replace(params=params, optimiser=memory, normaliser=normaliser, key=rest)
    return state, Metrics(jnp.where(episodes > 0, mean, jnp.nan), episodes, jnp.mean(error), jnp.mean(spread))


def _rollout(learner: _Learner, state: PpoState, key: jax.Array) -> tuple[PpoState, Transition]:
    """Act T times in each environment; transitions with leaves (T, E, ...)."""
    environment, shape = learner.environment, (learner.config.steps, learner.config.environments)
    choose, move, again = jax.random.split(key, 3)
    drawn = networks.noise(choose, shape, environment.actions)  # at once: small draws inside the scan are dear
    keys = jax.random.split(move, shape), jax.random.split(again, shape)

    def act(carry, inputs):
        states, observation, returns = carry
        noise, moves, resets = inputs
        outputs = learner.apply(state.params, learner.seen(state, observation))
        action = networks.sample(noise, outputs, learner.discrete)
        step = jax.vmap(environment.step)(moves, states, action)
        done = step.terminated | step.truncated

        def keep(new, old):
            return jnp.where(done.reshape(-1, *(1,) * (old.ndim - 1)), new, old)

        def end(now):  # rare: so what only ended episodes need is computed here
            value = learner.apply(state.params, learner.seen(state, step.observation)).value
            return jax.tree.map(keep, jax.vmap(environment.reset)(resets), now), value

        def go_on(now):
            return now, jnp.zeros_like(returns)

        total = returns + step.reward
        now, last = jax.lax.cond(jnp.any(done), end, go_on, (step.state, step.observation))
        finished = jnp.where(done, total, 0.0)
        transition = Transition(observation, action, step.reward, step.terminated, done, last, finished)
        return (*now, jnp.where(done, 0.0, total)), transition

    carry = state.environment, state.observation, state.episode_return
    (states, observation, returns), data = jax.lax.scan(act, carry, (drawn, *keys))
    return state.replace(environment=states, observation=observation, episode_return=returns), data


def _samples(learner: _Learner, state: PpoState, data: Transition) -> jax.Array:
    """Observation, action, its log probability, advantage, target of the value: float32 (f + 4, T E)."""
    config, batch = learner.config, learner.batch
    whole = jnp.concatenate([data.observation, state.observation[None]])  # and what follows the last action
    x = learner.seen(state, whole).reshape(-1, whole.shape[-1]).T
    outputs = networks.forward(networks.stack(state.params), x)
    value = outputs.value.reshape(whole.shape[:2])
    after = jnp.where(data.done, data.last_value, value[1:])
    gae = functools.partial(generalised_advantages, discount=config.discount, lambda_=config.lambda_)
    advantage = jax.vmap(gae, 1, 1)(data.reward, value[:-1], after, data.terminated, data.done)
    taken = jax.tree.map(lambda y: y[..., :batch], outputs)
    action = data.action.reshape(batch)
    before = networks.log_probability(taken, action, learner.discrete, 0)
    gained = advantage.reshape(batch)
    return jnp.concatenate([x[:, :batch], jnp.stack([action, before, gained, gained + taken.value])])


def _minibatches(learner: _Learner, key: jax.Array, rows: jax.Array) -> jax.Array:
    """Minibatches (epochs minibatches, f + 4, size) of samples (f + 4, T E), advantages normalised in each."""
    config = learner.config
    order = jax.vmap(_shuffled, (0, None))(jax.random.split(key, config.epochs), learner.batch)
    parts = rows.T[order.reshape(config.epochs * config.minibatches, -1)].swapaxes(1, 2)
    gained = parts[:, -2]
    mean, deviation = jnp.mean(gained, axis=1, keepdims=True), jnp.std(gained, axis=1, keepdims=True)
    return parts.at[:, -2].set((gained - mean) / (deviation + 1e-8))


def _shuffled(key: jax.Array, n: int) -> jax.Array:
    """The numbers 0..n-1 in random order, int32 (n,).

    By one sort of integers, random bits before the number, three times as fast on a CPU as `jax.random.permutation`;
    equal bits (for n = 4,096 a share of 1e-6 of the pairs) keep the order, which is of no account here.
    """
    low = jnp.uint32((1 << max(n - 1, 1).bit_length()) - 1)
    packed = (jax.random.bits(key, (n,), jnp.uint32) & ~low) | jnp.arange(n, dtype=jnp.uint32)
    return (jnp.sort(packed) & low).astype(jnp.int32)


def _loss(learner: _Learner, towers: networks.Towers, part: jax.Array):
    """Clipped objective, value loss and entropy bonus of a minibatch (f + 4, size); the last two also apart."""
    config, discrete, features = learner.config, learner.discrete, learner.environment.features
    x, (action, before, advantage, target) = part[:features], part[features:]
    outputs = networks.forward(towers, x)
    ratio = jnp.exp(networks.log_probability(outputs, action, discrete, 0) - before)
    clipped = jnp.clip(ratio, min=1 - config.clip, max=1 + config.clip)
    gain = jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))  # eq. (7)
    error = 0.5 * jnp.mean((outputs.value - target) ** 2)
    spread = jnp.mean(networks.entropy(outputs, discrete, 0))
    return config.value * error - gain - config.entropy * spread, (error, spread)


def _flat(params: Any) -> tuple[jax.Array, Callable[[jax.Array], networks.Towers]]:
    """The weights as one vector, so that Adam is three loops instead of three for each array; and the way back."""
    return flatten_util.ravel_pytree(networks.stack(params))


def make_train(config: PpoConfig, environment: Environment) -> Callable[[jax.Array], tuple[PpoState, Metrics]]:
    """Return train(key) -> (final state, metrics with a leading U): `config.updates` updates in one program."""
    ppo = make_ppo(config, environment)

    def train(key: jax.Array) -> tuple[PpoState, Metrics]:
        return jax.lax.scan(lambda state, _: ppo.update(state), ppo.init(key), length=config.updates)

    return train
