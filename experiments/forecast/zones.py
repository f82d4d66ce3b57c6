"""Intensity-only series of every zone for the zero-shot forecaster, and the groups in which zones are held out.

Zones of one country, or of one area of the United States, are one group, and a zone's series from other sources belong
to its group: no neighbour that shares its power plants is trained on when a zone is held out.
"""

import dataclasses
import datetime

import numpy as np

from experiments.forecast.fit_typical_year import LONG, read_all
from experiments.forecast.protocol import FACTORS, REGIONS
from jcenas.carbon.prepared import read_prepared
from jcenas.carbon.trace import CarbonTrace
from jcenas.tables.store import locate

CARBONCAST = {
    "CISO": "US-CAL-CISO",
    "PJM": "US-MIDA-PJM",
    "ERCO": "US-TEX-ERCO",
    "ISNE": "US-NE-ISNE",
    "MISO": "US-MIDW-MISO",
    "EPE": "US-SW-EPE",
    "DE": "DE",
    "SE": "SE-SE3",
}


def group_of(zone: str) -> str:
    """Country, or area of the United States."""
    parts = zone.split("-")
    return "-".join(parts[:2]) if parts[0] == "US" else parts[0]


def zone_traces() -> dict[str, CarbonTrace]:
    """One life-cycle series of every zone by Electricity Maps: 2022, or 2021-2024 of nine."""
    return {
        zone: CarbonTrace(start=start, intensity_g_per_kwh=values, zone=zone, source=f"Electricity Maps {years}")
        for zone, (start, values, years) in read_all().items()
    }


def further_traces() -> list[CarbonTrace]:
    """Series that add to training: direct factors of the nine, and the CarbonCast regions, intensities only."""
    found = [
        read_prepared(locate(f"carbon/emaps_2021-2024/{zone}.csv.gz"), factors="direct", zone=zone)
        for zone in LONG
        if zone != "SG"  # constant for weeks
    ]
    for region in REGIONS:
        for factors in FACTORS:
            path = locate(f"carbon/carboncast_hourly/{region}.csv.gz")
            trace = read_prepared(path, factors=factors, zone=CARBONCAST[region])
            found.append(dataclasses.replace(trace, generation_mw={}, weather={}))
    return found


def until(traces: list[CarbonTrace], end: datetime.datetime) -> list[CarbonTrace]:
    """The parts of the traces before `end`; those that begin later are left out."""
    parts = []
    for trace in traces:
        hours = (end - trace.start) // datetime.timedelta(hours=1)
        if hours > 0:
            parts.append(trace.slice(0, min(hours, len(trace))))
    return parts


def without_test_months(traces: list[CarbonTrace]) -> list[CarbonTrace]:
    """The parts of the traces outside July to December of 2021 to 2023, where studies of searches are tested."""
    parts = []
    for trace in traces:
        times = trace.times.astype("datetime64[M]").astype(int)  # months since January 1970
        year, month = 1970 + times // 12, times % 12
        kept = np.concatenate(([False], (month < 6) | (year < 2021) | (year > 2023), [False]))
        borders = np.flatnonzero(np.diff(kept.astype(int)))
        parts += [trace.slice(int(begin), int(end)) for begin, end in borders.reshape(-1, 2)]
    return parts
