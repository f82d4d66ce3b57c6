"""A made-up grid for smoke runs: sun and wind push a daily wave of intensity; two and a half years, some seconds."""

import datetime

import numpy as np

from experiments.forecast.protocol import table_of
from jcenas.carbon.forecast.windows import Span, Table
from jcenas.carbon.trace import CarbonTrace

START = datetime.datetime(2020, 9, 1, tzinfo=datetime.UTC)
HOURS = 24 * 330


def toy_trace(zone: str = "CISO", factors: str = "direct", hours: int = HOURS, seed: int = 0) -> CarbonTrace:
    """An hourly trace with mix and weather whose intensity follows from them."""
    random = np.random.default_rng(seed)
    time = np.arange(hours)
    sun = np.maximum(0, np.sin(2 * np.pi * (time - 6) / 24)) * 800
    wind = 6 + 3 * np.sin(2 * np.pi * time / 100) + random.normal(0, 0.3, hours)
    solar, wind_mw = 5 * sun, 400 * np.maximum(wind, 0)
    gas = np.maximum(9000 - solar - wind_mw, 500)
    generation = {"gas": gas, "solar": solar, "wind": wind_mw}
    weather = {
        "wind_speed": wind,
        "temperature": 285 + 8 * np.sin(2 * np.pi * (time - 9) / 24),
        "dewpoint": np.full(hours, 278.0),
        "dswrf": sun,
        "precipitation": np.zeros(hours),
    }
    return CarbonTrace(
        start=START,
        intensity_g_per_kwh=370 * gas / (gas + solar + wind_mw),
        zone=zone,
        factors=factors,
        generation_mw=generation,
        weather=weather,
    )


def toy_regions() -> tuple[Table, list[Span]]:
    """One toy region in the form of `forecast_protocol.read_regions`."""
    return table_of([toy_trace()], ("CISO",))
