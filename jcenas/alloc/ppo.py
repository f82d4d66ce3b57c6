"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347): training is a scan of scans in one program.

An update is a scan of `steps` actions in `environments` environments side by side, advantages by a reverse scan, and
`epochs` scans over shuffled minibatches. `make_train(config, environment)` gives `train(key)`, which jits and vmaps.

Letters: T steps, E environments, f features, U updates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jcenas.alloc import networks
from jcenas.alloc.environment import Environment
from jcenas.alloc.networks import ActorCritic
from jcenas.alloc.returns import Normaliser, generalised_advantages


@dataclass(frozen=True, kw_only=True)
class PpoConfig:
    """Settings; the defaults are the usual ones of the literature.

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
    """Of one update."""

    episode_return: jax.Array  # () float32, mean over the episodes that ended; NaN if none did
    episodes: jax.Array  # () int32
    value_loss: jax.Array  # () float32
    entropy: jax.Array  # () float32


class Transition(NamedTuple):
    """One action; the last five fields are filled in or used after the rollout."""

    observation: jax.Array
    action: jax.Array
    log_probability: jax.Array
    reward: jax.Array
    after: jax.Array  # observation after the action, before any reset
    terminated: jax.Array
    done: jax.Array
    finished_return: jax.Array  # of the episode where it is done, else 0


class Ppo(NamedTuple):
    """Training in pieces."""

    init: Callable[[jax.Array], PpoState]
    update: Callable[[PpoState], tuple[PpoState, Metrics]]


def make_ppo(config: PpoConfig, environment: Environment) -> Ppo:
    """Return init(key) -> state and update(state) -> (state, metrics), pure."""
    discrete = environment.actions > 0
    network = ActorCritic(environment.actions, config.width)
    batch = config.environments * config.steps
    steps = config.updates * config.epochs * config.minibatches
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.max_norm),
        optax.adam(optax.schedules.linear_schedule(config.learning_rate, 0.0, steps), eps=1e-5),
    )

    def apply(params: Any, x: jax.Array) -> networks.Outputs:
        return cast(networks.Outputs, network.apply(params, x))

    def init(key: jax.Array) -> PpoState:
        weights, resets, rest = jax.random.split(key, 3)
        params = network.init(weights, jnp.zeros(environment.features, jnp.float32))
        states, observation = jax.vmap(environment.reset)(jax.random.split(resets, config.environments))
        normaliser = Normaliser.empty(environment.features)
        zeros = jnp.zeros(config.environments, jnp.float32)
        return PpoState(params, optimiser.init(params), normaliser, states, observation, zeros, rest)

    def rollout(state: PpoState, key: jax.Array) -> tuple[PpoState, Transition]:
        def act(carry, key):
            states, observation, returns = carry
            choose, move, again = jax.random.split(key, 3)
            seen = state.normaliser.apply(observation) if config.normalise else observation
            outputs = apply(state.params, seen)
            action = networks.sample(choose, outputs, discrete)
            many = lambda k: jax.random.split(k, config.environments)
            step = jax.vmap(environment.step)(many(move), states, action)
            done = step.terminated | step.truncated
            fresh, first = jax.vmap(environment.reset)(many(again))
            keep = lambda new, old: jnp.where(done.reshape(-1, *(1,) * (old.ndim - 1)), new, old)
            total = returns + step.reward
            transition = Transition(
                observation,
                action,
                networks.log_probability(outputs, action, discrete),
                step.reward,
                step.observation,
                step.terminated,
                done,
                jnp.where(done, total, 0.0),
            )
            carry = jax.tree.map(keep, fresh, step.state), keep(first, step.observation), jnp.where(done, 0.0, total)
            return carry, transition

        carry = state.environment, state.observation, state.episode_return
        (states, observation, returns), data = jax.lax.scan(act, carry, jax.random.split(key, config.steps))
        return state.replace(environment=states, observation=observation, episode_return=returns), data

    def loss(params, data: Transition, advantage, target):
        outputs = apply(params, data.observation)
        ratio = jnp.exp(networks.log_probability(outputs, data.action, discrete) - data.log_probability)
        scaled = (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + 1e-8)
        clipped = jnp.clip(ratio, min=1 - config.clip, max=1 + config.clip)
        gain = jnp.mean(jnp.minimum(ratio * scaled, clipped * scaled))  # eq. (7)
        error = 0.5 * jnp.mean((outputs.value - target) ** 2)
        spread = jnp.mean(networks.entropy(outputs, discrete))
        return config.value * error - gain - config.entropy * spread, (error, spread)

    def update(state: PpoState) -> tuple[PpoState, Metrics]:
        act, shuffle, rest = jax.random.split(state.key, 3)
        state, data = rollout(state, act)
        raw, episodes = data.observation, jnp.sum(data.done, dtype=jnp.int32)
        if config.normalise:
            data = data._replace(observation=state.normaliser.apply(raw), after=state.normaliser.apply(data.after))
        value, after = (apply(state.params, x).value for x in (data.observation, data.after))
        advantage = jax.vmap(
            lambda r, v, w, t, d: generalised_advantages(r, v, w, t, d, config.discount, config.lambda_), 1, 1
        )(data.reward, value, after, data.terminated, data.done)
        flat = jax.tree.map(lambda x: x.reshape(batch, *x.shape[2:]), (data, advantage, advantage + value))

        def minibatch(carry, rows):
            params, memory = carry
            part = jax.tree.map(lambda x: x[rows], flat)
            (_, told), gradient = jax.value_and_grad(loss, has_aux=True)(params, *part)
            change, memory = optimiser.update(gradient, memory, params)
            return (optax.apply_updates(params, change), memory), told

        def epoch(carry, key):
            rows = jax.random.permutation(key, batch).reshape(config.minibatches, -1)
            return jax.lax.scan(minibatch, carry, rows)

        keys = jax.random.split(shuffle, config.epochs)
        (params, memory), (error, spread) = jax.lax.scan(epoch, (state.params, state.optimiser), keys)
        mean = jnp.sum(data.finished_return) / jnp.where(episodes > 0, episodes, 1)
        normaliser = state.normaliser.update(raw.reshape(batch, -1)) if config.normalise else state.normaliser
        state = state.replace(params=params, optimiser=memory, normaliser=normaliser, key=rest)
        return state, Metrics(jnp.where(episodes > 0, mean, jnp.nan), episodes, jnp.mean(error), jnp.mean(spread))

    return Ppo(init, update)


def make_train(config: PpoConfig, environment: Environment) -> Callable[[jax.Array], tuple[PpoState, Metrics]]:
    """Return train(key) -> (final state, metrics with a leading U): `config.updates` updates in one program."""
    ppo = make_ppo(config, environment)

    def train(key: jax.Array) -> tuple[PpoState, Metrics]:
        return jax.lax.scan(lambda state, _: ppo.update(state), ppo.init(key), length=config.updates)

    return train
