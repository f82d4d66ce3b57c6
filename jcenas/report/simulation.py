"""Plots of simulated searches: progress over hours and over emissions, and when the devices trained."""

import pathlib
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jcenas.report.style import COLOR, save_png, style
from jcenas.sim.run import Simulation

COLORS = ("green", "blue", "amber", "violet", "red", "brown", "grey")


def band(axes: Axes, x: np.ndarray, rows: np.ndarray, color: str, label: str) -> None:
    """Median line and quartile band of rows (n, T) over x (T,)."""
    q1, median, q3 = np.nanquantile(rows, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(x, q1, q3, color=color, alpha=0.18, linewidth=0)
    axes.plot(x, median, color=color, linewidth=1.8, label=label)


def over_emissions(emissions: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Values (n, T) at emissions (n, T), on a common grid (k,): the last one not dearer; NaN behind the end."""
    rows = np.full((len(values), len(grid)), np.nan)
    for i, (spent, value) in enumerate(zip(emissions, values, strict=True)):
        place = np.searchsorted(spent, grid, side="right") - 1
        inside = (place >= 0) & (grid <= spent[-1])
        rows[i, inside] = value[place[inside]]
    return rows


def progress_figure(simulations: Mapping[str, Simulation]) -> Figure:
    """Log hypervolume difference over hours and over emissions, a colour a method; intensity and split below."""
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    (hours_axes, carbon_axes), (trace_axes, split_axes) = figure.subplots(2, 2, height_ratios=(1.4, 1))
    hours_axes.set(xlabel="hours", ylabel="log hypervolume difference", title="Progress over time")
    carbon_axes.set(xlabel="kgCO₂eq", title="Progress over emissions")
    trace_axes.set(xlabel="hours", ylabel="gCO₂eq / kWh", title="Carbon intensity of the grid")
    split_axes.set(xlabel="hours", ylabel="devices", title="Devices that train (median)")
    for (label, done), role in zip(simulations.items(), COLORS * len(simulations), strict=False):
        color, hours = COLOR[role], done.result.intervals
        largest = float(done.benchmark.largest)
        missing = np.log(np.maximum(largest - np.asarray(hours.hypervolume, float), largest * 1e-6))
        time = np.arange(1, missing.shape[1] + 1)
        spent = np.cumsum(np.asarray(hours.emissions_g, float), axis=1) / 1000
        band(hours_axes, time, missing, color, label)
        grid = np.linspace(0, np.median(spent[:, -1]), 100)
        shown = over_emissions(spent, missing, grid)
        filled = ~np.isnan(shown).all(axis=0)
        band(carbon_axes, grid[filled], shown[:, filled], color, label)
        split_axes.step(time, np.median(np.asarray(hours.evaluating, float), axis=0), where="mid", color=color)
        trace_axes.plot(time, done.intensity, color=COLOR["brown"], linewidth=1.6)
    handles, labels = hours_axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, handlelength=1.2)
    return figure


def write_progress(simulations: Mapping[str, Simulation], path: pathlib.Path) -> pathlib.Path:
    """Draw `progress_figure` into a PNG file."""
    with style():
        figure = progress_figure(simulations)
        path.parent.mkdir(parents=True, exist_ok=True)
        return save_png(figure, path)
