"""The pairs plot of a run with several costs: every two objectives against each other."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jcenas.report.plots import scale_axis
from jcenas.report.run import Run, Table, evaluated, pareto_front
from jcenas.report.style import COLOR

NUMBERED = 30  # longest front whose points carry their numbers


class _Shown(NamedTuple):
    """One objective, for an axis."""

    title: str
    column: str


def pairs_figure(run: Run) -> Figure:
    """Validation accuracy against each cost in the first row, and below it the costs against each other.

    A network of the front may lie anywhere in one panel: what it is good for may be another's objective.
    """
    costs = [_Shown(cost.title, cost.column) for cost in run.costs]
    n = len(costs)
    figure = Figure(figsize=(10, 1.2 + 3.1 * n), layout="constrained")
    grid = figure.subplots(n, n, squeeze=False, sharex="col", sharey="row")
    done, front = _with_percent(evaluated(run)), pareto_front(run)
    front = front.assign(percent=100 * front["validation_accuracy"])
    rows = [_Shown("validation accuracy, %", "percent"), *reversed(costs[1:])]
    for r, down in enumerate(rows):
        for c, across in enumerate(costs):
            axes = grid[r, c]
            if c >= n - r:
                axes.set_visible(False)
                continue
            _panel(axes, done, front, across, down)
            axes.tick_params(labelbottom=True, labelleft=c == 0)
            axes.set(xlabel=across.title, ylabel=down.title if c == 0 else "")
    if done.empty:
        grid[0, 0].text(0.5, 0.5, "No evaluation has finished yet.", ha="center", color=COLOR["muted"], wrap=True)
        return figure
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, handlelength=1.2)
    return figure


def _with_percent(done: Table) -> Table:
    return done.assign(percent=100 * (1 - done["validation_error"]))


def _panel(axes: Axes, done: Table, front: Table, across: _Shown, down: _Shown) -> None:
    """Two objectives of all evaluations, the front in green with its numbers."""
    if done.empty:
        axes.set(xticks=[], yticks=[])
        return
    rest = done[~done["proposal"].isin(front["proposal"])]
    axes.scatter(rest[across.column], rest[down.column], s=22, color=COLOR["grey"], label="evaluated", linewidth=0)
    green = {"color": COLOR["green"], "label": "Pareto front", "linewidth": 0, "zorder": 3}
    axes.scatter(front[across.column], front[down.column], s=40, **green)
    if len(front) <= NUMBERED:
        for number, x, y in zip(front["number"], front[across.column], front[down.column], strict=True):
            words = {"textcoords": "offset points", "ha": "right", "fontsize": 7.5, "color": COLOR["green"]}
            axes.annotate(f"{number}", (x, y), (-3, 4), **words)
    scale_axis(axes, "x", done[across.column])
    if down.column != "percent":
        scale_axis(axes, "y", done[down.column])
