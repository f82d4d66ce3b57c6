"""Statistics of the typical-year model, one set a grid zone, and the calendar that they are looked up by. NumPy only.

Fitted by `experiments/forecast/fit_typical_year.py` to hourly data of Electricity Maps (electricitymaps.com), published
under the Open Database Licence (ODbL 1.0): life-cycle average intensity.
"""

import dataclasses
import datetime
import functools

import numpy as np

from jcenas.carbon import zones

MEAN_STEP_G_PER_KWH = 0.05  # resolution of the stored means and scales


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ZoneStatistics:
    """Statistics of one zone. Letters: Q knots of the distribution, K parts of the process."""

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
