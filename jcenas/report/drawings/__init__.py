"""Drawings of architectures, a file a kind; which one a problem has stands in its registry entry."""

from matplotlib.axes import Axes

from jcenas import registry
from jcenas.errors import InputError
from jcenas.registry import Entry
from jcenas.report.style import COLOR

WIDTH = 34  # characters of a line


def draw(problem: str, axes: Axes, text: str, title: str = "") -> None:
    """Draw an architecture of a problem into `axes`, from the text that its space writes; as text without a drawing."""
    place = _place(problem)
    if place is not None:
        registry.load_entry(place)(axes, text, title)
        return
    axes.axis("off")
    if title:
        axes.set_title(title, loc="center", pad=2, color=COLOR["ink"])
    lines = "\n".join(text[i : i + WIDTH] for i in range(0, len(text), WIDTH))
    axes.text(0.5, 0.5, lines, family="monospace", fontsize=7, color=COLOR["ink"], ha="center", va="center")


def _place(problem: str) -> Entry | None:
    """Where the drawing is, as an entry to load; None without one, also of a package that is not installed here."""
    try:
        entry = registry.check("problem", problem).entry
    except InputError:
        return None
    drawing = entry.options.get("drawing")
    return None if drawing is None else entry._replace(target=str(drawing))
