"""One interval of the simulated cluster: jobs on devices, and the energy that they draw as a function of time.

The devices are numbered 0..G-1 and assigned whole: the first k evaluate (train candidates), the others sample (score
proposals). In an interval every device goes through at most four phases, in this order: supernet training (all devices
together, until it is done), switching (if the device changed stage), its work, idling. Work begins when a device is
ready and has no gaps, so the power over time is known from three times a device.

Letters: G devices, J jobs. Times in s since the begin of the interval.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from jcenas import units


class Power(struct.PyTreeNode):
    """Power of one device in kW by phase, all float32 (); PUE included."""

    training_kw: jax.Array
    scoring_kw: jax.Array
    idle_kw: jax.Array
    switching_kw: jax.Array


class Schedule(NamedTuple):
    """When each job runs if nothing stops it."""

    start_s: jax.Array  # (J,) float32, inf where the job does not start in this interval
    finish_s: jax.Array  # (J,) float32, inf where it does not start; may lie beyond the interval
    busy_s: jax.Array  # (G,) float32, end of each device's last job; its ready time without a job


class Phases(NamedTuple):
    """What every device does in the interval: supernet [0, prelude), switching [.., ready), work [.., busy), idle."""

    prelude_s: jax.Array  # () float32
    ready_s: jax.Array  # (G,) float32, at least the prelude
    busy_s: jax.Array  # (G,) float32, at least ready
    evaluates: jax.Array  # (G,) bool


def ready_times(
    evaluating: jax.Array, before: jax.Array, prelude_s: jax.Array, switch_s: jax.Array, n: int
) -> jax.Array:
    """When each of n devices can begin its work, float32 (n,): devices that change stage lose `switch_s` first.

    Args:
      evaluating: devices that evaluate now, int32 (); they are the first ones.
      before: devices that evaluated in the interval before, int32 (); negative where there was none.
      prelude_s: end of the supernet's training, float32 ().
      switch_s: seconds that a change of stage costs, float32 ().
      n: static number of devices.
    """
    device = jnp.arange(n)
    changed = (before >= 0) & ((device < evaluating) != (device < before))
    return prelude_s + jnp.where(changed, switch_s, 0.0)


def schedule(
    seconds: jax.Array, valid: jax.Array, ready_s: jax.Array, evaluating: jax.Array, end_s: jax.Array
) -> Schedule:
    """Give the jobs, in order, to whichever evaluating device is free first (ties: the smaller number).

    Args:
      seconds: time that each job still needs, float32 (J,).
      valid: bool (J,), True where there is a job.
      ready_s: when each device can begin, float32 (G,).
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

    evaluates = jnp.arange(ready_s.shape[0]) < evaluating
    free, (start, finish) = jax.lax.scan(assign, jnp.where(evaluates, ready_s, jnp.inf), (seconds, valid))
    return Schedule(start, finish, jnp.where(evaluates, free, ready_s))


def worked_s(phases: Phases, at_s: jax.Array) -> jax.Array:
    """Seconds that each device has worked by time `at_s` (), training or scoring, float32 (G,)."""
    return jnp.clip(at_s - phases.ready_s, min=0.0, max=phases.busy_s - phases.ready_s)


def device_seconds(phases: Phases, at_s: jax.Array) -> dict[str, jax.Array]:
    """Device-seconds by time `at_s` (): `supernet`, `switching`, `training`, `scoring`, `idle`; float32 () each."""
    n = phases.ready_s.shape[0]
    supernet = n * jnp.minimum(at_s, phases.prelude_s)
    switching = jnp.sum(jnp.clip(at_s - phases.prelude_s, min=0.0, max=phases.ready_s - phases.prelude_s))
    work = worked_s(phases, at_s)
    training = jnp.sum(jnp.where(phases.evaluates, work, 0.0))
    scoring = jnp.sum(jnp.where(phases.evaluates, 0.0, work))
    idle = jnp.sum(jnp.maximum(at_s - phases.busy_s, 0.0))
    return {"supernet": supernet, "switching": switching, "training": training, "scoring": scoring, "idle": idle}


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
    knots = jnp.concatenate([zero, phases.prelude_s[None], phases.ready_s, phases.busy_s, end_s[None]])
    knots = jnp.sort(jnp.clip(knots, min=0.0, max=end_s))
    energies = jax.vmap(lambda t: energy_kwh(phases, power, t))(knots)
    after = jnp.argmax(energies >= limit_kwh)  # the first knot at or above the limit
    low, high = jnp.maximum(after - 1, 0), after
    gained = energies[high] - energies[low]
    share = jnp.where(gained > 0, (limit_kwh - energies[low]) / jnp.where(gained > 0, gained, 1.0), 0.0)
    reached = knots[low] + jnp.clip(share, min=0.0, max=1.0) * (knots[high] - knots[low])
    return jnp.where(energies[-1] > limit_kwh, reached, end_s)
