"""Electricity Maps, API version 3: average carbon intensity of some 350 zones. Needs a key.

Documentation: https://portal.electricitymaps.com/docs. Hourly history comes in ranges of at most ten days.
"""

import dataclasses
import datetime
import os
import urllib.parse
from typing import Any

from jcenas.carbon.json_file import parse_electricity_maps
from jcenas.carbon.providers.base import (
    ProviderError,
    RefusedError,
    chunks,
    cover,
    full_hours,
    hours_from,
    join,
    keep_s,
)
from jcenas.carbon.providers.http_client import HttpClient
from jcenas.carbon.trace import CarbonTrace

VARIABLE = "ELECTRICITY_MAPS_TOKEN"
DAYS_PER_REQUEST = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class ElectricityMaps:
    """Average intensity by Electricity Maps.

    Attributes:
      client: how to ask.
      base: address of the service.
      factors: 'life-cycle' or 'direct'.
    """

    client: HttpClient = dataclasses.field(default_factory=HttpClient)
    base: str = "https://api.electricitymaps.com/v3"
    factors: str = "life-cycle"
    name: str = dataclasses.field(default="electricity-maps", init=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Hourly intensities of [start, end); ranges of the past are cached for a day, as late corrections come."""
        start, end = full_hours(start, end)
        parts = []
        for first, last in chunks(start, end, DAYS_PER_REQUEST):
            age = keep_s(last, 86_400)
            parts.append(self._ask("past-range", zone, age, start=_time(first), end=_time(last)))
        return cover(join(parts), start, end, self.name)

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Hourly forecast; cached for half an hour, as a new one is issued every hour."""
        start, end = hours_from(start, hours)
        return cover(self._ask("forecast", zone, 1_800), start, end, self.name)

    def _ask(self, what: str, zone: str, max_age_s: float, **query: str) -> CarbonTrace:
        token = os.environ.get(VARIABLE)
        if not token:
            raise RefusedError(f"Electricity Maps needs a key; set the environment variable {VARIABLE}")
        kind = {"life-cycle": "lifecycle", "direct": "direct"}[self.factors]
        pairs = urllib.parse.urlencode({"zone": zone, **query, "emissionFactorType": kind})
        url = f"{self.base}/carbon-intensity/{what}?{pairs}"

        def parse(document: Any) -> CarbonTrace:
            return parse_electricity_maps(document, url, zone=zone, factors=self.factors)

        trace = self.client.get(url, parse, {"auth-token": token}, max_age_s=max_age_s)
        if trace.factors != self.factors:
            raise ProviderError(f"{url}: answered {trace.factors} factors")
        return trace


def _time(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
