"""What an allocation policy sees at the start of an hour."""

import jax
import jax.numpy as jnp
from flax import struct


class Observation(struct.PyTreeNode):
    """State of grid, queue and search at the start of one hour.

    Letters: W past hours, L hours of forecast, q quantiles, T hours of the whole run.

    The window holds the hours before this one, as far as they are known; it decides the minimum and the maximum of the
    heuristics. An hour is one of the trace: where a demonstration runs through it in seconds, all that is counted in
    hours here is counted in those. `jcenas.engine.observe` builds it. One hour; `vmap` for many searches.
    """

    intensity_now: jax.Array  # () float32, gCO2eq/kWh of this hour
    window: jax.Array  # (W,) float32, gCO2eq/kWh of the hours before, the latest last
    window_mask: jax.Array  # (W,) bool, True where `window` holds a known hour
    queue: jax.Array  # () int32, scored proposals that wait for training
    capacity: jax.Array  # () int32, most proposals that the queue holds
    half_finished: jax.Array  # () int32, trainings cut by the end of an hour
    time_left: jax.Array  # () float32, fraction of the run's hours that remain, in [0, 1]
    carbon_left: jax.Array  # () float32, fraction of the carbon budget that remains, in [0, 1]; 1 without a budget
    hypervolume: jax.Array  # () float32, hypervolume over the largest known, in [0, 1]
    evaluations: jax.Array  # () int32, finished evaluations
    forecast: jax.Array  # (L, q) float32, quantiles of the coming hours, gCO2eq/kWh; the first is this hour
    future: jax.Array  # (T,) float32, what the intensity will really be, this hour first; NaN where nobody knows
    hours_left: jax.Array  # () float32, hours until the time budget is spent
    affordable: jax.Array  # () float32, carbon left / power of all devices training, g/kWh * h; inf without a budget
    idle_share: jax.Array  # () float32, power of an idle device over that of one that trains, in [0, 1)
    devices: jax.Array  # () int32, of the cluster in this hour

    @property
    def low(self) -> jax.Array:
        """Smallest intensity known: of the window and now, float32 ()."""
        return jnp.minimum(self.intensity_now, jnp.min(self.window, where=self.window_mask, initial=jnp.inf))

    @property
    def high(self) -> jax.Array:
        """Largest intensity known: of the window and now, float32 ()."""
        return jnp.maximum(self.intensity_now, jnp.max(self.window, where=self.window_mask, initial=-jnp.inf))
