"""One palette for plots and page, light and dark, and the two ways out of a figure: PNG file and inline SVG.

Plots are drawn once, in the light colours. In the inline SVG every colour of the palette becomes a CSS variable, so the
same drawing follows the reader's colour scheme; text stays text, in the font of the page.
"""

import contextlib
import io
import pathlib
import re
from html import escape
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# role: (light, dark). Light colours are distinct, as they are what the SVG is searched for.
PALETTE = {
    "ink": ("#1b1f24", "#e8eaed"),
    "muted": ("#646b75", "#9aa2ad"),
    "grid": ("#e4e7eb", "#2c3138"),
    "surface": ("#ffffff", "#16191d"),
    "green": ("#0b7a5c", "#3cc79a"),
    "blue": ("#2166b4", "#6aaef5"),
    "amber": ("#d9931e", "#e6ad4a"),
    "violet": ("#7b5ea7", "#ab90dc"),
    "red": ("#c8323a", "#ff7078"),
    "brown": ("#8f4f14", "#dd9a5c"),
    "grey": ("#9098a3", "#77808b"),
    "pale": ("#ccd2d9", "#434b55"),
}
COLOR = {role: light for role, (light, _) in PALETTE.items()}
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 9.5,
    "axes.edgecolor": COLOR["pale"],
    "axes.labelcolor": COLOR["muted"],
    "axes.titlecolor": COLOR["ink"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.color": COLOR["grid"],
    "grid.linewidth": 0.8,
    "text.color": COLOR["ink"],
    "xtick.color": COLOR["pale"],
    "ytick.color": COLOR["pale"],
    "xtick.labelcolor": COLOR["muted"],
    "ytick.labelcolor": COLOR["muted"],
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def style() -> contextlib.AbstractContextManager[None]:
    """Context in which every figure is made."""
    return matplotlib.rc_context(RC)


def save_png(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """Write the figure in the light colours."""
    FigureCanvasAgg(figure).print_figure(path, format="png", dpi=160, facecolor=COLOR["surface"])
    return path


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element that fills its container's width and takes its colours from CSS variables.

    Args:
      figure: Made under `style()`.
      name: Letters and hyphens; prefixes the element's ids, which must differ between the figures of a page.
      description: What a screen reader says.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({**RC, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(#|xlink:href="#)', rf"\1{name}-", svg)
    svg = re.sub(r"font-family:[^;\"]*(\"[^\"]*\"[^;\"]*)*", "font-family: inherit", svg)
    for role, light in COLOR.items():
        svg = svg.replace(light, f"var(--{role})")
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(description, quote=True)}" ', 1).strip()


def css_variables() -> str:
    """The palette as CSS: light by default, dark where the reader prefers it."""
    light = "".join(f"--{role}:{pair[0]};" for role, pair in PALETTE.items())
    dark = "".join(f"--{role}:{pair[1]};" for role, pair in PALETTE.items())
    return f":root{{color-scheme:light dark;{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
