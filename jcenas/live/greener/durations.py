"""Lengths of time as people write them: 90s, 45m, 3h, 1h30m, 2d."""

import re

from jcenas.errors import InputError

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"\s*".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?)\s*{unit})?" for unit in _SECONDS))


def seconds_of(text: str, flag: str) -> float:
    """Seconds of a length of time.

    Args:
        text: such as 3h, 90m or 1d12h.
        flag: how the user gave it, for the message.

    Raises:
        InputError: it is none.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or not any(found.groupdict().values()):
        raise InputError(f"{flag} {text}: no length of time; write it like 3h, 90m, 1h30m, 2d or 20s")
    return sum(_SECONDS[unit] * float(value) for unit, value in found.groupdict().items() if value)


def spelled(seconds: float) -> str:
    """A length of time for people: its two largest units, such as 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s" if whole < 10 else f"{whole} s"
    if whole >= 86_400:
        parts = (whole // 86_400, "d", whole % 86_400 // 3600, "h")
    elif whole >= 3600:
        parts = (whole // 3600, "h", whole % 3600 // 60, "min")
    else:
        parts = (whole // 60, "min", whole % 60, "s")
    first, unit, second, small = parts
    return f"{first} {unit} {second} {small}" if second else f"{first} {unit}"
