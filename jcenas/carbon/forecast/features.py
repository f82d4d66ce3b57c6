"""Input columns of the forecaster: the past window and the known future. NumPy on the host.

Unknown numbers are NaN; the network masks them. Nothing here is normalised: the network scales intensities by their own
past window and weather by fixed constants, so no statistic of a later period can leak into an earlier forecast.

Weather in the known future must be what a forecast issued by the origin says. The prepared tables have one value an
hour, apparently of the shortest lead, so their days 2 to 4 are fresher than a real forecast; every table says so.
"""

import datetime

import numpy as np

from jcenas import units
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

WINDOW_H = 7 * units.HOURS_PER_DAY
HORIZON_H = 4 * units.HOURS_PER_DAY
SOURCES = ("coal", "gas", "oil", "nuclear", "hydro", "solar", "wind", "other")
WEATHER = ("wind_speed", "temperature", "dewpoint", "dswrf", "precipitation")
CALENDAR = ("day_sin", "day_cos", "half_day_sin", "half_day_cos", "year_sin", "year_cos", "workday")
HISTORY = ("intensity", *SOURCES, "generation", *WEATHER, "workday")  # 16: g/kWh, shares, MW, units of the file, 0 or 1
KNOWN = (*CALENDAR, *WEATHER)  # 12

INTENSITY = HISTORY.index("intensity")
MIX = slice(HISTORY.index("coal"), HISTORY.index("generation") + 1)
PAST_WEATHER = slice(HISTORY.index("wind_speed"), HISTORY.index("workday"))
FUTURE_WEATHER = slice(KNOWN.index("wind_speed"), len(KNOWN))

_ALIASES = {"nat_gas": "gas", "natural_gas": "gas"}
_DAY_S, _YEAR_S = 86_400.0, 365.2425 * 86_400.0


def calendar(times: np.ndarray) -> np.ndarray:
    """Calendar of hours that begin at `times` (T,), UTC: float32 (T, 7) in the order of `CALENDAR`."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    day, year = 2 * np.pi * (seconds % _DAY_S) / _DAY_S, 2 * np.pi * seconds / _YEAR_S
    weekday = (seconds // int(_DAY_S) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    waves = [wave(angle) for angle in (day, 2 * day, year) for wave in (np.sin, np.cos)]
    return np.stack([*waves, weekday < 5], axis=1).astype(np.float32)


def columns(trace: CarbonTrace) -> tuple[np.ndarray, np.ndarray]:
    """History and known-future columns of every hour of an hourly trace, float32 (T, 16) and (T, 12).

    Sources beyond `SOURCES` count as other. A source that is not reported in an hour counts as nothing generated; in
    an hour without any generation, and in a trace without a mix, the shares are NaN.

    Raises:
      InputError: if the trace is not hourly.
    """
    if trace.step_seconds != units.SECONDS_PER_HOUR:
        raise InputError(f"{trace.zone or 'carbon trace'}: steps of {trace.step_seconds} s; resample to 3600 s")
    hours = len(trace)
    power = dict.fromkeys(SOURCES, np.zeros(hours))
    for name, series in trace.generation_mw.items():
        source = _ALIASES.get(name, name)
        source = source if source in power else "other"
        power[source] = power[source] + np.maximum(np.nan_to_num(series), 0)
    mix = np.stack(list(power.values()), axis=1)
    whole = mix.sum(axis=1, keepdims=True)
    known_mix = whole[:, 0] > 0
    shares = np.full((hours, len(SOURCES) + 1), np.nan)
    shares[known_mix] = np.concatenate((mix[known_mix] / whole[known_mix], whole[known_mix]), axis=1)
    missing = np.full(hours, np.nan)
    weather = np.stack([trace.weather.get(name, missing) for name in WEATHER], axis=1)
    weather[(weather == 0).all(axis=1)] = np.nan  # the prepared tables end with rows of zeros; 0 K is no temperature
    days = calendar(trace.times)
    history = np.concatenate((trace.intensity_g_per_kwh[:, None], shares, weather, days[:, -1:]), axis=1)
    return history.astype(np.float32), np.concatenate((days, weather), axis=1).astype(np.float32)


def hours_after(start: datetime.datetime, hours: int) -> np.ndarray:
    """Known-future columns of `hours` hours from `start` (UTC, full hour) on, weather unknown: float32 (hours, 12)."""
    times = np.datetime64(start.astimezone(datetime.UTC).replace(tzinfo=None), "h") + np.arange(hours)
    days = calendar(times)
    return np.concatenate((days, np.full((hours, len(WEATHER)), np.nan, np.float32)), axis=1)
