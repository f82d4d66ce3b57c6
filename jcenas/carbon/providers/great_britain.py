"""The carbon intensity API of Great Britain (National Energy System Operator): half-hourly, free, without a key.

Documentation: https://carbon-intensity.github.io/api-definitions. Ranges of at most 14 days; forecasts of 48 hours.
"""

import dataclasses
import datetime

from jcenas.carbon.json_file import parse_gb
from jcenas.carbon.providers.base import RefusedError, chunks, cover, full_hours, hours_from, join, keep_s
from jcenas.carbon.providers.http_client import HttpClient
from jcenas.carbon.trace import CarbonTrace

DAYS_PER_REQUEST = 13  # one less than allowed: the answer may hold a half hour more on both sides


@dataclasses.dataclass(frozen=True, kw_only=True)
class GreatBritain:
    """Average intensity of Great Britain; the only zone is 'GB'.

    Attributes:
      client: how to ask.
      base: address of the service.
    """

    client: HttpClient = dataclasses.field(default_factory=HttpClient)
    base: str = "https://api.carbonintensity.org.uk"
    name: str = dataclasses.field(default="gb", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Half-hourly intensities of [start, end); cached for a day once measured values have replaced forecasts."""
        start, end = full_hours(start, end)
        parts = [
            self._ask(zone, f"{_time(first)}/{_time(last)}", keep_s(last, 86_400))
            for first, last in chunks(start, end, DAYS_PER_REQUEST)
        ]
        return cover(join(parts), start, end, self.name)

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Half-hourly forecast of up to 48 hours; cached for half an hour."""
        start, end = hours_from(start, hours)
        # The service counts the half hour that ends at the given time; half an hour later starts at `start`.
        later = start + datetime.timedelta(minutes=30)
        return cover(self._ask(zone, f"{_time(later)}/fw48h", 1_800), start, end, self.name)

    def _ask(self, zone: str, period: str, max_age_s: float) -> CarbonTrace:
        if zone != "GB":
            raise RefusedError(f"{self.name} knows the zone GB only, not {zone}")
        url = f"{self.base}/intensity/{period}"
        return self.client.get(url, lambda document: parse_gb(document, url), max_age_s=max_age_s)


def _time(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%MZ")
