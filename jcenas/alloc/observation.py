"""What an allocation policy sees at the start of an hour."""

import jax
import jax.numpy as jnp
from flax import struct


class Observation(struct.PyTreeNode):
    """State of grid, queue and search at the start of one hour.

    Letters: W hours in the window of intensities, L hours of forecast, q quantiles, T hours of the whole run.

    The window is what the policy may know: the past hours, or the forecast of the coming ones, or both; it decides the
    minimum and the maximum of the heuristics. One hour; `vmap` for many searches.
    """

    intensity_now: jax.Array  # () float32, gCO2eq/kWh of this hour
    window: jax.Array  # (W,) float32, gCO2eq/kWh
    window_mask: jax.Array  # (W,) bool, True where `window` holds a known hour
    queue: jax.Array  # () int32, scored proposals that wait for training
    capacity: jax.Array  # () int32, most proposals that the queue holds
    half_finished: jax.Array  # () int32, trainings cut by the end of an hour
    time_left: jax.Array  # () float32, fraction of the run's hours that remain, in [0, 1]
    carbon_left: jax.Array  # () float32, fraction of the carbon budget that remains, in [0, 1]; 1 without a budget
    hypervolume: jax.Array  # () float32, hypervolume over the largest known, in [0, 1]
    evaluations: jax.Array  # () int32, finished evaluations
    forecast: jax.Array  # (L, q) float32, quantiles of the coming hours, gCO2eq/kWh; the first is this hour
    future: jax.Array  # (T,) float32, what the intensity will really be, this hour first; only the oracle may look
    hours_left: jax.Array  # () float32, hours until the time budget is spent
    affordable: jax.Array  # () float32, carbon left / power of all devices training, g/kWh * h; inf without a budget
    idle_share: jax.Array  # () float32, power of an idle device over that of one that trains, in [0, 1)

    @property
    def low(self) -> jax.Array:
        """Smallest intensity known: of the window and now, float32 ()."""
        return jnp.minimum(self.intensity_now, jnp.min(self.window, where=self.window_mask, initial=jnp.inf))

    @property
    def high(self) -> jax.Array:
        """Largest intensity known: of the window and now, float32 ()."""
        return jnp.maximum(self.intensity_now, jnp.max(self.window, where=self.window_mask, initial=-jnp.inf))


def observe(
    intensity_now,
    window,
    *,
    window_mask=None,
    queue=0,
    capacity=10,
    half_finished=0,
    time_left=1.0,
    carbon_left=1.0,
    hypervolume=0.0,
    evaluations=0,
    forecast=None,
    future=None,
    hours_left=24.0,
    affordable=float("inf"),
    idle_share=0.0,
) -> Observation:
    """Build an observation from plain numbers, with the dtypes of the contract; see `Observation` for the fields.

    Without a forecast the intensity is expected to stay as it is for 24 hours; without a future it is that forecast.
    """
    window = jnp.asarray(window, jnp.float32)
    mask = jnp.ones(window.shape, bool) if window_mask is None else jnp.asarray(window_mask, bool)
    real = lambda x: jnp.asarray(x, jnp.float32)
    count = lambda x: jnp.asarray(x, jnp.int32)
    forecast = jnp.full((24, 3), intensity_now, jnp.float32) if forecast is None else real(forecast)
    future = forecast[:, forecast.shape[1] // 2] if future is None else real(future)
    return Observation(
        intensity_now=real(intensity_now),
        window=window,
        window_mask=mask,
        queue=count(queue),
        capacity=count(capacity),
        half_finished=count(half_finished),
        time_left=real(time_left),
        carbon_left=real(carbon_left),
        hypervolume=real(hypervolume),
        evaluations=count(evaluations),
        forecast=forecast,
        future=future,
        hours_left=real(hours_left),
        affordable=real(affordable),
        idle_share=real(idle_share),
    )
