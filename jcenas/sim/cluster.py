"""One hour of the simulated cluster: jobs on devices, and the energy that they draw as a function of time.

The devices are numbered 0..G-1: the first k evaluate (train candidates), the last ones sample (score proposals), and
where they are few one may sample first and evaluate then (`jcenas.engine.split`). In an hour a device goes through
these phases, in this order, each of which may be empty:

    supernet | scores that need no training | switching | scoring | idle | switching | training | idle

The first two are done by all devices together. Work has no gaps, so the power over time is known from six times a
device.

Letters: G devices, J jobs. Times in s since the begin of the hour.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jcenas import units
from jcenas.engine.split import Split


class Power(struct.PyTreeNode):
    """Power of one device in kW by phase, all float32 (); PUE included."""

    training_kw: jax.Array
    scoring_kw: jax.Array
    idle_kw: jax.Array
    switching_kw: jax.Array


class Schedule(NamedTuple):
    """When each job runs if nothing stops it."""

    start_s: jax.Array  # (J,) float32, inf where the job does not start in this hour
    finish_s: jax.Array  # (J,) float32, inf where it does not start; may lie beyond the hour
    busy_s: jax.Array  # (G,) float32, end of each device's last job; its begin without a job


class Phases(NamedTuple):
    """The times that bound what every device does in the hour, each at least the one before."""

    supernet_s: jax.Array  # () float32, end of the supernet's training
    prelude_s: jax.Array  # () float32, end of the scores that all devices compute together
    ready_s: jax.Array  # (G,) float32, end of switching
    scored_s: jax.Array  # (G,) float32, end of scoring
    turn_s: jax.Array  # (G,) float32, end of waiting for the turn to evaluate
    begin_s: jax.Array  # (G,) float32, end of switching, begin of training
    busy_s: jax.Array  # (G,) float32, end of training


class Starts(NamedTuple):
    """When each device begins what it does; see `Phases`."""

    ready_s: jax.Array  # (G,) float32
    turn_s: jax.Array  # (G,) float32
    begin_s: jax.Array  # (G,) float32
    evaluates: jax.Array  # (G,) bool, at the end of the hour
    samples: jax.Array  # (G,) bool, at its begin


def starts(
    split: Split, before: jax.Array, prelude_s: jax.Array, switch_s: jax.Array, length_s: jax.Array, *, devices: int
) -> Starts:
    """When each device can begin: those that change stage lose `switch_s` first.

    Args:
      split: of this hour.
      before: devices that evaluated at the end of the hour before, int32 (); negative where there was none.
      prelude_s: end of what all devices do together, float32 ().
      switch_s: seconds that a change of stage costs, float32 ().
      length_s: of the hour, float32 ().
      devices: static number of devices.
    """
    device = jnp.arange(devices)
    evaluates = device < split.evaluating
    samples = device >= devices - split.sampling
    changed = (before >= 0) & (samples != (device >= before))
    ready = jnp.minimum(prelude_s + jnp.where(changed, switch_s, 0.0), length_s)
    turn = jnp.where(samples & evaluates, jnp.maximum(split.turn * length_s, ready), ready)
    begin = jnp.minimum(turn + jnp.where(samples & evaluates, switch_s, 0.0), length_s)
    return Starts(ready, turn, begin, evaluates, samples)


def time_to_score(starts: Starts, length_s: jax.Array) -> jax.Array:
    """Device-seconds of the hour that there are for scoring, float32 ()."""
    until = jnp.where(starts.evaluates, starts.turn_s, length_s)
    return jnp.sum(jnp.where(starts.samples, until - starts.ready_s, 0.0))


def _shares(starts: Starts, scoring_s: jax.Array) -> jax.Array:
    """Each device's part of so many device-seconds of scoring, float32 (G,).

    They are even, but for a device that has to turn to evaluating before: the others do what it leaves.
    """
    samplers = jnp.sum(starts.samples)
    turning = starts.samples & starts.evaluates & (samplers > 1)
    even = scoring_s / jnp.maximum(samplers, 1)
    own = jnp.minimum(even, starts.turn_s - starts.ready_s)
    others = (scoring_s - jnp.sum(jnp.where(turning, own, 0.0))) / jnp.maximum(samplers - jnp.sum(turning), 1)
    return jnp.where(starts.samples, jnp.where(turning, own, others), 0.0)


def phases_of(
    starts: Starts, *, supernet_s: jax.Array, prelude_s: jax.Array, scoring_s: jax.Array, busy_s: jax.Array
) -> Phases:
    """The phases of the hour if nothing stops it.

    Args:
      starts: when the devices begin.
      supernet_s: end of the supernet's training, float32 ().
      prelude_s: end of the scores that all devices compute together, float32 ().
      scoring_s: device-seconds of scoring, float32 (): the sampling devices share them evenly, as far as one that turns
        to evaluating has the time.
      busy_s: end of each device's last job, float32 (G,).
    """
    scored = starts.ready_s + _shares(starts, scoring_s)
    turn = jnp.where(starts.evaluates, jnp.maximum(starts.turn_s, scored), scored)
    begin = jnp.where(starts.evaluates, jnp.maximum(starts.begin_s, turn), scored)
    busy = jnp.where(starts.evaluates, jnp.maximum(busy_s, begin), scored)
    return Phases(supernet_s, prelude_s, starts.ready_s, scored, turn, begin, busy)


def schedule(
    seconds: jax.Array, valid: jax.Array, begin_s: jax.Array, evaluating: jax.Array, end_s: jax.Array
) -> Schedule:
    """Give the jobs, in order, to whichever evaluating device is free first (ties: the smaller number).

    Args:
      seconds: time that each job still needs, float32 (J,).
      valid: bool (J,), True where there is a job.
      begin_s: when each device can begin, float32 (G,).
      evaluating: the first so many devices take jobs, int32 ().
      end_s: no job starts at or after this time, float32 ().
    """

    def assign(free, job):
        needs, exists = job
        device = jnp.argmin(free)
        start = free[device]
        runs = exists & (start < end_s)
        finish = start + needs
        free = jnp.where(runs & (jnp.arange(free.shape[0]) == device), finish, free)
        return free, (jnp.where(runs, start, jnp.inf), jnp.where(runs, finish, jnp.inf))

    evaluates = jnp.arange(begin_s.shape[0]) < evaluating
    free, (start, finish) = jax.lax.scan(assign, jnp.where(evaluates, begin_s, jnp.inf), (seconds, valid))
    return Schedule(start, finish, jnp.where(evaluates, free, begin_s))


def trained_s(phases: Phases, at_s: jax.Array) -> jax.Array:
    """Seconds that each device has trained by time `at_s` (), float32 (G,)."""
    return jnp.clip(at_s - phases.begin_s, min=0.0, max=phases.busy_s - phases.begin_s)


def device_seconds(phases: Phases, at_s: jax.Array) -> dict[str, jax.Array]:
    """Device-seconds by time `at_s` (): `supernet`, `switching`, `training`, `scoring`, `idle`; float32 () each."""
    n = phases.ready_s.shape[0]

    def between(begin: jax.Array, end: jax.Array) -> jax.Array:
        """Device-seconds spent between two times of each device (G,), float32 ()."""
        return jnp.sum(jnp.clip(at_s - begin, min=0.0, max=end - begin))

    together = n * jnp.clip(at_s - phases.supernet_s, min=0.0, max=phases.prelude_s - phases.supernet_s)
    return {
        "supernet": n * jnp.minimum(at_s, phases.supernet_s),
        "switching": between(jnp.full(n, phases.prelude_s), phases.ready_s) + between(phases.turn_s, phases.begin_s),
        "training": jnp.sum(trained_s(phases, at_s)),
        "scoring": together + between(phases.ready_s, phases.scored_s),
        "idle": between(phases.scored_s, phases.turn_s) + jnp.sum(jnp.maximum(at_s - phases.busy_s, 0.0)),
    }


def energy_kwh(phases: Phases, power: Power, at_s: jax.Array) -> jax.Array:
    """Energy drawn from the grid by time `at_s` (), kWh, float32 (); PUE included."""
    spent = device_seconds(phases, at_s)
    kw_seconds = (
        power.training_kw * (spent["supernet"] + spent["training"])
        + power.switching_kw * spent["switching"]
        + power.scoring_kw * spent["scoring"]
        + power.idle_kw * spent["idle"]
    )
    return kw_seconds / units.SECONDS_PER_HOUR


def time_of_energy(phases: Phases, power: Power, end_s: jax.Array, limit_kwh: jax.Array) -> jax.Array:
    """First time, float32 () in s, at which the energy reaches `limit_kwh`; `end_s` where it does not before.

    Energy over time is piecewise linear and never falls; between the times at which the power changes it is inverted
    exactly.
    """
    zero = jnp.zeros((1,), jnp.float32)
    knots = jnp.concatenate([zero, *(jnp.atleast_1d(times) for times in phases), end_s[None]])
    knots = jnp.sort(jnp.clip(knots, min=0.0, max=end_s))
    energies = jax.vmap(lambda t: energy_kwh(phases, power, t))(knots)
    after = jnp.argmax(energies >= limit_kwh)  # the first knot at or above the limit
    low, high = jnp.maximum(after - 1, 0), after
    gained = energies[high] - energies[low]
    share = jnp.where(gained > 0, (limit_kwh - energies[low]) / jnp.where(gained > 0, gained, 1.0), 0.0)
    reached = knots[low] + jnp.clip(share, min=0.0, max=1.0) * (knots[high] - knots[low])
    return jnp.where(energies[-1] > limit_kwh, reached, end_s)
