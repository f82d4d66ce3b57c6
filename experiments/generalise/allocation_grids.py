"""Hours of grids for allocation scenarios: typical years with perturbations and real traces, split by country.

A country, or an area of the United States, belongs to one part: fitting, development or test. The ten zones that the
project's other experiments test on are in the test part, with their countries. Letters: G grids, T hours of a window,
K kinds of forecast, L hours of forecast, q quantiles.
"""

import datetime
import functools
from typing import NamedTuple

import jax
import numpy as np

from experiments.forecast.fit_typical_year import read_all
from experiments.forecast.zones import group_of
from jcenas.carbon import generator, zones
from jcenas.carbon.forecast.adaptive import Adaptive
from jcenas.carbon.forecast.network import LEVELS
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.typical_year import zone_statistics
from jcenas.engine.grid import LEAD_H, QUANTILES, WEEK_H, Forecast, GridHours
from jcenas.errors import InputError
from jcenas.sim.train_policy import TEST_ZONES

PARTS = ("fitting", "development", "test")
KINDS: tuple[Forecast, ...] = ("model", "persistence", "none", "actual")
WINDOW_H = 720  # of a grid: a week before, and scenarios of up to 336 h from any hour that leaves them room
TYPICAL_YEAR = 2023


class Grids(NamedTuple):
    """Windows of hours, and what each kind of forecast says of them."""

    zones: tuple[str, ...]  # (G,)
    real: np.ndarray  # (G,) bool, a measured trace rather than a typical year
    intensity: np.ndarray  # (G, T) float32, gCO2eq/kWh
    forecast: np.ndarray  # (K, G, T - WEEK_H - LEAD_H, L, q) float32, issued in each hour after the first week


def zones_of(part: str) -> list[str]:
    """The zones of a part of the family, the same in every run."""
    groups = sorted({group_of(zone) for zone in zones.zone_names()})
    tested = {group_of(zone) for zone in TEST_ZONES}
    free = [group for group in groups if group not in tested]
    order = np.random.default_rng(0).permutation(len(free))
    share = {free[j]: PARTS[int(3 * i / len(free))] for i, j in enumerate(order)} | dict.fromkeys(tested, "test")
    return [zone for zone in zones.zone_names() if share[group_of(zone)] == part]


def grids_of(part: str, count: int, *, forecasts: bool = True) -> Grids:
    """`count` windows of typical years, perturbed, and as many of real traces where the data folder has them.

    Args:
      part: fitting, development or test; each has its own zones and its own seed.
      count: of each source, at most.
      forecasts: whether the kinds of forecast are computed too; else there are none (K = 0).
    """
    rng = np.random.default_rng(100 + PARTS.index(part))
    names = [str(name) for name in rng.permutation(zones_of(part))[:count]]
    traces = [typical(name, rng) for name in names]
    real = [real_hours(name, values, rng) for name, values in _measured(part, rng, count)]
    together = traces + real
    intensity = np.stack([np.maximum(trace.intensity_g_per_kwh, 1.0) for trace in together]).astype(np.float32)
    forecast = np.stack([_forecasts(trace) for trace in together], axis=1) if forecasts else np.zeros((0,))
    return Grids(
        tuple(trace.zone for trace in together),
        np.arange(len(together)) >= len(traces),
        intensity,
        forecast.astype(np.float32),
    )


def typical(name: str, rng: np.random.Generator) -> CarbonTrace:
    """A realistic month of a zone with wider or narrower swings, and weather that its statistics do not know."""
    first = datetime.datetime(TYPICAL_YEAR, 1, 1, tzinfo=datetime.UTC)
    start = first + datetime.timedelta(hours=int(rng.integers(8760 - WINDOW_H)))
    values = generator.draw(jax.random.key(int(rng.integers(2**31))), zone_statistics(name), start, WINDOW_H)
    values = np.maximum(values, 1.0)
    swing, noise, level = rng.uniform(0.6, 1.6), rng.uniform(0, 0.15), np.exp(np.mean(np.log(values)))
    weather = np.zeros(WINDOW_H)
    shocks = rng.normal(size=WINDOW_H) * np.sqrt(1 - np.exp(-2 / 48))
    for hour in range(1, WINDOW_H):
        weather[hour] = np.exp(-1 / 48) * weather[hour - 1] + shocks[hour]
    changed = level * (values / level) ** swing * np.exp(noise * weather)
    return CarbonTrace(start=start, intensity_g_per_kwh=changed, step_seconds=3600, zone=name)


def _measured(part: str, rng: np.random.Generator, count: int):
    """Zones of a part with their real hours; none without the data folder."""
    try:
        found = _read_all()
    except InputError:
        return []
    names = [name for name in sorted(found) if name in zones_of(part) or (part == "test" and name == "DE-LU")]
    return [(name, found[name]) for name in rng.permutation(names)[:count].tolist()]


_read_all = functools.cache(read_all)


def real_hours(name: str, found, rng: np.random.Generator) -> CarbonTrace:
    start, values, _ = found
    first = int(rng.integers(len(values) - WINDOW_H))
    return CarbonTrace(
        start=start + datetime.timedelta(hours=first),
        intensity_g_per_kwh=values[first : first + WINDOW_H],
        step_seconds=3600,
        zone=name,
    )


def _forecasts(trace: CarbonTrace) -> np.ndarray:
    """What each kind says in every hour after the first week, (K, hours, L, q)."""
    hours = WINDOW_H - WEEK_H - LEAD_H
    grid = GridHours(trace.slice(WEEK_H), trace.hourly()[:WEEK_H], trace.mean())
    said = {kind: [grid.forecast(kind, hour) for hour in range(hours)] for kind in KINDS if kind != "model"}
    return np.stack([_model(trace, hours) if kind == "model" else np.stack(said[kind]) for kind in KINDS])


def _model(trace: CarbonTrace, hours: int) -> np.ndarray:
    """`GridHours.forecast` of kind model for many hours at once, (hours, L, q)."""
    series, now = trace.hourly(), WEEK_H + np.arange(hours)
    columns = [LEVELS.index(level) for level in QUANTILES]
    ahead = np.exp(Adaptive(trace.start, series).at(now + 1).log_quantiles[:, : LEAD_H - 1, columns])
    return np.concatenate([np.repeat(series[now, None, None], len(QUANTILES), axis=2), ahead], axis=1)
