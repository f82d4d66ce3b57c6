"""Allocation by a price of carbon: the cleanest hours that the carbon left pays, and more devices in cleaner ones.

Trainings that run side by side cannot learn from each other, so the work of d devices counts less than d times that of
one. With c_t the intensity of hour t, w_t its length and A what may be spent (`Observation.affordable`), the plan is to

    maximise  sum_t w_t g(d_t)   subject to   sum_t w_t c_t d_t / G <= A,   0 <= d_t <= G,

    g(d) = d  for d <= 1  (a part of an hour),   1 + (d^a - 1) / a  for d > 1.

g is concave, so one price p decides every hour (Lagrange): none trains where c_t > p, and elsewhere G x_t devices,

    x_t = min(1, (p / c_t)^k / G),   k = 1 / (1 - a),

with p as high as A allows. For large k this is `plan`, all devices in the cleanest hours; for small k few devices train
in all hours below the price, as in `pace`. Where idle devices draw power, the plan ends after some hour and pays for
waiting until then; the best of `HORIZONS` ends is taken.

The plan is made anew in every hour on what is known. Beyond the forecast an hour is expected to be as the mean of the
forecast's last day and the day before now. A forecast that is the same in every hour says nothing: then the day before
stands in for it. Without a carbon budget, the budget of the last day and all coming hours together is a fraction of
what all devices would emit in them.
"""

import jax
import jax.numpy as jnp

from jcenas.alloc.observation import Observation
from jcenas.alloc.planning import DAY, widths

SHARPNESS = 2.25  # k
HORIZONS = 12  # ends of the plan that are tried, where waiting costs
_STEPS = 24  # halvings of the price's logarithm
_RAMP = 0.1  # above the hour's own intensity the price brings in the first device little by little: hours may be equal
_SAME = 1e-3  # of the mean: forecasts that differ less than this say nothing
_LEAST = 1e-3  # of the mean: intensities are taken to be at least that
_ROUNDING = 1e-6


def expected_hours(observation: Observation) -> jax.Array:
    """Intensity to be expected of the coming hours, float32 (T,); this hour first."""
    median = observation.forecast[:, observation.forecast.shape[1] // 2]
    lead, hours = median.shape[0], max(observation.future.shape[0], median.shape[0])
    period, i = min(lead, DAY), jnp.arange(hours)
    foreseen = median[jnp.where(i < lead, i, lead - period + (i - lead) % period)]
    past, known = _day_before(observation, hours)
    silent = jnp.max(median) - jnp.min(median) <= _SAME * jnp.mean(median)
    foreseen = jnp.where(silent & known & (i > 0), past, foreseen)
    both = jnp.where(known, (foreseen + past) / 2, foreseen)
    return jnp.where(i < lead, foreseen, both)


def _day_before(observation: Observation, hours: int) -> tuple[jax.Array, jax.Array]:
    """The hour of the last day at the time of day of each coming hour, float32 (hours,), and whether it is known."""
    window, mask = observation.window, observation.window_mask
    lacking = max(DAY - window.shape[0], 0)
    window, mask = jnp.pad(window, (lacking, 0))[-DAY:], jnp.pad(mask, (lacking, 0))[-DAY:]
    i = jnp.arange(hours) % DAY
    return window[i], mask[i]


def shares(intensity: jax.Array, price: jax.Array, devices: jax.Array) -> jax.Array:
    """The module's x_t, float32 (T,), at a price, float32 ()."""
    ratio = price / intensity
    first = jnp.clip((ratio - 1) / _RAMP, min=0.0, max=1.0)
    more = jnp.maximum(ratio / (1 + _RAMP), 1.0) ** SHARPNESS
    return jnp.minimum(first * more / devices, 1.0)


def priced(intensity: jax.Array, width: jax.Array, affordable: jax.Array, devices: jax.Array) -> jax.Array:
    """The plan x, float32 (T,), that spends what is affordable; all ones where that pays for everything.

    Args:
      intensity: c, float32 (T,), above 0.
      width: w, float32 (T,), hours; 0 outside the horizon.
      affordable: A, float32 (), g/kWh * h; 0 or less pays for nothing.
      devices: G, float32 ().
    """
    exists = width > 0
    lowest = jnp.log(jnp.min(intensity, where=exists, initial=jnp.inf))
    highest = jnp.log(jnp.max(intensity, where=exists, initial=0.0)) + jnp.log(devices) / SHARPNESS + 2 * _RAMP

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        spent = jnp.sum(width * intensity * shares(intensity, jnp.exp(middle), devices))
        return jnp.where(spent <= affordable, middle, low), jnp.where(spent <= affordable, high, middle)

    low, _ = jax.lax.fori_loop(0, _STEPS, halve, (lowest, highest))
    part = jnp.where(affordable > 0, shares(intensity, jnp.exp(low), devices), 0.0)
    return jnp.where(jnp.sum(width * intensity) <= affordable * (1 + _ROUNDING), 1.0, part)


def _worth(x: jax.Array, devices: jax.Array) -> jax.Array:
    """G of the module's problem, for shares x."""
    d, a = x * devices, 1 - 1 / SHARPNESS
    return jnp.where(d <= 1, d, 1 + (jnp.maximum(d, 1.0) ** a - 1) / a)


def _within_budget(intensity: jax.Array, observation: Observation, devices: jax.Array) -> jax.Array:
    """Share of this hour, float32 (), in the best plan that a carbon budget pays, waiting included."""
    hour, width, idle = jnp.arange(intensity.shape[0]), widths(observation, intensity.shape[0]), observation.idle_share

    left = jnp.maximum(observation.hours_left, 1.0)
    ends = jnp.ceil(left ** (jnp.arange(HORIZONS) / (HORIZONS - 1)) - 1e-3)  # 1, ..., all hours: many short ones

    def until(end):
        here = jnp.where(hour < end, width, 0.0)
        affordable = (observation.affordable - idle * jnp.sum(intensity * here)) / (1 - idle)
        x = priced(intensity, here, affordable, devices)
        return jnp.sum(here * _worth(x, devices)), x[0]

    gain, now = jax.vmap(until)(ends)
    best = jnp.max(gain)
    longest = jnp.max(jnp.where(gain >= best * (1 - 1e-5), jnp.arange(HORIZONS), 0))
    hopeless = (best <= 0) & (observation.affordable > 0)  # waiting would use up everything: train while it lasts
    return jnp.where(hopeless, 1.0, now[longest])


def price(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Replan in every hour; `params`, float32 (), is the fraction of all carbon that stands in for a budget."""
    del key
    intensity = expected_hours(observation)
    least = _LEAST * jnp.maximum(jnp.mean(intensity), 1e-6)
    intensity, devices = jnp.maximum(intensity, least), observation.devices.astype(jnp.float32)
    hours = jnp.concatenate([jnp.maximum(observation.window, least), intensity])
    width = jnp.concatenate([observation.window_mask.astype(jnp.float32), widths(observation, intensity.shape[0])])
    unlimited = priced(hours, width, params * jnp.sum(hours * width), devices)[observation.window.shape[0]]
    limited = jnp.isfinite(observation.affordable)
    return jnp.where(limited, _within_budget(intensity, observation, devices), unlimited)
