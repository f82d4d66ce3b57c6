"""The plots of a run. Each function makes one `Figure` without pyplot and draws what there is so far."""

from typing import Any, Literal

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jcenas.live.kinds import KINDS
from jcenas.report.drawings import draw
from jcenas.report.run import Run, Table, evaluated, last_hour, pareto_front, seconds_by_hour, times
from jcenas.report.style import COLOR
from jcenas.report.summary import headline, percent, quantity

KIND_COLORS = {  # in the order in which they are stacked: what the policy asks for lowest
    "supernet": COLOR["violet"],
    "candidate": COLOR["green"],
    "scoring": COLOR["amber"],
    "switching": COLOR["brown"],
    "idle": COLOR["pale"],
    "compiling": COLOR["grey"],
    "starting": COLOR["violet"],  # of workers, which know no supernet
    "timing": COLOR["blue"],
    "latency": COLOR["red"],
    "inference-energy": COLOR["red"],  # a measurement as well
    "test": COLOR["ink"],
}
SET_UP = ("compiling", "starting", "timing", "supernet")  # kinds before the search proper
LOG_RATIO = 20.0  # costs that span more than this are shown on a logarithmic axis


def pareto_figure(run: Run) -> Figure:
    """Validation accuracy against cost: every evaluation, the front, failures, and a supernet's estimates if any."""
    figure, axes = _figure(4.6)
    done, front = evaluated(run), pareto_front(run)
    axes.set(xlabel=run.costs[0].title, ylabel="validation accuracy, %")
    if done.empty:
        _say(axes, "No evaluation has finished yet.")
        return figure
    accuracy = 100 * (1 - done["validation_error"])
    margin = max(0.08 * (accuracy.max() - accuracy.min()), 0.2)
    low, high = accuracy.min() - margin, min(accuracy.max() + margin, 100.4)
    _scored(axes, run, low)
    dominated = ~done["proposal"].isin(front["proposal"])
    axes.scatter(
        done.loc[dominated, "cost"],
        accuracy[dominated],
        s=26,
        color=COLOR["grey"],
        label="evaluated",
        zorder=3,
        linewidth=0,
    )
    y = 100 * front["validation_accuracy"]
    axes.step(front["cost"], y, where="post", color=COLOR["green"], linewidth=1.4, alpha=0.55, zorder=2)
    axes.scatter(front["cost"], y, s=46, color=COLOR["green"], label="Pareto front", zorder=4, linewidth=0)
    for number, cost, value in zip(front["number"], front["cost"], y, strict=True):
        axes.annotate(f"{number}", (cost, value), (-3, 5), textcoords="offset points", ha="right", color=COLOR["green"])
    failed = run.evaluations.loc[run.evaluations["status"] == "failed", "cost"].dropna()
    if len(failed):
        axes.plot(
            failed,
            np.full(len(failed), 0.02),
            "x",
            color=COLOR["red"],
            transform=axes.get_xaxis_transform(),
            label="failed",
        )
    scale_axis(axes, "x", done["cost"])
    axes.set_ylim(low, high)
    figure.legend(loc="outside upper right", ncols=4, handlelength=1.2)
    return figure


