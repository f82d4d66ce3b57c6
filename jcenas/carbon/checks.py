"""Checks of rows of times and intensities: problems are collected and reported as one line with place and remedy."""

import datetime
import math
from collections.abc import Sequence

import numpy as np

from jcenas.carbon.text_file import quoted, shown
from jcenas.carbon.trace import FIRST_YEAR, LAST_YEAR
from jcenas.errors import InputError

MAX_G_PER_KWH = 100_000.0  # a hundred times the dirtiest power plant: beyond it a number is no intensity


class Problems:
    """Collects the problems of one file; the first is shown with its place, the others are counted."""

    def __init__(self, source: object, unit: str = "line", remedy: str = ""):
        """Problems of `source`, a path or an address.

        Args:
          source: named in the message.
          unit: what places are counted in: lines or entries.
          remedy: the advice for every problem, where the user cannot mend the source.
        """
        self.source = source
        self.unit = unit
        self.remedy = remedy
        self.found: list[tuple[int, str, str]] = []

    def add(self, place: int, what: str, remedy: str) -> None:
        """Note that at `place` there is `what`, and how to mend it."""
        self.found.append((place, what, remedy))

    def raise_if_any(self) -> None:
        """Raise one `InputError` for everything found."""
        if not self.found:
            return
        found = sorted(self.found, key=lambda problem: problem[0])
        place, what, remedy = found[0]
        others = ", ".join(str(n) for n, *_ in found[1:6]) + (", ..." if len(found) > 6 else "")
        rest = f" ({len(found)} problems; also {self.unit} {others})" if len(found) > 1 else ""
        remedy = self.remedy or remedy
        raise InputError(f"{shown(self.source, 400)}, {self.unit} {place}: {what}{rest}; {remedy}")

    def stamp(self, place: int, text: object) -> datetime.datetime | None:
        """The time with zone that ISO 8601 `text` names, in UTC; None and a noted problem where it is none."""
        try:
            when = datetime.datetime.fromisoformat(str(text).strip())
        except ValueError:
            self.add(place, f"{quoted(text)} is no ISO 8601 time", "write times like 2024-01-31T23:00Z")
            return None
        if when.tzinfo is None:
            self.add(place, f"the time {quoted(text)} has no zone", "add Z or an offset")
            return None
        if not self.in_range(place, when):
            return None
        return when.astimezone(datetime.UTC)

    def in_range(self, place: int, when: datetime.datetime) -> bool:
        """Whether the year is one that a trace may have; notes a problem where it is not."""
        if FIRST_YEAR < when.year < LAST_YEAR:
            return True
        what = f"the year {when.year} is not between {FIRST_YEAR} and {LAST_YEAR}"
        self.add(place, what, "correct the time")
        return False

    def intensity(self, place: int, value: object, scale: float = 1.0) -> float:
        """The number that `value` is, times `scale`; 0 and a noted problem where it is no intensity in g/kWh."""
        remedy = "put the carbon intensity in gCO2eq/kWh, or leave out the start or the end of the file"
        if value is None or not str(value).strip():
            self.add(place, "the intensity is missing", remedy)
            return 0.0
        try:
            if isinstance(value, bool) or (isinstance(value, str) and "_" in value):  # 1_000 is a number in Python only
                raise TypeError
            number = float(value) * scale  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError, OverflowError):
            self.add(place, f"{quoted(value)} is no number", remedy)
            return 0.0
        if not math.isfinite(number) or number < 0:
            self.add(place, f"the intensity {shown(value).strip()} is not a finite number >= 0", remedy)
            return 0.0
        if number > MAX_G_PER_KWH:
            self.add(place, f"the intensity {shown(value).strip()} is no number of gCO2eq/kWh", remedy)
            return 0.0
        return number

    def step(self, stamps: Sequence[datetime.datetime], places: Sequence[int]) -> int:
        """Step of the time stamps in seconds; notes duplicates, disorder, gaps and steps that do not divide an hour."""
        if len(stamps) < 2:
            if not self.found:
                self.add(places[0] if places else 1, "fewer than two rows", "a trace needs at least two")
            return 3600
        gaps = np.diff([when.timestamp() for when in stamps])
        step = commonest_step(gaps)
        for i in np.flatnonzero(gaps <= 0).tolist():
            what = "comes twice" if gaps[i] == 0 else "goes back"
            remedy = "leave one of the rows" if gaps[i] == 0 else "sort the rows by time"
            self.add(places[i + 1], f"the time {stamps[i + 1]:%Y-%m-%d %H:%M} UTC {what}", remedy)
        if step <= 0 or 3600 % step:
            if not self.found:
                self.add(places[1], f"a step of {step} s does not divide an hour", "resample to hourly values")
            return 3600
        for i in np.flatnonzero((gaps > 0) & (gaps != step)).tolist():
            what = f"a gap of {(gaps[i] - step) / 3600:g} h before {stamps[i + 1]:%Y-%m-%d %H:%M} UTC"
            self.add(places[i + 1], what, "fill in the missing rows")
        return step


def commonest_step(gaps: np.ndarray) -> int:
    """The commonest of the positive gaps, s; of equally common ones the shortest; 0 where none is positive."""
    lengths, counts = np.unique(gaps[gaps > 0], return_counts=True)
    return int(lengths[counts.argmax()]) if lengths.size else 0
