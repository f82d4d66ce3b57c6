"""Graphs whose nodes stand in a row: boxes, and arrows that lead over or under the boxes between.

Node i stands at x = i, y = 0. The parts are drawn in data coordinates.
"""

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from jcenas.report.drawings.operations import Style
from jcenas.report.style import COLOR

Arc = tuple[int, int]  # from and to
LOWEST, HIGHEST = 0.3, 1.05  # of an arc above the boxes, for one and for as many boxes under it as there are
LEAVE, ENTER = 0.2, -0.12  # where an arc leaves and enters a box, from the middle of its edge
HALF_WIDTH = 0.4  # of a box


def box(axes: Axes, place: tuple[float, float], label: str, color: str, *, height: float, size: float) -> None:
    """A rounded box with its centre at `place`, with a label of `size` points."""
    (x, y), r = place, 0.07
    lower_left = (x - HALF_WIDTH + r, y - height / 2 + r)
    axes.add_patch(
        FancyBboxPatch(
            lower_left,
            2 * (HALF_WIDTH - r),
            height - 2 * r,
            boxstyle=f"round,pad={r}",
            facecolor=COLOR["surface"],
            edgecolor=color,
            linewidth=1.2,
            zorder=3,
        )
    )
    axes.text(
        x, y, label, color=COLOR["ink"], fontsize=size, ha="center", va="center_baseline", zorder=4, parse_math=False
    )


def arrow(axes: Axes, points: Sequence[tuple[float, float]], style: Style, *, head: bool = True) -> None:
    """An arrow through two points, or along the cubic curve of four."""
    codes = [Path.MOVETO, *([Path.LINETO] if len(points) == 2 else [Path.CURVE4] * 3)]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(list(points), codes),
            arrowstyle="-|>" if head else "-",
            mutation_scale=6,
            color=style.color,
            linestyle=style.line,
            linewidth=1.1,
            zorder=2,
        )
    )


def arc(axes: Axes, ends: Arc, style: Style, *, y: tuple[float, float], longest: int, up: bool) -> None:
    """An arrow that leads from node to node over the boxes between them, or under them.

    Args:
        axes: to draw into.
        ends: its nodes.
        style: its colour and line.
        y: half heights of the boxes, where it begins and ends.
        longest: of all arcs, in nodes.
        up: over the boxes.
    """
    first, last = ends
    share = (last - first - 2) / max(longest - 2, 1)
    height = max(y) + (LOWEST + share * (HIGHEST - LOWEST)) * 4 / 3  # a cubic curve reaches 3/4 of its control points
    sign, x0, x1 = (1 if up else -1), first + LEAVE, last + ENTER
    lean = 0.1 * (x1 - x0)
    points = [(x0, sign * y[0]), (x0 + lean, sign * height), (x1 - lean, sign * height), (x1, sign * y[1])]
    arrow(axes, points, style)


def crossings(arcs: Sequence[Arc]) -> int:
    """How many pairs of arcs on one side of the row cross."""
    return sum(a < c < b < d or c < a < d < b for (a, b), (c, d) in itertools.combinations(arcs, 2))


def fewest_crossings(choices: Sequence[Sequence[tuple[Sequence[Arc], Sequence[Arc]]]]) -> tuple[int, ...]:
    """For every item the number of one of its choices, (arcs over, arcs under) the row, so that few arcs cross.

    Items are decided one after another, each with those before it as they are.
    """
    chosen, over, under = [], [], []
    for ways in choices:
        costs = [(crossings([*over, *up]) + crossings([*under, *down]), len(over) + len(up)) for up, down in ways]
        best = costs.index(min(costs, key=lambda cost: cost[0]))
        chosen.append(best)
        over.extend(ways[best][0])
        under.extend(ways[best][1])
    return tuple(chosen)
