"""The typical year of a grid zone: a calm mean year, and the statistics from which realistic years are drawn.

Model of the hourly intensity, with the UTC calendar: month m, hour of day h, d = 1 on Saturdays and Sundays,

    x_t = mean[m, h, d] + scale[m, h] * Q(g_t)

g is the stationary process of `jcenas.carbon.process`; its weights and its volatility were fitted to the
autocorrelation and the daily range of the zone; Q maps it to the zone's own distribution. `jcenas.carbon.generator`
draws from it.

Statistics by `experiments/fit_typical_year.py` from hourly data of Electricity Maps (electricitymaps.com), published
under the Open Database Licence (ODbL 1.0): life-cycle average intensity. Reading them needs NumPy only.
"""

import dataclasses
import datetime
import functools

import numpy as np

from jcenas.carbon import zones
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

MEAN_STEP_G_PER_KWH = 0.05  # resolution of the stored means and scales
DEFAULT_START = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ZoneStatistics:
    """What is stored of one zone. Letters: Q knots of the distribution, K parts of the process."""

    zone: str
    mean_g_per_kwh: np.ndarray  # (12, 24, 2) float64: month, UTC hour, weekday or weekend
    scale_g_per_kwh: np.ndarray  # (12, 24) float64, standard deviation of the residual
    knots: np.ndarray  # (Q,) float64, values of g, ascending
    quantiles: np.ndarray  # (Q,) float64, standardised residual at the knots, linear in between
    weights: np.ndarray  # (K,) float64, variance of each part, sum 1
    volatility: float  # s of the process
    years: str  # the period of the data


@functools.cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(zones.FILE, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def zone_statistics(zone: str) -> ZoneStatistics:
    """The stored statistics of a zone.

    Raises:
      InputError: if the zone is unknown; names close ones.
    """
    zones.check_zone(zone)
    stored = _archive()
    i = int(np.flatnonzero(stored["zones"] == zone)[0])
    return ZoneStatistics(
        zone=zone,
        mean_g_per_kwh=stored["mean"][i] * MEAN_STEP_G_PER_KWH,
        scale_g_per_kwh=stored["scale"][i] * MEAN_STEP_G_PER_KWH,
        knots=stored["knots"][i].astype(np.float64),
        quantiles=stored["quantiles"][i].astype(np.float64),
        weights=stored["weights"][i].astype(np.float64),
        volatility=float(stored["volatility"][i]),
        years=str(stored["years"][i]),
    )


def calendar(start: datetime.datetime, hours: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Month 0..11, hour of day 0..23 and weekend flag of each hour from `start` on, in UTC; int32 (hours,) each."""
    first = np.datetime64(start.astimezone(datetime.UTC).replace(tzinfo=None), "h")
    times = first + np.arange(hours)
    days = times.astype("datetime64[D]")
    month = times.astype("datetime64[M]").astype(np.int64) % 12
    hour = (times - days).astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return month.astype(np.int32), hour.astype(np.int32), (weekday >= 5).astype(np.int32)


def typical_year(
    zone: str = zones.DEFAULT_ZONE,
    *,
    start: datetime.datetime = DEFAULT_START,
    hours: int = 8760,
    key=None,
) -> CarbonTrace:
    """An hourly trace of a zone from the embedded statistics; without a key the mean year, with one a realistic year.

    Args:
      zone: name of the zone as Electricity Maps writes it.
      start: begin of the trace, time-zone aware; cut to the full hour.
      hours: length.
      key: a JAX random key (consumed); draws a year with the zone's spread and autocorrelation.

    Raises:
      InputError: if the zone is unknown, the start has no time zone, or the length is below one hour.
    """
    if start.tzinfo is None:
        raise InputError(f"the start {start} has no time zone; give it in UTC")
    if hours < 1:
        raise InputError(f"a trace of {hours} h was asked; give at least one hour")
    statistics = zone_statistics(zone)
    start = start.replace(minute=0, second=0, microsecond=0)
    month, hour, weekend = calendar(start, hours)
    source = f"typical year of {statistics.years}, statistics of data by {zones.ATTRIBUTION}"
    if key is None:
        values = statistics.mean_g_per_kwh[month, hour, weekend]
    else:
        from jcenas.carbon import generator  # the mean year needs no JAX

        values = generator.draw(key, statistics, start, hours)
        source = f"one realisation of the {source}"
    return CarbonTrace(
        start=start,
        intensity_g_per_kwh=values,
        zone=zone,
        source=source,
        kind="average",
        factors="life-cycle",
    )
