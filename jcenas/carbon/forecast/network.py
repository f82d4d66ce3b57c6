"""The forecaster: a transformer over patches of hours, past and future, that corrects a seasonal base forecast.

Patches of hours as tokens follow PatchTST (Nie et al., ICLR 2023): attention over 7 + 4 tokens instead of 168 + 96
hours. Every token of the future also sees the same hours of yesterday and of the past week, so that a plain seasonal
forecast needs no attention at all. The output is a log-ratio to the base

    base[h] = exp( (1 - b_d) * log y[h - 24 d] + b_d * mean over the past week of log y at this hour of the day )

where d = 1..4 is the day ahead of hour h. Quantiles cannot cross: the network gives the median and positive distances.
Log intensities enter, and corrections leave, in standard deviations of the window's own past week, so one network
serves calm and wild zones from 20 to 800 g/kWh (reversible instance normalisation: Kim et al., ICLR 2022).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcenas import units
from jcenas.carbon.forecast import features

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
MEDIAN = LEVELS.index(0.50)
FLOOR_G_PER_KWH = 1.0  # of the logarithm: a grid without any emissions in an hour is forecast as 1 g/kWh
COMMON_SCALE = 0.5  # of log intensities, where windows are not put on their own scale
SMALLEST_SCALE = 0.02  # of log intensities: a flat week does not forbid every change
WEEK_SHARE = (0.4, 0.6, 0.7, 0.8)  # b_d of the base, days 1 to 4
# Fixed constants of the weather: wind speed m/s, temperature K, dewpoint K, short-wave W/m2, precipitation.
_WEATHER_CENTRE = np.array([5.0, 285.0, 278.0, 200.0, 0.0], np.float32)
_WEATHER_SCALE = np.array([3.0, 12.0, 12.0, 250.0, 0.3], np.float32)


def log_intensity(intensity_g_per_kwh: jax.Array) -> jax.Array:
    """Natural logarithm of intensities, floored at `FLOOR_G_PER_KWH`; any shape."""
    return jnp.log(jnp.maximum(intensity_g_per_kwh, FLOOR_G_PER_KWH))


def seasonal(past: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Yesterday and the mean of the past days at the hours of one day ahead.

    Args:
      past: (w, ...), w a multiple of 24; the last row is the hour before the origin.

    Returns:
      Two arrays (24, ...): values 24 h before the first day ahead, and means over the w / 24 days.
    """
    days = past.reshape(-1, units.HOURS_PER_DAY, *past.shape[1:])
    return days[-1], days.mean(axis=0)


def base_forecast(log_past: jax.Array) -> jax.Array:
    """The base forecast, log g/kWh (96,), of log intensities (w,)."""
    yesterday, week = seasonal(log_past)
    share = jnp.asarray(WEEK_SHARE, jnp.float32)[:, None]
    return ((1 - share) * yesterday[None] + share * week[None]).reshape(-1)


class Block(nn.Module):
    """Pre-norm transformer block; heads-first products, which XLA:CPU runs best."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to tokens (T, d)."""
        width = x.shape[-1]
        part = width // self.heads
        y = nn.LayerNorm(name="norm_attention")(x)
        qkv = nn.Dense(3 * width, name="qkv")(y).reshape(-1, 3, self.heads, part)
        q, k, v = jnp.moveaxis(qkv, (1, 2), (0, 1))  # (heads, T, part) each
        scores = (q @ k.swapaxes(1, 2)) * (part**-0.5)
        mixed = nn.softmax(scores) @ v
        x = x + nn.Dense(width, name="out")(jnp.moveaxis(mixed, 0, 1).reshape(-1, width))
        y = nn.LayerNorm(name="norm_mlp")(x)
        y = nn.Dense(2 * width, name="mlp_in")(y)
        return x + nn.Dense(width, name="mlp_out")(nn.gelu(y))


