"""Reinforcement-learning environment of the allocation policy: the cluster of a search, its progress a recorded curve.

A whole search costs half a second; here an interval costs microseconds, because the optimiser is replaced by learning
curves of real searches (`jcenas.sim.curves`). What the allocator decides, when to train and on how many devices at
once, acts through the same phases, powers and budgets (`jcenas.sim.cluster`).

Letters: Z zones, Y hours of a trace, A accountings.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jcenas import units
from jcenas.alloc.environment import Environment, Step
from jcenas.alloc.features import FEATURES, features
from jcenas.alloc.learned import LEVELS, share_of_action
from jcenas.alloc.observation import Observation
from jcenas.engine.grid import LEAD_H, PAST_H
from jcenas.engine.observe import Budget, Outlook, Status, observe
from jcenas.engine.split import split
from jcenas.sim import cluster
from jcenas.sim.cluster import Power
from jcenas.sim.curves import Curves, advance, hypervolume_of

ROUNDING = 1e-3  # of a training


@dataclass(frozen=True, kw_only=True)
class AllocationConfig:
    """Settings of the environment.

    Attributes:
      devices: of the cluster.
      hours: of an episode.
      switch_s: lost by a device that changes stage.
      least_h: device-hours of training that the smallest carbon budget pays at the episode's mean intensity; drawn
        evenly on a logarithmic scale, so that clean grids and dirty ones are as short of carbon.
      most_h: the same of the largest one.
      unlimited: share of the episodes without a carbon budget.
      discrete: whether actions are levels or a real number.
      reward: "paper" is CE-NAS's sum of three terms; "potential" pays the rise of -log(missing hypervolume), which
        adds up to what the search is judged by (Ng, Harada and Russell 1999: potentials change no optimal policy).
      progress: weight of the paper's first term.
      carbon: weight of its second.
      finished: weight of its third.
      forecast_error: standard deviation of the relative error of the forecast a day ahead.
    """

    devices: int = 8
    hours: int = 80
    switch_s: float = 60.0
    least_h: float = 6.0
    most_h: float = 400.0
    unlimited: float = 0.15
    discrete: bool = True
    reward: Literal["paper", "potential"] = "potential"
    progress: float = 20.0
    carbon: float = 2.0
    finished: float = 0.05
    forecast_error: float = 0.1


class AccountingCase(struct.PyTreeNode):
    """Power of the devices, and learning curves of the searches, in one accounting."""

    curves: Curves
    power: Power
    given: jax.Array  # () int32, evaluations before the first hour


class TrainingGround(struct.PyTreeNode):
    """Grids and learning curves that episodes are drawn from."""

    traces: jax.Array  # (Z, Y) float32, gCO2eq/kWh
    accountings: AccountingCase  # leaves (A, ...)


class Episode(struct.PyTreeNode):
    """State of one episode: a search on a grid, within its budgets."""

    intensity: jax.Array  # (PAST_H + hours + LEAD_H,) float32
    forecast_error: jax.Array  # (LEAD_H,) float32, relative error of the forecast by lead
    curve: Curves  # one of the accounting: levels (W, K)
    power: Power
    level: jax.Array  # () float32, -log(missing hypervolume), of the mean search
    offset: jax.Array  # () float32, by how much this search's seems higher
    budget_g: jax.Array  # () float32
    hour: jax.Array  # () int32
    evaluations: jax.Array  # () float32
    emissions_g: jax.Array  # () float32
    evaluating: jax.Array  # () int32
    halfway: jax.Array  # (G,) float32 in [0, 1), share that is done of each device's training; lost at the end


def observed(config: AllocationConfig, episode: Episode) -> Observation:
    """Observation of the policy in an episode."""
    hour = episode.hour
    now = jax.lax.dynamic_slice(episode.intensity, (hour + PAST_H,), (LEAD_H,))
    past = jax.lax.dynamic_slice(episode.intensity, (hour,), (PAST_H,))
    forecast = jnp.maximum(now * (1 + episode.forecast_error), 1.0)
    capacity = 3 * config.devices  # of the predictor's queue
    hour_s = jnp.float32(units.SECONDS_PER_HOUR)
    status = Status(
        queued=jnp.where(episode.evaluating < 0, 0, capacity - episode.evaluating).astype(jnp.int32),
        capacity=jnp.int32(capacity),
        half_finished=jnp.sum(episode.halfway > ROUNDING, dtype=jnp.int32),
        hypervolume=hypervolume_of(jnp.maximum(episode.level + episode.offset, 0.0)),
        evaluations=episode.evaluations.astype(jnp.int32),
    )
    outlook = Outlook(
        intensity=now[0],
        past=past,
        past_known=jnp.ones(PAST_H, bool),
        forecast=jnp.repeat(forecast[:, None], 3, axis=1),
        future=jnp.full(config.hours, jnp.nan, jnp.float32),  # nobody looks: the network is no oracle
    )
    budget = Budget(
        duration_s=config.hours * hour_s,
        left_s=(config.hours - hour) * hour_s,
        hour_s=hour_s,
        carbon_g=episode.budget_g,
        carbon_left_g=episode.budget_g - episode.emissions_g,
        training_kw=episode.power.training_kw * config.devices,
        idle_kw=episode.power.idle_kw * config.devices,
        devices=jnp.int32(config.devices),
    )
    return observe(status, outlook, budget)


def make_allocation(config: AllocationConfig, ground: TrainingGround) -> Environment:
    """The environment: an episode is one search on a random zone, start, budget, curve and accounting."""

    def reset(key: jax.Array) -> tuple[Episode, jax.Array]:
        episode = drawn(key, config, ground)
        return episode, features(observed(config, episode))

    def step(key: jax.Array, episode: Episode, action: jax.Array) -> Step:
        del key
        done = an_hour(config, episode, share_of_action(action, config.discrete))
        new = done.episode
        over = (new.hour >= config.hours) | done.broke
        seen = features(observed(config, new.replace(hour=jnp.minimum(new.hour, config.hours - 1))))
        return Step(new, seen, reward_of(config, episode, done), over, jnp.asarray(False))

    return Environment(reset, step, FEATURES, LEVELS if config.discrete else 0)


def drawn(key: jax.Array, config: AllocationConfig, ground: TrainingGround) -> Episode:
    """A random episode before its first hour."""
    zones, length = ground.traces.shape
    where, when, shape, money, kind, error, free, chance = jax.random.split(key, 8)
    first = jax.random.randint(when, (), 0, length - (PAST_H + config.hours + LEAD_H))
    trace = ground.traces[jax.random.randint(where, (), 0, zones)]
    log_h = jax.random.uniform(money, (), jnp.float32, jnp.log(config.least_h), jnp.log(config.most_h))
    which = jax.random.randint(kind, (), 0, ground.accountings.given.shape[0])
    accounting: AccountingCase = jax.tree.map(lambda array: array[which], ground.accountings)
    walk = jnp.cumsum(jax.random.normal(error, (LEAD_H,), jnp.float32)) * config.forecast_error / LEAD_H**0.5
    curve = accounting.curves.drawn(shape)
    intensity = jax.lax.dynamic_slice(trace, (first,), (PAST_H + config.hours + LEAD_H,))
    mean = jnp.mean(intensity[PAST_H : PAST_H + config.hours])
    budget_g = jnp.exp(log_h) * accounting.power.training_kw * mean
    return Episode(
        intensity=intensity,
        forecast_error=walk.at[0].set(0.0),
        curve=curve,
        power=accounting.power,
        level=curve.levels[-1, accounting.given],
        offset=curve.scatter * jax.random.normal(chance, (), jnp.float32),
        budget_g=jnp.where(jax.random.bernoulli(free, config.unlimited), jnp.inf, budget_g),
        hour=jnp.int32(0),
        evaluations=accounting.given.astype(jnp.float32),
        emissions_g=jnp.float32(0.0),
        evaluating=jnp.int32(-1),
        halfway=jnp.zeros(config.devices, jnp.float32),
    )


class Hour(NamedTuple):
    """What an hour of an episode led to."""

    episode: Episode  # after it
    emissions_g: jax.Array  # () float32, of the hour
    finished: jax.Array  # () float32, evaluations that ended in it
    broke: jax.Array  # () bool, the carbon budget did not pay all of it


def an_hour(config: AllocationConfig, episode: Episode, share: jax.Array) -> Hour:
    """One hour of the cluster with a policy's evaluation share, float32 () in [0, 1]."""
    g = config.devices
    who = split(share, g)
    hour_s, zero = jnp.float32(units.SECONDS_PER_HOUR), jnp.float32(0.0)
    begin = cluster.starts(who, episode.evaluating, zero, jnp.float32(config.switch_s), hour_s, devices=g)
    phases = cluster.phases_of(begin, supernet_s=zero, prelude_s=zero, scoring_s=zero, busy_s=jnp.full(g, hour_s))
    intensity = episode.intensity[episode.hour + PAST_H]
    limit = (episode.budget_g - episode.emissions_g) / jnp.maximum(intensity, 1e-3)
    end = cluster.time_of_energy(phases, episode.power, hour_s, limit)
    trained = episode.halfway + cluster.trained_s(phases, end) / episode.curve.train_s
    ended = jnp.floor(trained + ROUNDING)
    finished = jnp.sum(ended)
    grams = cluster.energy_kwh(phases, episode.power, end) * intensity
    new = episode.replace(
        hour=episode.hour + 1,
        level=advance(episode.curve, episode.level, who.evaluating, finished),
        evaluations=episode.evaluations + finished,
        emissions_g=episode.emissions_g + grams,
        evaluating=who.evaluating,
        halfway=jnp.maximum(trained - ended, 0.0),
    )
    return Hour(new, grams, finished, end < hour_s)


def reward_of(config: AllocationConfig, before: Episode, done: Hour) -> jax.Array:
    """The reward of an hour, float32 (), by the episode before it and what it led to."""
    level = done.episode.level
    if config.reward == "potential":
        return level - before.level
    late = 0.8 + 0.8 * before.hour / config.hours
    dirtiest = jnp.max(before.intensity) * before.power.training_kw
    return (
        config.progress * (hypervolume_of(level) - hypervolume_of(before.level)) * late
        - config.carbon * done.emissions_g / (config.devices * dirtiest)
        + config.finished * done.finished
    )
