"""The observation as the network sees it: one vector whose parts are all of the order of 1.

Intensities enter relative to the mean of the forecast's median, so that one policy serves clean and dirty grids alike.
"""

import jax
import jax.numpy as jnp

from jcenas.alloc.observation import Observation
from jcenas.alloc.planning import cheapest_first, expected_hours, widest, widths
from jcenas.alloc.policies import relative_intensity

LEAD = 24  # hours of forecast that are seen
PACES = (0.125, 0.25)  # least shares of the two narrow plans
FEATURES = 16 + LEAD


def features(observation: Observation) -> jax.Array:
    """Vector of one observation, float32 (FEATURES,).

    In order: remaining time, remaining carbon, whether there is a carbon budget; intensity now, relative intensity in
    the heuristics' window; share of the remaining hours that the carbon left would pay at the mean intensity (at most
    2); this hour's share in the plans for all, half and a quarter of the remaining hours, and in those on few devices
    (`PACES`; idling not counted); spread of the forecast 12 h ahead; hypervolume; evaluations (logarithm), queue
    (relative to its room), half-finished (over 8); then the median forecast of 24 hours.
    """
    median = observation.forecast[:, observation.forecast.shape[1] // 2]
    hours = jnp.minimum(jnp.arange(LEAD), median.shape[0] - 1)
    level = jnp.maximum(jnp.mean(median), 1e-3)
    spread = (observation.forecast[:, -1] - observation.forecast[:, 0])[min(12, median.shape[0] - 1)]
    limited = jnp.isfinite(observation.affordable)
    left = jnp.maximum(observation.hours_left, 1e-3)
    pays = jnp.where(limited, jnp.where(limited, observation.affordable, 0.0) / (level * left), 2.0)
    coming = expected_hours(observation)
    width = widths(observation, coming.shape[0])

    def plan(part: float, most: jax.Array | float = 1.0) -> jax.Array:
        return most * cheapest_first(coming, width, observation.affordable / most, part * jnp.sum(width))[0]

    scalars = jnp.stack(
        [
            observation.time_left,
            observation.carbon_left,
            limited.astype(jnp.float32),
            observation.intensity_now / level,
            relative_intensity(observation),
            jnp.clip(pays, min=0.0, max=2.0),
            plan(1.0),
            plan(0.5),
            plan(0.25),
            *(plan(1.0, widest(coming, least, observation)) for least in PACES),
            spread / level,
            observation.hypervolume,
            jnp.log1p(observation.evaluations.astype(jnp.float32)) / 6,
            observation.queue / jnp.maximum(observation.capacity, 1),
            observation.half_finished / 8,
        ]
    )
    return jnp.concatenate([scalars, median[hours] / level]).astype(jnp.float32)