class ForecastNetwork(nn.Module):
    """Transformer from one window to log quantiles; written for one window, `vmap` at the edge.

    Attributes:
      zones: how many zones have an embedding of their own, beside the unknown zone 0.
      width: d_model.
      layers: number of blocks.
      heads: attention heads.
      patch_h: hours of a token; divides 24.
      own_scale: put every window on the scale of its own past week: for zones that were never seen. Without it, all
        windows share one scale: better for zones that were trained on, by 1 to 2 % of the error in early 2021.
    """

    zones: int = 0
    width: int = 64
    layers: int = 3
    heads: int = 4
    patch_h: int = 24
    own_scale: bool = True

    @nn.compact
    def __call__(self, history: jax.Array, known_future: jax.Array, zone: jax.Array | int = 0) -> jax.Array:
        """Forecast one window.

        Args:
          history: (168, 16) float32, the columns `features.HISTORY`; NaN where unknown, but not the intensity.
          known_future: (96, 12) float32, the columns `features.KNOWN`; NaN where unknown.
          zone: () int, number of the zone, 0 for a zone without an embedding.

        Returns:
          Quantiles of the log intensity (log g/kWh), float32 (96, 7), ascending, in the order of `LEVELS`.
        """
        log_past = log_intensity(history[:, features.INTENSITY])
        base = base_forecast(log_past)
        scale = log_past.std() + SMALLEST_SCALE if self.own_scale else jnp.float32(COMMON_SCALE)
        past, future = _standard(
            history, (log_past - log_past.mean()) / scale, known_future, (base - log_past.mean()) / scale
        )
        tokens = [_patches(past, self.patch_h), _patches(future, self.patch_h)]
        n_future = tokens[1].shape[0]
        x = jnp.concatenate(
            [nn.Dense(self.width, name=name)(part) for name, part in zip(("past", "future"), tokens, strict=True)]
        )
        initial = nn.initializers.normal(0.02)
        x = x + self.param("position", initial, x.shape)
        x = x + self.param("zone", initial, (self.zones + 1, self.width))[jnp.asarray(zone)][None]
        for i in range(self.layers):
            x = Block(self.heads, name=f"block_{i}")(x)
        x = nn.LayerNorm(name="norm")(x[-n_future:])
        small = nn.initializers.normal(0.01)
        out = nn.Dense(self.patch_h * len(LEVELS), kernel_init=small, name="head")(x)
        out = out + nn.Dense(out.shape[-1], kernel_init=nn.initializers.zeros, use_bias=False, name="skip")(tokens[1])
        return base[:, None] + scale * ordered(out.reshape(-1, len(LEVELS)))


def ordered(raw: jax.Array) -> jax.Array:
    """Ascending quantiles (..., 7) from free numbers (..., 7): the median, and distances by softplus on either side."""
    median = raw[..., MEDIAN : MEDIAN + 1]
    steps = nn.softplus(raw - 1.0)  # 0.3 standard deviations of the past week at the start
    below = jnp.cumsum(steps[..., :MEDIAN][..., ::-1], axis=-1)[..., ::-1]
    above = jnp.cumsum(steps[..., MEDIAN + 1 :], axis=-1)
    return jnp.concatenate((median - below, median, median + above), axis=-1)


def _standard(
    history: jax.Array, standard_past: jax.Array, known_future: jax.Array, standard_base: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scaled inputs without NaN: past (w, p) and future (h, p + p + k), the latter with the seasonal values beside."""
    mix, demand = history[:, features.MIX][:, :-1], jnp.log(jnp.maximum(history[:, features.MIX][:, -1:], 1.0))
    demand = demand - jnp.nanmean(demand, axis=0, keepdims=True)
    past = jnp.concatenate(
        (
            standard_past[:, None],
            mix,
            2.0 * demand,
            _weather(history[:, features.PAST_WEATHER]),
            history[:, -1:],
            jnp.isfinite(mix[:, :1]).astype(jnp.float32),
            jnp.isfinite(history[:, features.PAST_WEATHER][:, :1]).astype(jnp.float32),
        ),
        axis=1,
    )
    past = jnp.nan_to_num(past)
    weather = _weather(known_future[:, features.FUTURE_WEATHER])
    calendar = known_future[:, : features.FUTURE_WEATHER.start]
    mask = jnp.isfinite(weather[:, :1]).astype(jnp.float32)
    yesterday, week = seasonal(past)
    days = standard_base.shape[0] // units.HOURS_PER_DAY
    own = jnp.concatenate((calendar, jnp.nan_to_num(weather), mask, standard_base[:, None]), axis=1)
    return past, jnp.concatenate((own, jnp.tile(yesterday, (days, 1)), jnp.tile(week, (days, 1))), axis=1)


def _weather(raw: jax.Array) -> jax.Array:
    return (raw - _WEATHER_CENTRE[None]) / _WEATHER_SCALE[None]


def _patches(x: jax.Array, hours: int) -> jax.Array:
    """Rows (T, p) grouped into tokens (T / hours, hours * p)."""
    return x.reshape(x.shape[0] // hours, -1)
