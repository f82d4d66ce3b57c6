"""WattTime, API version 3: marginal emission rate in five-minute steps. Needs an account.

Documentation: https://docs.watttime.org. A token is bought with user name and password and lasts 30 minutes; history
comes in ranges of at most 32 days; forecasts reach 72 hours. Zones are WattTime's regions, for example CAISO_NORTH,
which no other service has: name the region (`watttime:CAISO_NORTH`) where others are asked as well.
"""

import base64
import dataclasses
import datetime
import os
import time
import urllib.parse
from typing import Any

from jcenas.carbon.json_file import parse_watttime
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

USER, PASSWORD = "WATTTIME_USER", "WATTTIME_PASSWORD"
DAYS_PER_REQUEST = 31
FORECAST_HOURS = 72
TOKEN_S = 25 * 60


@dataclasses.dataclass
class WattTime:
    """Marginal intensity by WattTime.

    Attributes:
      region: WattTime's region to ask for, whatever the zone is called elsewhere; empty: the zone that is asked for.
      client: how to ask.
      base: address of the service.
    """

    region: str = ""
    client: HttpClient = dataclasses.field(default_factory=HttpClient, kw_only=True)
    base: str = dataclasses.field(default="https://api.watttime.org", kw_only=True)
    name: str = dataclasses.field(default="watttime", init=False)
    _token: str = dataclasses.field(default="", init=False, repr=False)
    _token_until_s: float = dataclasses.field(default=0.0, init=False, repr=False)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Marginal intensities of [start, end); those of the past are cached for a day."""
        start, end = full_hours(start, end)
        parts = [
            self._ask("historical", zone, keep_s(last, 86_400), start=first.isoformat(), end=last.isoformat())
            for first, last in chunks(start, end, DAYS_PER_REQUEST)
        ]
        return cover(join(parts), start, end, self.name)

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Forecast of up to 72 hours of the marginal intensity; cached for five minutes, until the next is issued."""
        start, end = hours_from(start, hours)
        return cover(self._ask("forecast", zone, 300, horizon_hours=str(FORECAST_HOURS)), start, end, self.name)

    def _ask(self, what: str, zone: str, max_age_s: float, **query: str) -> CarbonTrace:
        zone = self.region or zone
        pairs = urllib.parse.urlencode({"region": zone, "signal_type": "co2_moer", **query})
        url = f"{self.base}/v3/{what}?{pairs}"

        def parse(document: Any) -> CarbonTrace:
            return parse_watttime(document, url, zone=zone)

        return self.client.get(url, parse, {"Authorization": f"Bearer {self._login()}"}, max_age_s=max_age_s)

    def _login(self) -> str:
        """The token of this session, bought again before it runs out."""
        if self._token and time.monotonic() < self._token_until_s:
            return self._token
        user, password = os.environ.get(USER), os.environ.get(PASSWORD)
        if not (user and password):
            raise RefusedError(f"WattTime needs an account; set the environment variables {USER} and {PASSWORD}")
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        answer = self.client.get(f"{self.base}/login", lambda document: document, {"Authorization": f"Basic {basic}"})
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise ProviderError(f"{self.base}/login: the answer holds no token")
        self._token, self._token_until_s = token, time.monotonic() + TOKEN_S
        return token
