"""The typical year of a grid zone as a trace: the mean year, or one realistic year drawn around it.

Model of the hourly intensity, with the UTC calendar: month m, hour of day h, d = 1 on Saturdays and Sundays,

    x_t = mean[m, h, d] + scale[m, h] * Q(g_t)

g is the stationary process of `jcenas.carbon.process`; its weights and its volatility were fitted to the
autocorrelation and the daily range of the zone; Q maps it to the zone's own distribution. `jcenas.carbon.generator`
draws from it.
The statistics are those of `jcenas.carbon.year_statistics`: life-cycle average intensity. The mean year needs NumPy
only.
"""

import datetime

from jcenas.carbon import zones
from jcenas.carbon.trace import CarbonTrace
from jcenas.carbon.year_statistics import calendar, zone_statistics
from jcenas.errors import InputError

DEFAULT_START = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)


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
