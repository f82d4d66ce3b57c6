"""Look names up: check them, name the nearest, import what they mean."""

import difflib
import functools
import importlib
from collections.abc import Iterable
from typing import Any

from jcenas.errors import InputError
from jcenas.registry import builtin
from jcenas.registry.entry import DESCRIBED, KINDS, OURS, Choice, Entry
from jcenas.registry.plugins import plugins


def entries(kind: str) -> dict[str, Entry]:
    """Entries of a kind by name: the built-in ones in their order, then those of other packages by name."""
    return built_in(kind) | plugins(kind).entries


def built_in(kind: str) -> dict[str, Entry]:
    """Entries of a kind that come with this package."""
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}; {_nearest(kind, KINDS)}the kinds are {', '.join(KINDS)}")
    return builtin.built_in(kind)


def conflicts(kind: str) -> dict[str, str]:
    """Names that are refused, since more than one package claims them or nobody could write them, and why."""
    return dict(plugins(kind).refused)


def written(entry: Entry) -> str:
    """The name as it may be written, for example `static:SHARE` or `threshold[:FRACTION]`."""
    if entry.argument is None:
        return entry.name
    tail = f":{entry.argument.placeholder}"
    return entry.name + (tail if entry.argument.required else f"[{tail}]")


def names(kind: str) -> tuple[str, ...]:
    """Names of a kind as they may be written, for help texts and errors."""
    return tuple(written(entry) for entry in entries(kind).values())


def check(kind: str, text: str) -> Choice:
    """Find the entry that a text names, and read its argument.

    Args:
        kind: a key of `KINDS`.
        text: a name, or a name, a colon and an argument.

    Raises:
        InputError: there is none of that name (lists the known ones and the nearest), its argument is wrong, or it is
            refused (`conflicts`) or cannot be loaded.
    """
    found = entries(kind)
    name, colon, rest = text.partition(":")
    if name in conflicts(kind):
        raise InputError(conflicts(kind)[name])
    if name not in found:
        one, several = KINDS[kind]
        known = f"the {several} are {', '.join(names(kind))}" if found else f"there are no {several} yet"
        raise InputError(f"unknown {one} {text!r}; {_nearest(name, found)}{known}")
    entry = found[name]
    if entry.source != OURS:
        argument, options = getattr(load_entry(entry), DESCRIBED, (entry.argument, entry.options))
        entry = entry._replace(argument=argument, options=options)
    return Choice(entry, _argument(entry, text, rest if colon else None))


def load(kind: str, text: str) -> Any:
    """Import what a text names; `check(kind, text).arguments` is what its factory is given.

    Raises:
        InputError: as `check` does.
    """
    return load_entry(check(kind, text).entry)


def load_entry(entry: Entry) -> Any:
    """Import the object of an entry.

    Raises:
        InputError: it comes from another package and cannot be imported.
    """
    try:
        module, _, attribute = entry.target.partition(":")
        return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except Exception as error:  # whatever another package does when it is imported
        if entry.source == OURS:
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{KINDS[entry.kind][0]} {entry.name!r} of the package {entry.source} cannot be loaded from "
            f"{entry.target!r} ({said}); update or uninstall {entry.source}"
        ) from error


def help_line(entry: Entry) -> str:
    """One line about an entry; of another package's, the first line of its docstring, for which it is imported."""
    if entry.source == OURS:
        return entry.help
    try:
        text = getattr(load_entry(entry), "__doc__", None) or ""
    except InputError as error:
        return str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), "(without a docstring)")


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[close[0]]!r}? " if close else ""


def _argument(entry: Entry, text: str, rest: str | None) -> float | str | None:
    """The argument that follows the colon; `rest` is None where there is no colon."""
    one, several = KINDS[entry.kind]
    wanted = entry.argument
    if wanted is None:
        if rest is None:
            return None
        known = ", ".join(names(entry.kind))
        raise InputError(f"{one} {entry.name!r} takes nothing after a colon, as in {text!r}; the {several} are {known}")
    if rest is None and not wanted.required:
        return wanted.default
    if wanted.limits is not None:
        return _number(entry, wanted.limits, text, rest)
    if not rest:
        raise InputError(f"{one} {text!r} needs a {wanted.placeholder} after a colon: {written(entry)}")
    return rest if wanted.kind is None else check(wanted.kind, rest).entry.name


def _number(entry: Entry, limits: tuple[float, float], text: str, rest: str | None) -> float:
    one, (low, high) = KINDS[entry.kind][0], limits
    example = f"{entry.name}:{(low + high) / 2:g}"
    try:
        value = float(rest or "")
    except ValueError:
        wanted = f"a number in [{low:g}, {high:g}]"
        raise InputError(f"{one} {text!r} needs {wanted} after a colon, for example {example}") from None
    if not low <= value <= high:
        raise InputError(f"{one} {text!r}: {rest} is not in [{low:g}, {high:g}]; write, for example, {example}")
    return value
