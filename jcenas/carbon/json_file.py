"""Carbon traces from the JSON of Electricity Maps, WattTime and the carbon intensity API of Great Britain.

The same functions read a saved file and a live response. Problems are reported with the number of the entry.
Formats: https://portal.electricitymaps.com/docs, https://docs.watttime.org, https://carbon-intensity.github.io/api-definitions.
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jcenas import units
from jcenas.carbon.checks import Problems
from jcenas.carbon.csv_table import listed
from jcenas.carbon.repair import REMEDY, regular
from jcenas.carbon.text_file import quoted, read_text, shown, shown_path
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

G_PER_KWH_OF_LBS_PER_MWH = units.GRAMS_PER_POUND / 1000.0
FIELDS = ("data", "history", "forecast")  # where Electricity Maps keeps the entries


class Point(NamedTuple):
    """One entry as the provider wrote it, unchecked."""

    time: Any
    value: Any
    estimated: bool = False


class Meaning(NamedTuple):
    """Zone, origin, accounting and unit of the numbers of a document."""

    zone: str
    origin: str  # the service, for `CarbonTrace.source`
    kind: str = "average"
    factors: str = "life-cycle"
    scale: float = 1.0  # from the service's unit to gCO2eq/kWh


def read_json(path: str | os.PathLike, *, zone: str = "") -> CarbonTrace:
    """The trace in a saved answer of one of the three services; the form of the document tells which.

    Args:
      path: the file; gzip is decompressed.
      zone: the zone that the answer must be for, or be named after where it states none; default: the answer's.

    Raises:
      InputError: if the file cannot be read, is no JSON (with the line), has another form, an entry is wrong, or the
        answer is for another zone.
    """
    return read_document(read_text(path), path, zone=zone)[0]


def read_document(text: str, path: str | os.PathLike, *, zone: str = "") -> tuple[CarbonTrace, bool]:
    """The trace in the JSON `text` of the file at `path`, and whether the document names its zone; see `read_json`."""
    name = shown_path(path)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}, line {error.lineno}: is no JSON ({error.msg}); save the answer again") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested too deeply
        raise InputError(f"{name}: is no answer of a carbon service; save the answer again") from None
    parse = parser_of(document, name)
    return parse(document, name, zone=zone), parse is parse_gb or bool(zones_of(document))


def zones_of(document: Any) -> list[str]:
    """The zones that a document of Electricity Maps or WattTime names, in their order."""
    meta = document.get("meta")
    found = [document.get("zone"), meta.get("region") if isinstance(meta, dict) else None]
    for field in FIELDS:
        rows = document.get(field)
        found += [row.get("zone") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [shown(one) for one in dict.fromkeys(one for one in found if isinstance(one, str) and one)]


def parser_of(document: Any, source: object) -> Callable[..., CarbonTrace]:
    """The parser that fits a document's form."""
    if isinstance(document, dict):
        if isinstance(document.get("meta"), dict) and "signal_type" in document["meta"]:
            return parse_watttime
        rows = document.get("data")
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "intensity" in rows[0]:
            return parse_gb
        if any(isinstance(document.get(field), list) for field in FIELDS):
            return parse_electricity_maps
    raise InputError(f"{source}: is no response of Electricity Maps, WattTime or the GB carbon intensity API")


def parse_electricity_maps(
    document: Any, source: object, *, zone: str = "", factors: str = "life-cycle"
) -> CarbonTrace:
    """Carbon intensity, gCO2eq/kWh, of Electricity Maps v3: `history`, `past-range` (`data`) or `forecast`.

    `factors` are those that were asked for; what the entries state goes before. `zone` is the one that was asked for.

    Raises:
      InputError: if the document has another form or is for another zone, or an entry is wrong.
    """
    rows = _rows(document, source, *FIELDS)
    zone = _checked_zone(document, source, zone)
    rows = [row for row in rows if str(row.get("zone") or zone).lower() == zone.lower()]
    kinds = {str(row["emissionFactorType"]) for row in rows if row.get("emissionFactorType")}
    if len(kinds) > 1:
        names = listed(sorted(kinds))
        raise InputError(f"{source}: mixes the emission factors {names}; ask for one of them")
    points = (Point(row.get("datetime"), row.get("carbonIntensity"), bool(row.get("isEstimated"))) for row in rows)
    if kinds:
        factors = "direct" if kinds == {"direct"} else "life-cycle"
    return _trace(source, points, Meaning(zone, "Electricity Maps", factors=factors))


