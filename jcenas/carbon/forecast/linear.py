"""The linear base forecast of one series: ridge regression of 96 hours on the past week, the calendar and the weather.

Fitted in closed form to the origins of one hour of the day, so every hour ahead has weights of its own. With weather it
is stronger than the boosted trees that carbon forecasts are commonly compared with, and it errs elsewhere than the
network: their mean beats both. (A network that corrects this base was worse than the base alone in January to June
2021, for it overfits to the residuals of few windows.) The penalty
is generalised: groups of inputs have their own strength, and weather counts less the further its day lies from the day
that is forecast. The strengths were chosen on January to June 2021 with fits to earlier data.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas import units
from jcenas.carbon.forecast import features
from jcenas.carbon.forecast.network import log_intensity
from jcenas.errors import InputError

PENALTY = 200.0
MIN_WINDOWS = 60
_CLIP = 4.0  # standard deviations; a broken meter must not throw the forecast off
_DAYS = features.HORIZON_H // units.HOURS_PER_DAY
_NEAR = (1.0, 0.7, 0.5, 0.5)  # strength of weather by the distance in days
# Strength of each group for day 1, and for days 2 to 4; the mix tells of tomorrow only.
_GROUPS = {
    "yesterday": (2.0, 1.0),
    "before": (1.0, 1.0),
    "calendar": (2.0, 2.0),
    "weather": (1.4, 1.4),
    "past_weather": (0.5, 0.5),
    "mix": (0.5, 0.0),
}


class LinearBase(struct.PyTreeNode):
    """Weights of one series. Letters: p inputs, h = 96."""

    mean: jax.Array  # (p,) float32, of the inputs over the training windows
    scale: jax.Array  # (p,) float32, their standard deviation
    weights: jax.Array  # (p, h) float32, of the standardised inputs
    bias: jax.Array  # (h,) float32, log-ratio to the level of the window

    def __call__(self, history: jax.Array, known_future: jax.Array) -> jax.Array:
        """Forecast one window: log g/kWh (96,) from history (168, 16) and known future (96, 12)."""
        x, level = inputs(history, known_future)
        return standardise(x, self.mean, self.scale) @ self.weights + self.bias + level


def standardise(x: jax.Array, mean: jax.Array, scale: jax.Array) -> jax.Array:
    """Inputs (p,) in standard deviations, clipped."""
    return jnp.clip((x - mean) / scale, -_CLIP, _CLIP)


def inputs(history: jax.Array, known_future: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Inputs (p,) of one window and its level (); unknown numbers become 0, so that their weight has no effect."""
    parts, level = _parts(history, known_future)
    return jnp.nan_to_num(jnp.concatenate([part.ravel() for _, _, part in parts])), level


def _parts(history: jax.Array, known_future: jax.Array) -> tuple[list[tuple[str, int | None, jax.Array]], jax.Array]:
    """(group, day of the future or None, values) of one window, and the mean log intensity of its past."""
    hours = units.HOURS_PER_DAY
    log_past = log_intensity(history[:, features.INTENSITY])
    level = log_past.mean()
    days = (log_past - level).reshape(-1, hours)
    calendar = known_future[::hours, : features.FUTURE_WEATHER.start]
    parts = [("yesterday", None, days[-1]), ("before", None, days[-2])]
    parts += [("yesterday", None, days.mean(axis=0)), ("yesterday", None, days.mean(axis=1))]
    parts += [("calendar", None, calendar[0, 4:6]), ("calendar", None, calendar[:, 6])]
    past = _weather(history[:, features.PAST_WEATHER]).reshape(days.shape[0], hours, -1)
    future = _weather(known_future[:, features.FUTURE_WEATHER]).reshape(_DAYS, hours, -1)
    profile = past.mean(axis=0)
    for day in range(_DAYS):
        parts += [("weather", day, _thirds(future[day] - profile)), ("weather", day, future[day].mean(axis=0))]
    parts += [("past_weather", None, past.mean(axis=1) - past.mean(axis=(0, 1))[None])]
    parts += [("past_weather", None, _thirds(past[-1] - profile))]
    mix = history[:, features.MIX]
    demand = jnp.log(jnp.maximum(mix[:, -1:], 1.0))
    mix = jnp.concatenate((mix[:, :-1], demand - demand.mean(axis=0)[None]), axis=1).reshape(days.shape[0], hours, -1)
    return [*parts, ("mix", None, _thirds(mix[-1])), ("mix", None, _thirds(mix.mean(axis=0)))], level


