"""What an allocation policy is told at the start of an hour: built here, for both clusters and the training ground.

Three records hold what is known: the search's `Status`, the grid's `Outlook`, and the `Budget`. Nothing has a default,
so that no runner can leave out what a policy decides by.

Letters: W past hours, L hours of forecast, q quantiles, T hours of the whole run.
"""

import jax
import jax.numpy as jnp
from flax import struct

from jcenas import units
from jcenas.alloc.observation import Observation


class Status(struct.PyTreeNode):
    """Progress of the search: queue, cut trainings, hypervolume and evaluations."""

    queued: jax.Array  # () int32, scored proposals that wait for training
    capacity: jax.Array  # () int32, most proposals that the queue holds
    half_finished: jax.Array  # () int32, trainings cut by the end of an hour
    hypervolume: jax.Array  # () float32, over the largest known, in [0, 1]
    evaluations: jax.Array  # () int32, finished evaluations


class Outlook(struct.PyTreeNode):
    """Carbon intensity, known and forecast, at the start of one hour, gCO2eq/kWh."""

    intensity: jax.Array  # () float32, of this hour
    past: jax.Array  # (W,) float32, of the hours before, the latest last
    past_known: jax.Array  # (W,) bool, False for hours before all records
    forecast: jax.Array  # (L, q) float32, quantiles of the coming hours, ascending in q; the first hour is this one
    future: jax.Array  # (T,) float32, the truth, this hour first; NaN where nobody knows it


class Budget(struct.PyTreeNode):
    """Time and carbon budget, what is left of them, and the power of the devices that spend them."""

    duration_s: jax.Array  # () float32, time budget, s of device time
    left_s: jax.Array  # () float32, of it, not yet spent
    hour_s: jax.Array  # () float32, device-seconds that one hour of the trace lasts; 3600 in real time
    carbon_g: jax.Array  # () float32, carbon budget; inf for none
    carbon_left_g: jax.Array  # () float32, of it, not yet spent
    training_kw: jax.Array  # () float32, all devices training, PUE included
    idle_kw: jax.Array  # () float32, all devices idle
    devices: jax.Array  # () int32, how many there are


def budget_left(budget: Budget) -> jax.Array:
    """Share of the scarcer one of the time and carbon budgets that is not spent, float32 () in [0, 1]."""
    return jnp.clip(jnp.minimum(budget.left_s / budget.duration_s, _carbon_left(budget)), 0.0, 1.0)


def _carbon_left(budget: Budget) -> jax.Array:
    """Share of the carbon budget that is not spent, float32 (); 1 where there is none."""
    limited = jnp.isfinite(budget.carbon_g)
    return jnp.where(limited, budget.carbon_left_g / jnp.where(limited, budget.carbon_g, 1.0), 1.0)


def observe(status: Status, outlook: Outlook, budget: Budget) -> Observation:
    """The observation of one hour; traces under `jit` and `vmap`."""
    powered = budget.training_kw > 0
    kwh_an_hour = jnp.where(powered, budget.training_kw * budget.hour_s / units.SECONDS_PER_HOUR, 1.0)
    return Observation(
        intensity_now=outlook.intensity,
        window=outlook.past,
        window_mask=outlook.past_known,
        queue=status.queued,
        capacity=status.capacity,
        half_finished=status.half_finished,
        time_left=budget.left_s / budget.duration_s,
        carbon_left=_carbon_left(budget),
        hypervolume=status.hypervolume,
        evaluations=status.evaluations,
        forecast=outlook.forecast,
        future=outlook.future,
        hours_left=budget.left_s / budget.hour_s,
        affordable=jnp.where(powered, budget.carbon_left_g / kwh_an_hour, jnp.inf),
        idle_share=jnp.where(powered, budget.idle_kw / jnp.where(powered, budget.training_kw, 1.0), 0.0),
        devices=budget.devices,
    )