def parse_watttime(document: Any, source: object, *, zone: str = "") -> CarbonTrace:
    """Marginal (`co2_moer`) or average (`co2_aoer`) emission rate of WattTime v3, from lbs/MWh to g/kWh; direct.

    Raises:
      InputError: if the document has another form or is for another region, or an entry is wrong.
    """
    rows = _rows(document, source, "data")
    meta = document.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    kinds = {"co2_moer": "marginal", "co2_aoer": "average"}
    signal, unit = str(meta.get("signal_type")), str(meta.get("units"))
    if signal not in kinds or unit not in {"lbs_co2_per_mwh", "lb_co2_per_mwh"}:
        found = f"{quoted(signal)} in {quoted(unit)}"
        raise InputError(f"{source}: holds {found}; ask WattTime for co2_moer or co2_aoer in lbs_co2_per_mwh")
    points = (Point(row.get("point_time"), row.get("value"), bool(row.get("imputed_data_used"))) for row in rows)
    zone = _checked_zone(document, source, zone)
    return _trace(source, points, Meaning(zone, "WattTime", kinds[signal], "direct", G_PER_KWH_OF_LBS_PER_MWH))


def parse_gb(document: Any, source: object, *, zone: str = "") -> CarbonTrace:
    """Half-hourly intensity of Great Britain: what was measured, else the forecast, flagged as estimated.

    Raises:
      InputError: if the document has another form, `zone` is not GB, or an entry is wrong.
    """
    if zone and zone.upper() != "GB":
        raise InputError(f"{source}: is an answer for the zone GB, not {quoted(zone)}")
    points = []
    for row in _rows(document, source, "data"):
        both = row.get("intensity")
        both = both if isinstance(both, dict) else {}
        actual = both.get("actual")
        points.append(Point(row.get("from"), both.get("forecast") if actual is None else actual, actual is None))
    return _trace(source, points, Meaning("GB", "National Energy System Operator, GB", factors="direct"))


def _rows(document: Any, source: object, *fields: str) -> list[dict]:
    """The list of entries under the first of the fields that is there."""
    if isinstance(document, dict):
        for field in fields:
            rows = document.get(field)
            if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
                return rows
    raise InputError(f"{source}: has no list of entries under {' or '.join(fields)}; ask for a period with data")


def _checked_zone(document: dict, source: object, zone: str) -> str:
    """The zone of a document: the one that it names, which must be the one that was asked for."""
    names = zones_of(document)
    if zone:
        if names and zone.lower() not in {name.lower() for name in names}:
            raise InputError(f"{source}: is an answer for the zone {listed(names)}, not {quoted(zone)}")
        return zone
    if len(names) > 1:
        raise InputError(f"{source}: entries of several zones ({listed(names)}); choose one with --zone")
    return names[0] if names else ""


def _trace(source: object, points: Iterable[Point], meaning: Meaning) -> CarbonTrace:
    """Check the points and make the trace, on equal steps; what the service left out or repeated is estimated."""
    problems = Problems(source, "entry", REMEDY)
    stamps, values, flags = [], [], []
    for place, point in enumerate(points, start=1):
        when = problems.stamp(place, point.time)
        missing = point.value is None or point.value == "" or point.value != point.value  # NaN is not itself
        number = float("nan") if missing else problems.intensity(place, point.value, meaning.scale)
        if when is not None:
            stamps.append(when)
            values.append(number)
            flags.append(point.estimated)
    problems.raise_if_any()
    if not stamps:
        raise InputError(f"{source}: the service gave no entry; {REMEDY}")
    series = regular(source, stamps, values, flags)
    return CarbonTrace(
        start=series.start,
        intensity_g_per_kwh=series.values,
        step_seconds=series.step_seconds,
        zone=meaning.zone,
        source=meaning.origin,
        kind=meaning.kind,
        factors=meaning.factors,
        estimated=series.estimated,
        notes=series.notes,
    )
