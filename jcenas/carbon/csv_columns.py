"""Columns of a CSV trace: times, intensities, zones and flags, and the unit that a column's name states.

The names that the public sources use are known; where several columns fit, the file is refused with their names rather
than one of them chosen.
"""

import re
from typing import NamedTuple

from jcenas import units
from jcenas.carbon.csv_table import CsvTable, listed
from jcenas.carbon.text_file import quoted
from jcenas.carbon.times import is_epoch, is_time
from jcenas.carbon.zones import zone_names
from jcenas.errors import InputError

_TIME_WORDS = {"date", "time", "datetime", "timestamp", "stamp", "from", "start", "point", "period", "utc", "gmt"}
_INTENSITY = re.compile(r"intensity|(^|[^a-z])(ci|moer|aoer)([^a-z]|$)|gco2|co2eq|co2e([^a-z]|$)")
_ZONE = ("zone id", "zone_id", "zone", "zone_name", "zone name", "region")  # first the one that is surest
_ESTIMATED = ("estimated", "data estimated")
_MASS = re.compile(r"(?:^|[^a-z])(kg|g|lbs?|pounds?|grams?|mg|t|tons?|tonnes?|mt)(?=co2|[^a-z]|$)")
_ENERGY = re.compile(r"(?:^|[^a-z])(wh|kwh|mwh|gwh|twh|j|kj|mj|gj|mmbtu)(?=[^a-z]|$)")
_G_PER_KWH = {
    ("g", "kwh"): 1.0,
    ("kg", "kwh"): 1000.0,
    ("kg", "mwh"): 1.0,
    ("t", "mwh"): 1000.0,
    ("lb", "kwh"): units.GRAMS_PER_POUND,
    ("lb", "mwh"): units.GRAMS_PER_POUND / 1000.0,
}
_ONE_NAME = {"gram": "g", "grams": "g", "lbs": "lb", "pound": "lb", "pounds": "lb", "tonne": "t", "tonnes": "t"}


class Times(NamedTuple):
    """The columns that hold the time: one, or a date and a time of day."""

    columns: tuple[int, ...]
    utc: bool  # whether a name says that the times are UTC

    def text(self, row: list[str]) -> str:
        """The time of a row as written."""
        return " ".join(row[column].strip() for column in self.columns)


