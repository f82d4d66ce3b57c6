"""Times of a CSV column: ISO 8601, seconds since 1970, or dates as people write them, all turned into UTC.

`3/1/24` may be the third of January or the first of March. The column decides: a number above 12, else the order in
which the rows follow one another in equal steps. Where both orders do, the file is refused.
"""

import datetime
import itertools
import re
from collections.abc import Callable, Sequence

from jcenas.carbon.checks import Problems
from jcenas.carbon.text_file import quoted

NO_ZONE_NOTE = "the times say no time zone: taken as UTC"
_REMEDY = "write times like 2024-01-31T23:00Z"
_EPOCH = re.compile(r"\d{9,10}(\.0*)?|\d{12,13}")
_YEAR_FIRST = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(?=\D|$)")
_YEAR_LAST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?))?")
_SHORT_HOUR = re.compile(r"(?<=[ T])(\d):")
_NAMED_UTC = re.compile(r" ?(utc|gmt)$", re.IGNORECASE)


def is_time(text: str) -> bool:
    """Whether `text` is a date or a time of day with a date, in one of the forms that are read; no bare number."""
    return _iso(text) is not None or _YEAR_LAST.fullmatch(_plain(text)) is not None


def is_epoch(text: str) -> bool:
    """Whether `text` is a number of seconds or milliseconds since 1970."""
    return _EPOCH.fullmatch(text.strip()) is not None


def parse_times(
    problems: Problems, lines: Sequence[int], texts: Sequence[str], *, utc: bool
) -> tuple[list[datetime.datetime | None], list[str]]:
    """All times of a column, in UTC, and notes for the user; None and a noted problem where a text is no time.

    Args:
      problems: collects what is wrong.
      lines: line of each text.
      texts: the cells.
      utc: whether a time without zone is known to be UTC; else it is taken as UTC with a note.
    """
    read = _reader(problems, lines, texts)
    times: list[datetime.datetime | None] = []
    naive = []
    for line, text in zip(lines, texts, strict=True):
        when = read(line, text) if read is not None else None
        if when is None or not problems.in_range(line, when):
            times.append(None)
            continue
        if when.tzinfo is None:
            naive.append((line, text))
            when = when.replace(tzinfo=datetime.UTC)
        times.append(when.astimezone(datetime.UTC))
    if not naive or utc:
        return times, []
    if len(naive) < sum(when is not None for when in times):
        for line, text in naive:
            problems.add(line, f"the time {quoted(text)} has no zone, others have", "add Z or an offset")
    return times, [NO_ZONE_NOTE]


Reader = Callable[[int, str], datetime.datetime | None]


def _reader(problems: Problems, lines: Sequence[int], texts: Sequence[str]) -> Reader | None:
    """The reader of one cell that fits the first cell of the column; None where a problem was noted instead."""
    if not texts:
        return None
    if is_epoch(texts[0]):
        return lambda line, text: _from_epoch(problems, line, text)
    if found := _YEAR_LAST.fullmatch(_plain(texts[0])):
        day_first = True if found[2] == "." else _day_first(texts)
        if day_first is None:
            what = f"the date {quoted(texts[0])} may be day/month or month/day"
            problems.add(lines[0], what, "write dates like 2024-01-31")
            return None
        return lambda line, text: _from_written(problems, line, text, day_first=day_first)
    return lambda line, text: _from_iso(problems, line, text)


def _plain(text: str) -> str:
    return _NAMED_UTC.sub("", text.strip())


def _iso(text: str) -> datetime.datetime | None:
    """The time of ISO 8601 text, or of its common relatives: slashes, hours of one digit, a UTC behind."""
    plain = _plain(text)
    named_utc = plain != text.strip()
    plain = _YEAR_FIRST.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", plain)
    if plain[:4].isdigit() and "-" not in plain[:7]:
        return None  # a bare number such as 20240131 is more likely an index
    try:
        when = datetime.datetime.fromisoformat(_SHORT_HOUR.sub(r"0\1:", plain))
    except ValueError:
        return None
    return when.replace(tzinfo=datetime.UTC) if when.tzinfo is None and named_utc else when


def _from_iso(problems: Problems, line: int, text: str) -> datetime.datetime | None:
    when = _iso(text)
    if when is None:
        problems.add(line, f"{quoted(text)} is no ISO 8601 time", _REMEDY)
    return when


def _from_epoch(problems: Problems, line: int, text: str) -> datetime.datetime | None:
    if not is_epoch(text):
        problems.add(line, f"{quoted(text)} is no number of seconds since 1970", _REMEDY)
        return None
    seconds = float(text)
    return datetime.datetime.fromtimestamp(seconds / 1000 if seconds >= 1e11 else seconds, datetime.UTC)


def _written(text: str, *, day_first: bool) -> datetime.datetime | None:
    """The time of a text such as `3/1/24 0:00:00` or `31.01.2024 23:00`; None where it is none."""
    found = _YEAR_LAST.fullmatch(_plain(text))
    if found is None:
        return None
    day, month = (int(found[1]), int(found[3])) if day_first else (int(found[3]), int(found[1]))
    year = int(found[4]) + (2000 if len(found[4]) == 2 else 0)
    hour, minute, second = (*map(int, (found[5] or "0:0").split(":")), 0)[:3]
    zone = datetime.UTC if _plain(text) != text.strip() else None
    try:
        return datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def _from_written(problems: Problems, line: int, text: str, *, day_first: bool) -> datetime.datetime | None:
    when = _written(text, day_first=day_first)
    if when is None:
        order = "day/month/year" if day_first else "month/day/year"
        problems.add(line, f"{quoted(text)} is no time with a date in {order}", _REMEDY)
    return when


def _day_first(texts: Sequence[str]) -> bool | None:
    """Whether dates with slashes begin with the day; None where the column does not tell."""
    scores = []
    for day_first in (True, False):
        times = [_written(text, day_first=day_first) for text in texts]
        known = [when.replace(tzinfo=None) for when in times if when is not None]
        steps = {later - earlier for earlier, later in itertools.pairwise(known)}
        scores.append((len(times) - len(known), len(steps)))
    return None if scores[0] == scores[1] else scores[0] < scores[1]
