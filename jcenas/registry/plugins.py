"""Entries that other packages add by entry points, and the names that are refused."""

import functools
from typing import Any, NamedTuple

from jcenas.registry.builtin import built_in
from jcenas.registry.entry import KINDS, Entry


class Plugins(NamedTuple):
    """What other packages bring for one kind."""

    entries: dict[str, Entry]
    refused: dict[str, str]  # name -> why, in one line


@functools.cache
def plugins(kind: str) -> Plugins:
    """Entries of other packages by name; nothing of theirs is imported."""
    own, found, refused = built_in(kind), {}, {}
    one = KINDS[kind][0]
    for point in sorted(_entry_points(f"jcenas.{kind}"), key=str):
        name, source = point.name, point.dist.name if point.dist else "(unknown)"
        entry = Entry(kind, name, point.value.partition("[")[0].strip(), source=source)
        if name in own:
            refused[name] = f"{one} {name!r} is built in, but the package {source} claims the name; uninstall {source}"
        elif ":" in name or "," in name:
            refused[name] = f"{one} {name!r} of the package {source} has a colon or a comma in its name"
        elif name in found and found[name] != entry:
            refused[name] = f"two packages, {found[name].source} and {source}, have a {one} {name!r}; uninstall one"
        else:
            found[name] = entry
    return Plugins({name: entry for name, entry in found.items() if name not in refused}, refused)


def _entry_points(group: str) -> list[Any]:
    """Entry points of a group; a distribution with damaged metadata has none."""
    import importlib.metadata as metadata  # slow to import, and not needed where nothing is chosen by name

    try:
        return list(metadata.entry_points(group=group))
    except Exception:  # one damaged file spoils the common answer
        points = []
        for distribution in metadata.distributions():
            try:
                points += list(distribution.entry_points.select(group=group))
            except Exception:
                continue
        return points