def find_times(table: CsvTable) -> Times:
    """The time columns of a table: a readable time before seconds since 1970, a name with UTC before one without.

    Raises:
      InputError: if there is none, or several that say different things.
    """
    words = [set(re.findall(r"[a-z]+", name.lower())) for name in table.header]
    found = [i for i, some in enumerate(words) if some and some <= _TIME_WORDS]
    first = table.first if len(table.first) == len(table.header) else []
    if not found and first:  # an index without name, as pandas writes it
        unnamed = [i for i, name in enumerate(table.header) if not name or name.lower().startswith("unnamed")]
        found = [i for i in unnamed if is_time(first[i])]
    if not found:
        remedy = "name it, for example, datetime_utc"
        raise InputError(f"{table.name}, line {table.line}: no time column among {listed(table.header)}; {remedy}")
    utc = {i for i in found if words[i] & {"utc", "gmt"}}
    if not first:
        return Times((found[0],), bool(utc))
    dates = [i for i in found if is_time(first[i])]
    clocks = [i for i in found if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?", first[i].strip())]
    bare = [i for i in dates if ":" not in first[i]]
    if len(clocks) == 1 and len(bare) == 1:
        return Times((bare[0], clocks[0]), bool(utc & {bare[0], clocks[0]}))
    readable = [i for i in dates if i not in bare] or dates or [i for i in found if is_epoch(first[i])] or found
    best = [i for i in readable if i in utc] or readable
    if len({first[i] for i in best}) > 1:
        names = listed([table.header[i] for i in best])
        raise InputError(f"{table.name}, line {table.line}: several time columns ({names}); leave one in the file")
    return Times((best[0],), best[0] in utc)


def find_flag(table: CsvTable) -> int | None:
    """Index of the column that flags estimated values; None where there is none."""
    return _first_of(table, _ESTIMATED)


def find_zone(table: CsvTable) -> int | None:
    """Index of the column with the zone of each row; None where there is none."""
    return _first_of(table, _ZONE)


def _first_of(table: CsvTable, names: tuple[str, ...]) -> int | None:
    lower = [name.lower() for name in table.header]
    return next((lower.index(name) for name in names if name in lower), None)


def find_intensity(table: CsvTable, times: Times, factors: str, column: str | None) -> int | None:
    """Index of the intensity column; None where the table has none, but maybe a column for each zone.

    Args:
      table: the table.
      times: its time columns.
      factors: 'life-cycle' or 'direct', decides between columns that state their factors.
      column: the name that the user chose; None to look for one.

    Raises:
      InputError: if there is no such column, or several fit.
    """
    header = table.header
    where = f"{table.name}, line {table.line}"
    if column is not None:
        if column not in header:
            raise InputError(f"{where}: no column {quoted(column)}; the file has {listed(header)}")
        if header.count(column) > 1:
            raise InputError(f"{where}: {header.count(column)} columns {quoted(column)}; rename all but one")
        return header.index(column)
    found = [i for i, name in enumerate(header) if i not in times.columns and _INTENSITY.search(name.lower())]
    if not found and len(header) == len(times.columns) + 1 and header[_others(table, times)[0]] not in zone_names():
        found = _others(table, times)
    found = (
        [i for i in found if factors_of(header[i], "") == factors]
        or [i for i in found if not factors_of(header[i], "")]
        or found
    )
    if len(found) > 1:
        names = listed([header[i] for i in found])
        raise InputError(f"{where}: several intensity columns ({names}); choose one with --column")
    return found[0] if found else None


def find_zone_column(table: CsvTable, times: Times, zone: str | None) -> int:
    """Index of the column of `zone` in a table that has a column for each zone.

    Raises:
      InputError: if the table is none such, or `zone` is None or not there.
    """
    header, others = table.header, _others(table, times)
    where = f"{table.name}, line {table.line}"
    if zone:
        for i in others:
            if header[i].lower() == zone.lower():
                return i
    zones = [header[i] for i in others if header[i] in zone_names()]
    if zones and zone:
        raise InputError(f"{where}: no column of the zone {quoted(zone)}; the columns are {listed(zones)}")
    if zones:
        raise InputError(f"{where}: a column for each zone ({listed(zones)}); choose one with --zone")
    remedy = "choose one with --column, or name it, for example, intensity_g_per_kwh"
    raise InputError(f"{where}: no carbon-intensity column among {listed(header)}; {remedy}")


def _others(table: CsvTable, times: Times) -> list[int]:
    return [i for i in range(len(table.header)) if i not in times.columns]


def scale_of(table: CsvTable, column: int) -> tuple[float, str]:
    """Factor that turns a column into gCO2eq/kWh by the unit in its name, and a note where that is not 1.

    Raises:
      InputError: if the name states a unit that is no mass per energy, or one that has several meanings.
    """
    name = table.header[column].lower().replace("₂", "2")
    masses = {_ONE_NAME.get(str(mass), str(mass)) for mass in _MASS.findall(name)}
    energies = set(_ENERGY.findall(name))
    if masses <= {"g"} and energies <= {"kwh"}:
        return 1.0, ""
    units_stated = (" ".join(masses), " ".join(energies))  # a pair that is known only where there is one of each
    written = quoted(table.header[column])
    if units_stated not in _G_PER_KWH:
        remedy = "convert it to gCO2eq/kWh and name it intensity_g_per_kwh"
        what = f"the unit of the column {written} is no known mass per energy"
        raise InputError(f"{table.name}, line {table.line}: {what}; {remedy}")
    scale = _G_PER_KWH[units_stated]
    mass, energy = units_stated
    note = f"the column {written} is in {mass} per {energy[:-2].upper()}Wh: times {scale:.9g} for g per kWh"
    return scale, "" if scale == 1 else note.replace("KWh", "kWh")


def factors_of(name: str, default: str) -> str:
    """The emission factors that a column's name states, else `default`."""
    lower = name.lower()
    if any(word in lower for word in ("lca", "life cycle", "life-cycle", "lifecycle")):
        return "life-cycle"
    return "direct" if "direct" in lower else default
