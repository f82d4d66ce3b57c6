"""The typical year of a grid zone: a calm mean year, and the statistics from which realistic years are drawn.

Model of the hourly intensity, with the UTC calendar: month m, hour of day h, d = 1 on Saturdays and Sundays,

    x_t = mean[m, h, d] + scale[m, h] * Q(g_t)

g is a stationary Gaussian process of unit variance, a sum of damped oscillators (AR(1) processes and their rotating kin
with periods of 24 h and 12 h) on fixed time scales, whose weights were fitted to the autocorrelation of the zone's
residuals over lags up to two weeks; Q maps its normal scores to the zone's own distribution. `jcenas.carbon.generator`
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

MEAN_STEP_G_PER_KWH = 0.05  # resolution of the stored means and scales
SCORES = np.linspace(-3.5, 3.5, 29)  # normal scores at which Q is stored, linear in between
TIME_SCALES_H = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0, 768.0)
PERIODS_H = (float("inf"), 24.0, 12.0)  # of the oscillators; infinity is a plain AR(1)
DEFAULT_START = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)


def oscillators() -> tuple[np.ndarray, np.ndarray]:
    """Damping per hour and rotation per hour (radians) of the K oscillators, float64 (K,) each."""
    damping = np.exp(-1.0 / np.array(TIME_SCALES_H))
    rotation = np.array([0.0 if np.isinf(period) else 2 * np.pi / period for period in PERIODS_H])
    return np.tile(damping, len(rotation)), np.repeat(rotation, len(damping))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ZoneStatistics:
    """What is stored of one zone. Letters: Q normal scores, K oscillators."""

    zone: str
    mean_g_per_kwh: np.ndarray  # (12, 24, 2) float64: month, UTC hour, weekday or weekend
    scale_g_per_kwh: np.ndarray  # (12, 24) float64, standard deviation of the residual
    quantiles: np.ndarray  # (Q,) float64, standardised residual at `SCORES`
    weights: np.ndarray  # (K,) float64, variance of each oscillator, sum 1
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
        quantiles=stored["quantiles"][i].astype(np.float64),
        weights=stored["weights"][i].astype(np.float64),
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
      start: begin of the trace, time-zone aware, at a full hour.
      hours: length.
      key: a JAX random key (consumed); draws a year with the zone's spread and autocorrelation.

    Raises:
      InputError: if the zone is unknown.
    """
    statistics = zone_statistics(zone)
    month, hour, weekend = calendar(start, hours)
    source = f"typical year of {statistics.years}, statistics of data by {zones.ATTRIBUTION}"
    if key is None:
        values = statistics.mean_g_per_kwh[month, hour, weekend]
    else:
        from jcenas.carbon import generator  # the mean year needs no JAX

        values = generator.draw(key, statistics, start, hours)
        source = f"one realisation of the {source}"
    return CarbonTrace(
        start=start.replace(minute=0, second=0, microsecond=0),
        intensity_g_per_kwh=values,
        zone=zone,
        source=source,
        kind="average",
        factors="life-cycle",
    )
