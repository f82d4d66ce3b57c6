"""Observations from plain numbers: what a test does not name has a value that decides nothing."""

import jax.numpy as jnp
import pytest

from jcenas.alloc.observation import Observation

DEFAULTS = {
    "queue": 0,
    "capacity": 10,
    "half_finished": 0,
    "time_left": 1.0,
    "carbon_left": 1.0,
    "hypervolume": 0.0,
    "evaluations": 0,
    "hours_left": 24.0,
    "affordable": float("inf"),
    "idle_share": 0.0,
    "devices": 8,
}
COUNTS = ("queue", "capacity", "half_finished", "evaluations", "devices")


def observation_of(intensity_now, window, *, window_mask=None, forecast=None, future=None, **numbers):
    """An observation with the contract's dtypes.

    Without a forecast the intensity is expected to stay as it is for 24 hours; without a future it is that forecast.
    """
    assert numbers.keys() <= DEFAULTS.keys()
    window = jnp.asarray(window, jnp.float32)
    forecast = jnp.full((24, 3), intensity_now) if forecast is None else jnp.asarray(forecast)
    future = forecast[:, forecast.shape[1] // 2] if future is None else jnp.asarray(future)
    return Observation(
        intensity_now=jnp.float32(intensity_now),
        window=window,
        window_mask=jnp.asarray([True] * len(window) if window_mask is None else window_mask),
        forecast=forecast.astype(jnp.float32),
        future=future.astype(jnp.float32),
        **{
            name: jnp.asarray(value, jnp.int32 if name in COUNTS else jnp.float32)
            for name, value in (DEFAULTS | numbers).items()
        },
    )


@pytest.fixture(scope="session")
def observe():
    """The maker of this file, for test modules, which cannot import it."""
    return observation_of
