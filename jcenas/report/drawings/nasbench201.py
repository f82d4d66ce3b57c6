"""Drawing a NAS-Bench-201 cell: four nodes from left to right, six edges in the colour of their operation."""

import re
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from jcenas.report.drawings.frame import frame
from jcenas.report.style import COLOR


class EdgeStyle(NamedTuple):
    """How an operation is drawn."""

    label: str
    color: str
    line: Any  # of matplotlib: a name or (offset, dashes)


EDGE_STYLES = {
    "nor_conv_3x3": EdgeStyle("conv 3×3", COLOR["blue"], "-"),
    "nor_conv_1x1": EdgeStyle("conv 1×1", COLOR["amber"], "-"),
    "avg_pool_3x3": EdgeStyle("pool 3×3", COLOR["green"], "-"),
    "skip_connect": EdgeStyle("skip", COLOR["muted"], (0, (4, 2))),
    "none": EdgeStyle("", COLOR["pale"], (0, (1, 2.5))),
}
RADIUS = 0.13
NODES = ((0.0, 0.0), (1.12, 0.56), (1.88, -0.56), (3.0, 0.0))  # input, 1, 2, output
BEND = -0.62  # of the edge from input to output, which goes over node 1, in units of its length
BEND_TOP = (1.5, 0.93)  # the middle of that curve: half of the bend's control point


def parse_cell(cell: str) -> list[tuple[int, int, str]]:
    """Edges (from, to, operation) of a cell in the benchmark's notation, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

    Raises:
      ValueError: Not such a string.
    """
    nodes = cell.split("+")
    edges = [
        (int(source), target, operation)
        for target, node in enumerate(nodes, start=1)
        for operation, source in re.findall(r"\|([^|~]+)~(\d+)(?=\|)", node)
    ]
    expected = [(source, target) for target in range(1, 4) for source in range(target)]
    if [edge[:2] for edge in edges] != expected:
        raise ValueError(f"not a NAS-Bench-201 cell: {cell!r}")
    return edges


def draw(axes: Axes, cell: str, title: str = "") -> None:
    """Draw the cell into `axes`, which it empties of ticks and frame.

    `none` is a faint dotted line without arrow; an unknown one is drawn in ink by its name.
    """
    edges = parse_cell(cell)
    axes.set(xlim=(-0.2, 3.2), ylim=(-0.74, 1.06), aspect="equal")
    frame(axes, title)
    for source, target, operation in edges:
        edge_style = EDGE_STYLES.get(operation, EdgeStyle(operation, COLOR["ink"], "-"))
        (x0, y0), (x1, y1) = NODES[source], NODES[target]
        over = (source, target) == (0, 3)
        axes.add_patch(
            FancyArrowPatch(
                (x0, y0),
                (x1, y1),
                connectionstyle=f"arc3,rad={BEND if over else 0}",
                arrowstyle="-" if operation == "none" else "-|>",
                mutation_scale=9,
                shrinkA=0,
                shrinkB=0,
                patchA=Circle((x0, y0), RADIUS, transform=axes.transData),
                patchB=Circle((x1, y1), RADIUS, transform=axes.transData),
                color=edge_style.color,
                linewidth=1.0 if operation == "none" else 1.9,
                linestyle=edge_style.line,
            )
        )
        if edge_style.label:
            along = 0.6 if (source, target) == (0, 1) else 0.5  # clear of the curve that starts beside it
            x, y = BEND_TOP if over else (x0 + along * (x1 - x0), y0 + along * (y1 - y0))
            halo = {"facecolor": COLOR["surface"], "edgecolor": "none", "pad": 1.2}
            words = {"fontsize": 8.5, "ha": "center", "va": "center", "parse_math": False}
            axes.text(x, y, edge_style.label, color=edge_style.color, bbox=halo, **words)
    for (x, y), label in zip(NODES, ("in", "1", "2", "out"), strict=True):
        axes.add_patch(Circle((x, y), RADIUS, facecolor=COLOR["surface"], edgecolor=COLOR["ink"], linewidth=1.3))
        axes.text(x, y, label, ha="center", va="center", fontsize=7.5, color=COLOR["ink"])