def schedule_figure(run: Run) -> Figure:
    """Carbon intensity by trace hour, and under it what the devices did in that hour, as shares of their time."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    above.set(ylabel="gCO₂eq / kWh", title="Carbon intensity of the grid, by trace hour")
    below.set(ylabel="share of device time, %", title="What the devices did")
    if run.hours.empty or run.intervals.empty:
        _say(above, "No trace hour has passed yet.")
        return figure
    hours = run.hours.sort_values("hour")
    borders = [*hours["hour"], min(hours["hour"].iloc[-1] + 1, last_hour(run))]
    edges = mdates.date2num(times(run, pd.Series(borders, dtype=float)))
    intensity = hours["intensity_g_per_kwh"].to_numpy()
    above.stairs(intensity, edges, baseline=None, color=COLOR["brown"], linewidth=2)
    above.stairs(intensity, edges, color=COLOR["brown"], fill=True, alpha=0.13)
    facts = headline(run)
    for value, label in (
        (facts.own_mean_g_per_kwh, "mean of these hours"),
        (facts.trace_mean_g_per_kwh, "mean of the trace"),
    ):
        if value is not None:
            _level(above, value, label)
    above.set_ylim(0, 1.12 * max(intensity.max(), facts.trace_mean_g_per_kwh or 0) or 1)
    _split(below, run, hours, edges)
    _time_axis(below, run, edges)
    policy, *parts = zip(*below.get_legend_handles_labels(), strict=True)
    figure.legend(*zip(*parts, policy, strict=True), loc="outside lower center", ncols=5, handlelength=1.2)
    return figure


def progress_figure(run: Run) -> Figure:
    """Hypervolume by evaluation and cumulative emissions by kind, over trace time."""
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.set(ylabel="hypervolume", title="Hypervolume of the front")
    below.set(ylabel="gCO₂eq", title="Emissions so far, by what caused them")
    if run.hours.empty or run.intervals.empty:
        _say(above, "Nothing has been done yet.")
        return figure
    edges = list(times(run, pd.Series([run.hours["hour"].min(), last_hour(run)], dtype=float)))
    done = evaluated(run).dropna(subset=["hypervolume", "hour"])
    if done.empty:
        _say(above, "No evaluation has finished yet.")
    else:
        x = [edges[0], *times(run, done["hour"]), edges[1]]
        y = [0.0, *done["hypervolume"], done["hypervolume"].iloc[-1]]
        above.step(x, y, where="post", color=COLOR["blue"], linewidth=2)
        above.fill_between(x, y, step="post", color=COLOR["blue"], alpha=0.12, linewidth=0)
        above.set_ylim(bottom=0)
    _emissions(below, run, edges[0])
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=5, handlelength=1.2)
    _time_axis(below, run, mdates.date2num(edges))
    return figure


def _emissions(axes: Axes, run: Run, begin: pd.Timestamp) -> None:
    """Cumulative emissions stacked by kind, and those of the same energy at the mean of the run's hours."""
    ends = np.sort(run.intervals["end_hour"].unique())
    moments = [begin, *times(run, pd.Series(ends))]
    labels, colors, totals = [], [], []
    for kind in KINDS:  # as a run meets them: set-up lowest
        part = run.intervals[run.intervals["purpose"] == kind]
        if part["emissions_g"].sum() > 0:
            at_end = part.groupby("end_hour")["emissions_g"].sum().reindex(ends, fill_value=0.0)
            totals.append(np.concatenate([[0.0], np.cumsum(at_end)]))
            labels.append(KINDS[kind])
            colors.append(KIND_COLORS[kind])
    if not totals:
        return
    axes.stackplot(moments, totals, labels=labels, colors=colors, alpha=0.9, linewidth=0)
    mean = headline(run).own_mean_g_per_kwh
    if mean is not None:
        energy = run.intervals.groupby("end_hour")["energy_kwh"].sum().reindex(ends)
        at_mean = np.concatenate([[0.0], mean * np.cumsum(energy)])
        label = "the same energy at the mean of these hours"
        axes.plot(moments, at_mean, color=COLOR["ink"], linewidth=1.3, linestyle=(0, (4, 3)), label=label)


def cell_figure(problem: str, text: str) -> Figure:
    """One architecture of a problem, from the text that its space writes."""
    figure = Figure(figsize=(3.6, 1.95), layout="constrained")
    draw(problem, figure.subplots(), text)
    return figure


