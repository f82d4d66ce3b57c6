"""Read carbon traces from the JSON of Electricity Maps, WattTime and the carbon intensity API of Great Britain.

The same functions read a saved file and a live response. Problems are reported with the number of the entry.
Formats: https://portal.electricitymaps.com/docs, https://docs.watttime.org, https://carbon-intensity.github.io/api-definitions.
"""

import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from jcenas import units
from jcenas.carbon.checks import Problems
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

G_PER_KWH_OF_LBS_PER_MWH = units.GRAMS_PER_POUND / 1000.0


class Point(NamedTuple):
    """One entry as the provider wrote it, unchecked."""

    time: Any
    value: Any
    estimated: bool = False


def read_json(path: str | os.PathLike, *, zone: str = "") -> CarbonTrace:
    """Read a saved response of one of the three providers; which one is seen from its form.

    Raises:
      InputError: if the file cannot be read, is no JSON (with the line), has another form, or an entry is wrong.
    """
    path = pathlib.Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: is no JSON ({error.msg}); save the response again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8; save the response again") from error
    return parser_of(document, path)(document, path, zone=zone)


def parser_of(document: Any, source: object) -> Callable[..., CarbonTrace]:
    """The parser that fits a document's form."""
    if isinstance(document, dict):
        if isinstance(document.get("meta"), dict) and "signal_type" in document["meta"]:
            return parse_watttime
        rows = document.get("data")
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "intensity" in rows[0]:
            return parse_gb
        if any(isinstance(document.get(field), list) for field in ("data", "history", "forecast")):
            return parse_electricity_maps
    raise InputError(f"{source}: is no response of Electricity Maps, WattTime or the GB carbon intensity API")


def parse_electricity_maps(
    document: Any, source: object, *, zone: str = "", factors: str = "life-cycle"
) -> CarbonTrace:
    """Carbon intensity, gCO2eq/kWh, of Electricity Maps v3: `history`, `past-range` (`data`) or `forecast`.

    `factors` are those that were asked for; what the entries state goes before.
    """
    rows = _rows(document, source, "data", "history", "forecast")
    kinds = {str(row["emissionFactorType"]) for row in rows if row.get("emissionFactorType")}
    if len(kinds) > 1:
        raise InputError(f"{source}: mixes the emission factors {', '.join(sorted(kinds))}; ask for one of them")
    points = (Point(row.get("datetime"), row.get("carbonIntensity"), bool(row.get("isEstimated"))) for row in rows)
    if kinds:
        factors = "direct" if kinds == {"direct"} else "life-cycle"
    return _trace(
        source, points, zone=zone or str(document.get("zone", "")), origin="Electricity Maps", factors=factors
    )


def parse_watttime(document: Any, source: object, *, zone: str = "") -> CarbonTrace:
    """Marginal (`co2_moer`) or average (`co2_aoer`) emission rate of WattTime v3, from lbs/MWh to g/kWh; direct."""
    rows = _rows(document, source, "data")
    meta = document.get("meta") or {}
    kinds = {"co2_moer": "marginal", "co2_aoer": "average"}
    if meta.get("signal_type") not in kinds or meta.get("units") not in {"lbs_co2_per_mwh", "lb_co2_per_mwh"}:
        found = f"{meta.get('signal_type')!r} in {meta.get('units')!r}"
        raise InputError(f"{source}: holds {found}; ask WattTime for co2_moer or co2_aoer in lbs_co2_per_mwh")
    return _trace(
        source,
        (Point(row.get("point_time"), row.get("value"), bool(row.get("imputed_data_used"))) for row in rows),
        zone=zone or str(meta.get("region", "")),
        origin="WattTime",
        kind=kinds[meta["signal_type"]],
        factors="direct",
        scale=G_PER_KWH_OF_LBS_PER_MWH,
    )


def parse_gb(document: Any, source: object, *, zone: str = "") -> CarbonTrace:
    """Half-hourly intensity of Great Britain: what was measured, else the forecast, flagged as estimated."""
    points = []
    for row in _rows(document, source, "data"):
        both = row.get("intensity")
        both = both if isinstance(both, dict) else {}
        actual = both.get("actual")
        points.append(Point(row.get("from"), both.get("forecast") if actual is None else actual, actual is None))
    return _trace(source, points, zone=zone or "GB", origin="National Energy System Operator, GB", factors="direct")


def _rows(document: Any, source: object, *fields: str) -> list[dict]:
    """The list of entries under the first of the fields that is there."""
    if isinstance(document, dict):
        for field in fields:
            rows = document.get(field)
            if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
                return rows
    raise InputError(f"{source}: has no list of entries under {' or '.join(fields)}; ask for a period with data")


def _trace(
    source: object,
    points: Iterable[Point],
    *,
    zone: str,
    origin: str,
    kind: str = "average",
    factors: str = "life-cycle",
    scale: float = 1.0,
) -> CarbonTrace:
    """Check the points and make the trace; `scale` turns their unit into gCO2eq/kWh."""
    problems = Problems(source, "entry")
    stamps, values, flags, places = [], [], [], []
    for place, point in enumerate(points, start=1):
        when = problems.stamp(place, point.time)
        number = problems.intensity(place, point.value)
        if when is not None:
            stamps.append(when)
            values.append(number)
            flags.append(point.estimated)
            places.append(place)
    step = problems.step(stamps, places) if len(stamps) != 1 else 3600  # a single entry is an hour
    problems.raise_if_any()
    return CarbonTrace(
        start=stamps[0],
        intensity_g_per_kwh=np.array(values) * scale,
        step_seconds=step,
        zone=zone,
        source=origin,
        kind=kind,
        factors=factors,
        estimated=np.array(flags),
    )
