"""Planning over the hours that are left: which of them should train, given what the grid will do and what may be spent.

The problem of the timing part. Let c_t be the intensity of hour t, w_t its length, x_t in [0, 1] the share of the
devices that train in it, and let training bring the same whenever it happens. Then

    maximise  sum_t w_t x_t   subject to   sum_t w_t c_t x_t <= A,   sum_t w_t x_t <= F sum_t w_t,

where A (`Observation.affordable`) is the carbon left over the power of all devices. This is a fractional knapsack in
which every item has the value w_t at the price w_t c_t, so taking the hours from the cleanest up is optimal (Dantzig
1957): were a unit of time taken in a dirtier hour while a cleaner one had room, moving it would free carbon. The second
constraint has equal prices, so the same order serves both.

Where idle devices draw power too, a share s of that of training, the plan to stop after hour h leaves (A - s sum_{t<=h}
w_t c_t) / (1 - s) for training. The problem is solved for every h, and the h that trains the most is taken.

With the true future this is the **oracle**: no policy trains for more device-hours within the same carbon, whatever it
knows. It bounds the timing only: a search learns from what it has trained, so *when* a candidate is trained also
decides what is proposed next, which the bound leaves out.

**Pace** takes that into account by a rule: of trainings that run side by side none learns from another, so the same
number of them is worth more on few devices for long. It solves the problem with x_t <= W, W the least share that can
still spend the carbon.
"""

import jax
import jax.numpy as jnp

from jcenas.alloc.observation import Observation

DAY = 24


def cheapest_first(intensity: jax.Array, width: jax.Array, affordable: jax.Array, wanted: jax.Array) -> jax.Array:
    """The optimal shares x, float32 (T,), of the module's problem.

    Args:
      intensity: c, float32 (T,).
      width: w, float32 (T,), hours; 0 outside the horizon.
      affordable: A, float32 (), g/kWh * h; inf for no limit.
      wanted: F sum_t w_t, float32 (), hours.
    """
    order = _cleanest(intensity, width)
    x = _in_order(intensity[order], width[order], affordable, wanted)
    return jnp.zeros_like(x).at[order].set(x)


def _cleanest(intensity: jax.Array, width: jax.Array) -> jax.Array:
    """The hours from the cleanest up, int32 (T,); those outside the horizon last."""
    return jnp.argsort(jnp.where(width > 0, intensity, jnp.inf), stable=True)


def _in_order(c: jax.Array, w: jax.Array, affordable: jax.Array, wanted: jax.Array) -> jax.Array:
    """`cheapest_first` of hours that are in order already."""
    price = jnp.where(w > 0, c * w, 0.0)
    spent_before = jnp.cumsum(price) - price
    time_before = jnp.cumsum(w) - w
    safe = jnp.where(price > 0, price, 1.0)
    by_carbon = jnp.where(price > 0, (affordable - spent_before) / safe, 1.0)
    by_time = jnp.where(w > 0, (wanted - time_before) / jnp.where(w > 0, w, 1.0), 0.0)
    x = jnp.clip(jnp.minimum(by_carbon, by_time), min=0.0, max=1.0)
    return jnp.where(w > 0, x, 0.0)


def expected_hours(observation: Observation) -> jax.Array:
    """Intensity of the coming hours, float32 (T,): the forecast's median, its last day repeated beyond its end."""
    median = observation.forecast[:, observation.forecast.shape[1] // 2]
    lead, hours = median.shape[0], max(observation.future.shape[0], median.shape[0])
    period = min(lead, DAY)
    i = jnp.arange(hours)
    return median[jnp.where(i < lead, i, lead - period + (i - lead) % period)]


def widths(observation: Observation, hours: int) -> jax.Array:
    """How much of each coming hour lies within the time budget, float32 (hours,) in [0, 1]; this hour first."""
    return jnp.clip(observation.hours_left - jnp.arange(hours), min=0.0, max=1.0)


def _share_now(
    intensity: jax.Array, fraction: jax.Array, observation: Observation, most: jax.Array | float = 1.0
) -> jax.Array:
    """Share of this hour in the optimal plan whose shares are at most `most`, float32 () in [0, 1]."""
    hour, width = jnp.arange(intensity.shape[0]), widths(observation, intensity.shape[0])
    wanted, idle = fraction * jnp.sum(width), observation.idle_share
    waiting = idle * jnp.cumsum(intensity * width)  # what idling to the end of each hour costs
    order = _cleanest(intensity, width)  # of every horizon: hours beyond it have no width
    this = jnp.argmin(order)

    def until(last):
        here = jnp.where(order <= last, width[order], 0.0)
        affordable = (observation.affordable - waiting[last]) / (1 - idle)
        x = _in_order(intensity[order], here, affordable / most, wanted)
        return jnp.sum(here * x), most * x[this]

    gain, now = jax.vmap(until)(hour)
    best = jnp.max(gain)
    longest = jnp.max(jnp.where(gain >= best * (1 - 1e-5), hour, 0))  # of equal plans the one with the most hours
    # Where waiting would use up everything, what is left is spent at once.
    hopeless = (best <= 0) & (wanted > 0) & (observation.affordable > 0)
    return jnp.where(hopeless, 1.0, now[longest])


def plan(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Replan in every hour on the forecast; `params` is F, float32 ()."""
    del key
    return _share_now(expected_hours(observation), params, observation)


def widest(intensity: jax.Array, least: jax.Array | float, observation: Observation) -> jax.Array:
    """W, the most devices at once that `pace` allows, float32 () in (0, 1].

    It is `least`, or more where that share in all remaining hours would leave carbon over; without a budget it is 1.
    """
    idle = observation.idle_share
    price = jnp.sum(intensity * widths(observation, intensity.shape[0]))
    even = (observation.affordable - idle * price) / jnp.where(price > 0, (1 - idle) * price, 1.0)
    return jnp.clip(jnp.maximum(least, even), min=1e-3, max=1.0)  # a share above 0 is a device at least


def pace(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Replan in every hour on the forecast, on few devices; `params` is the least W, float32 ()."""
    del key
    intensity = expected_hours(observation)
    return _share_now(intensity, jnp.float32(1.0), observation, widest(intensity, params, observation))


def oracle(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Replan in every hour on the true future; `params` is F, float32 ()."""
    del key
    return _share_now(observation.future, params, observation)
