"""Drawings of architectures, a file a kind; which one a problem has stands in its registry entry."""

import textwrap

from matplotlib.axes import Axes

from jcenas import registry
from jcenas.errors import InputError
from jcenas.registry import Entry
from jcenas.report.drawings.frame import frame
from jcenas.report.style import COLOR

WIDTH, LINES = 42, 13  # characters of a line, and lines, that a drawing has room for
LONGEST = 4000  # characters of an architecture that is drawn


def draw(problem: str, axes: Axes, text: str, title: str = "") -> None:
    """Draw an architecture of a problem into `axes`, from the text that its space writes.

    As text where there is no drawing, or where the drawing does not understand the text: a run folder may hold any.
    """
    place = _place(problem)
    if place is not None and len(text) <= LONGEST:
        try:
            registry.load_entry(place)(axes, text, title)
            return
        except (ValueError, RecursionError, MemoryError):
            axes.clear()
    frame(axes, title)
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST])
    lines = textwrap.wrap(shown, WIDTH, max_lines=LINES, placeholder=" …")
    words = {"family": "monospace", "fontsize": 7, "color": COLOR["ink"], "parse_math": False}
    middle = {"ha": "center", "va": "center", "multialignment": "left", "transform": axes.transAxes}
    axes.text(0.5, 0.5, "\n".join(lines), **words, **middle)


def _place(problem: str) -> Entry | None:
    """Where the drawing is, as an entry to load; None without one, also of a package that is not installed here."""
    try:
        entry = registry.check("problem", problem).entry
    except InputError:
        return None
    drawing = entry.options.get("drawing")
    return None if drawing is None else entry._replace(target=str(drawing))