def cells_figure(run: Run, limit: int = 6) -> Figure:
    """The cells of the front (see `best_cells`) side by side."""
    best = best_cells(run, limit)
    columns = min(3, max(len(best), 1))
    rows = -(-max(len(best), 1) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    if best.empty:
        _say(grid[0], "No evaluation has finished yet.")
    for axes, row in zip(grid, best.itertuples(), strict=False):
        apart = "\n" if len(run.costs) > 1 else "  ·  "
        title = f"{row.number}  ·  {percent(row.validation_accuracy)}{apart}{costs_text(run, row)}"
        draw(run.problem, axes, row.cell, title)
    return figure


def best_cells(run: Run, limit: int = 6) -> Table:
    """At most `limit` rows of the front: both ends and, between them, members evenly apart."""
    front = pareto_front(run)
    if len(front) <= limit:
        return front
    return front.iloc[np.unique(np.linspace(0, len(front) - 1, limit).round().astype(int))]


def costs_text(run: Run, row: Any) -> str:
    """The costs of a row of the front, with their units."""
    return "  ·  ".join(quantity(getattr(row, cost.column), cost.unit) for cost in run.costs)


def scale_axis(axes: Axes, letter: Literal["x", "y"], values: pd.Series) -> None:
    """Short numbers on an axis of costs, and a logarithmic scale where they span more than `LOG_RATIO`."""
    if values.min() > 0 and values.max() / values.min() > LOG_RATIO:
        axes.set(**{f"{letter}scale": "log"})
    axis = axes.xaxis if letter == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(10, height), layout="constrained")
    return figure, figure.subplots()


def _say(axes: Axes, message: str) -> None:
    """State in the middle of the axes why nothing is drawn."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=COLOR["muted"])


def _scored(axes: Axes, run: Run, low: float) -> None:
    """Supernet estimates as small light dots, as far as they lie in the range of the evaluations."""
    accuracy = 100 * (1 - run.scores["error"])
    inside = accuracy >= low
    if inside.any():
        label = f"supernet's estimate ({inside.sum()} of {len(run.scores)} in view)"
        axes.scatter(
            run.scores.loc[inside, "cost"], accuracy[inside], s=14, color=COLOR["pale"], label=label, linewidth=0
        )


def _level(axes: Axes, value: float, label: str) -> None:
    """A dashed horizontal line with its label at the right."""
    axes.axhline(value, color=COLOR["muted"], linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        label,
        (1, value),
        (-2, 3),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        color=COLOR["muted"],
        fontsize=8.5,
        bbox={"facecolor": COLOR["surface"], "edgecolor": "none", "pad": 1, "alpha": 0.75},
    )


def _split(axes: Axes, run: Run, hours: Table, edges: np.ndarray) -> None:
    """Stacked shares of the device time of each hour by kind, and the share that the policy asked for."""
    spent = seconds_by_hour(run)
    shares = 100 * spent.div(spent.sum(axis=1), axis=0).fillna(0.0)
    base, width = np.zeros(len(hours)), np.diff(edges)
    for kind, color in KIND_COLORS.items():
        if kind in shares:
            share = shares[kind].to_numpy()
            axes.bar(edges[:-1], share, 0.94 * width, base, align="edge", color=color, label=KINDS[kind], linewidth=0)
            base = base + share
    set_up = shares[[kind for kind in SET_UP if kind in shares]].sum(axis=1).to_numpy()
    searching = (set_up < 50) & (width > 0.1 / 24)  # and not a last hour of which next to nothing passed
    asked = 100 * hours["evaluation_share"].to_numpy()
    middle = edges[:-1] + 0.47 * width
    label = "evaluation asked for by the policy"
    axes.plot(middle[searching], asked[searching], "_", color=COLOR["ink"], markersize=7, label=label)
    axes.set_ylim(0, 100)
    axes.grid(False)


def _time_axis(axes: Axes, run: Run, edges: np.ndarray) -> None:
    """Ticks in UTC; the first moment with its date stands in the label."""
    locator = mdates.AutoDateLocator(maxticks=11)  # as many as a range just below the next unit needs
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))
    axes.set_xlim(edges[0], edges[-1])
    begin = times(run, pd.Series([run.hours["hour"].min()], dtype=float)).iloc[0]
    axes.set_xlabel(f"trace time in UTC, from {begin:%Y-%m-%d %H:%M}", loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _short(value: float) -> str:
    """An axis label: 12k, 1.5M, 0.25."""
    for scale, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:g}{suffix}"
    return f"{value:g}"
