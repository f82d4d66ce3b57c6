"""What is wrong with rows of time stamps and intensities: collected, then told in one line with place and remedy."""

import datetime
import math
from collections.abc import Sequence

import numpy as np

from jcenas.errors import InputError


class Problems:
    """Collects the problems of one file; the first is shown with its place, the others are counted."""

    def __init__(self, source: object, unit: str = "line"):
        """Problems of `source` (a path or an address); `unit` is what places are counted in: lines or entries."""
        self.source = source
        self.unit = unit
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
        raise InputError(f"{self.source}, {self.unit} {place}: {what}{rest}; {remedy}")

    def stamp(self, place: int, text: object, *, utc: bool = False) -> datetime.datetime | None:
        """The time that `text` names, in UTC; None and a noted problem where it is none, or its zone is unknown.

        Args:
          place: line or entry.
          text: ISO 8601.
          utc: whether a time without zone is known to be UTC.
        """
        try:
            when = datetime.datetime.fromisoformat(str(text).strip())
        except ValueError:
            self.add(place, f"{text!r} is no ISO 8601 time", "write times like 2024-01-31T23:00Z")
            return None
        if when.tzinfo is None and not utc:
            remedy = "add Z or an offset, or name the column datetime_utc if it is UTC"
            self.add(place, f"the time {text!r} has no zone", remedy)
            return None
        return when.replace(tzinfo=datetime.UTC) if when.tzinfo is None else when.astimezone(datetime.UTC)

    def intensity(self, place: int, value: object) -> float:
        """The number that `value` is; 0 and a noted problem where it is none, not finite or negative."""
        remedy = "put the carbon intensity in gCO2eq/kWh, or leave out the start or the end of the file"
        if value is None or not str(value).strip():
            self.add(place, "the intensity is missing", remedy)
            return 0.0
        try:
            number = float(value)  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError):
            self.add(place, f"{value!r} is no number", remedy)
            return 0.0
        if not math.isfinite(number) or number < 0:
            self.add(place, f"the intensity {str(value).strip()} is not a finite number >= 0", remedy)
            return 0.0
        return number

    def step(self, stamps: Sequence[datetime.datetime], places: Sequence[int]) -> int:
        """Step of the time stamps in seconds; notes duplicates, disorder, gaps and steps that do not divide an hour."""
        if len(stamps) < 2:
            if not self.found:
                self.add(places[0] if places else 1, "fewer than two rows", "a trace needs at least two")
            return 3600
        gaps = np.diff([when.timestamp() for when in stamps])
        lengths, counts = np.unique(gaps[gaps > 0], return_counts=True)
        step = int(lengths[counts.argmax()]) if lengths.size else 0  # the commonest; of equals the shortest
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