def _weather(raw: jax.Array) -> jax.Array:
    """Weather (T, 5) as eight inputs: with the square of wind, and degrees above and below comfort."""
    wind, temperature, dewpoint, radiation, rain = raw.T
    return jnp.stack(
        [
            wind / 3,
            temperature / 12,
            dewpoint / 12,
            radiation / 250,
            jnp.sqrt(jnp.maximum(rain, 0.0)),
            (wind / 5) ** 2,
            jnp.maximum(temperature - 291.0, 0.0) / 8,
            jnp.maximum(288.0 - temperature, 0.0) / 8,
        ],
        axis=1,
    )


def _thirds(day: jax.Array) -> jax.Array:
    """Means over three hours (8, q) of a day (24, q)."""
    return day.reshape(-1, 3, day.shape[-1]).mean(axis=1)


@functools.cache
def _strengths() -> np.ndarray:
    """Strength of every input for each day ahead, float64 (4, p)."""
    history = jax.ShapeDtypeStruct((features.WINDOW_H, len(features.HISTORY)), np.float32)
    known = jax.ShapeDtypeStruct((features.HORIZON_H, len(features.KNOWN)), np.float32)
    parts, columns = [], []
    jax.eval_shape(lambda *window: parts.extend(_parts(*window)[0]), history, known)  # sizes alone: computes nothing
    for group, day, part in parts:
        near = np.array([1.0 if day is None else _NEAR[abs(ahead - day)] for ahead in range(_DAYS)])
        first, later = _GROUPS[group]
        columns.append(np.repeat((near * np.array([first] + [later] * (_DAYS - 1)))[:, None], part.size, axis=1))
    return np.concatenate(columns, axis=1)


_batched_inputs = jax.jit(jax.vmap(inputs))


@jax.jit
def apply(base: LinearBase, history: jax.Array, known_future: jax.Array) -> jax.Array:
    """Forecasts, log g/kWh (n, 96), of windows (n, 168, 16) and (n, 96, 12)."""
    return jax.vmap(base)(history, known_future)


def _design(history: jax.Array, known_future: jax.Array, target: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, p) and log-ratios to the level (n, 96), float64."""
    x, level = _batched_inputs(history, known_future)
    y = np.asarray(log_intensity(jnp.asarray(target)) - level[:, None], np.float64)
    return np.asarray(x, np.float64), y


def _solve(x: np.ndarray, y: np.ndarray) -> LinearBase:
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    z, bias = np.clip((x - mean) / scale, -_CLIP, _CLIP), y.mean(axis=0)
    gram, moment = z.T @ z, z.T @ (y - bias)
    weights = np.empty((x.shape[1], y.shape[1]))
    for day, strength in enumerate(_strengths()):
        part = slice(day * units.HOURS_PER_DAY, (day + 1) * units.HOURS_PER_DAY)
        system = gram * strength[:, None] * strength + PENALTY * np.eye(len(strength))
        weights[:, part] = strength[:, None] * np.linalg.solve(system, strength[:, None] * moment[:, part])
    mean, scale, weights, bias = (jnp.asarray(value, jnp.float32) for value in (mean, scale, weights, bias))
    return LinearBase(mean=mean, scale=scale, weights=weights, bias=bias)


def fit(history: jax.Array, known_future: jax.Array, target_g_per_kwh: jax.Array) -> LinearBase:
    """Fit the base to n windows whose origins share one hour of the day.

    Args:
      history: (n, 168, 16).
      known_future: (n, 96, 12).
      target_g_per_kwh: (n, 96).

    Raises:
      InputError: fewer than 60 windows.
    """
    if len(target_g_per_kwh) < MIN_WINDOWS:
        raise InputError(
            f"{len(target_g_per_kwh)} days are too few to fit a forecast; give at least {MIN_WINDOWS + 11} days of data"
        )
    x, y = _design(history, known_future, target_g_per_kwh)
    return _solve(x, y)
