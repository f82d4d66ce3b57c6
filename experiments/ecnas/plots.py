"""Figures of the EC-NAS experiments, and a page that holds them. Data come in as plain arrays."""

import importlib.resources
import pathlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jcenas.report.style import COLOR, css_variables, inline_svg, save_png, style

SERIES = ("green", "blue", "amber", "violet", "red", "brown", "grey", "ink")
MODELS = ("grey", "green")  # the published surrogate and ours


def _figure(height: float = 4.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.4, height), layout="constrained")
    return figure, figure.subplots()


def scatter_figure(points: Mapping[int, np.ndarray]) -> Figure:
    """Accuracy (%) against energy (kWh) of points (n, 2) by number of epochs."""
    figure, axes = _figure()
    for role, (epochs, values) in zip(SERIES, points.items(), strict=False):
        axes.scatter(
            values[:, 0], values[:, 1], s=7, alpha=0.6, linewidth=0, color=COLOR[role], label=f"{epochs} epochs"
        )
    axes.set(xlabel="energy of training, kWh", ylabel="validation accuracy, %", xscale="log")
    axes.legend(markerscale=2)
    return figure


def attainment_figure(energies: np.ndarray, curves: Mapping[str, np.ndarray]) -> Figure:
    """Median attainment: error (%) (g,) of each method over energies (g,), kWh; infinite where it is not attained.

    Both axes are logarithmic, else most methods lie on one another. Names that begin with "published" are dashed.
    """
    figure, axes = _figure()
    for i, (name, errors) in enumerate(curves.items()):
        there, published = np.isfinite(errors), name.startswith("published")
        axes.step(
            energies[there],
            errors[there],
            where="post",
            color=COLOR[SERIES[i % len(SERIES)]],
            linestyle="--" if published else "-",
            linewidth=2.2 if published else 1.2,
            alpha=0.8,
            label=name,
        )
    axes.set(xlabel="energy of training, kWh", ylabel="validation error, %", xscale="log", yscale="log")
    axes.set_yticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
    axes.set_yticks([], minor=True)
    axes.legend(fontsize=8)
    return figure


def vertices_figure(energies_wh: Mapping[int, np.ndarray]) -> Figure:
    """Distribution of the energy (Wh) of four epochs by number of vertices."""
    figure, axes = _figure(3.6)
    axes.boxplot(
        list(energies_wh.values()),
        tick_labels=[str(k) for k in energies_wh],
        whis=(0, 100),
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": COLOR["green"], "alpha": 0.35, "edgecolor": COLOR["ink"]},
        medianprops={"color": COLOR["ink"], "linewidth": 1.6},
        whiskerprops={"color": COLOR["ink"]},
        capprops={"color": COLOR["ink"]},
    )
    axes.set(xlabel="vertices of the cell", ylabel="energy of four epochs, Wh")
    return figure


def surrogate_figure(
    measured: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    curve: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """Predicted against measured energies (n,), Wh, and the mean absolute error over training sizes by model.

    Of two models the published one comes first.
    """
    figure = Figure(figsize=(9.4, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for role, (name, values) in zip(MODELS, predicted.items(), strict=False):
        left.scatter(measured, values, s=6, alpha=0.5, linewidth=0, color=COLOR[role], label=name)
    ends = [float(np.min(measured)), float(np.max(measured))]
    left.plot(ends, ends, color=COLOR["ink"], linewidth=0.8)
    left.set(xlabel="measured, Wh", ylabel="predicted, Wh", title="Cells held out")
    left.legend(markerscale=2)
    for role, (name, (sizes, errors)) in zip(MODELS, curve.items(), strict=False):
        right.plot(sizes, errors, "o-", color=COLOR[role], label=name)
    right.set(
        xlabel="training cells", ylabel="mean absolute error, Wh", xscale="log", yscale="log", title="Learning curve"
    )
    if curve:
        right.legend()
    right.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return figure


def swap_figure(names: Sequence[str], changes: Mapping[str, Sequence[float | None]]) -> Figure:
    """Relative changes (%), by quantity, of each replacement of an operation."""
    figure, axes = _figure(3.4)
    width = 0.8 / max(len(changes), 1)
    for i, (quantity, values) in enumerate(changes.items()):
        at = np.arange(len(names)) + (i - (len(changes) - 1) / 2) * width
        axes.bar(at, [np.nan if v is None else 100 * v for v in values], width, color=COLOR[SERIES[i]], label=quantity)
    axes.axhline(0, color=COLOR["ink"], linewidth=0.8)
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(ylabel="mean change, %")
    axes.legend()
    return figure


def write_page(
    folder: pathlib.Path,
    figures: Mapping[str, tuple[str, Figure]],
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
) -> pathlib.Path:
    """Write `ecnas.html`, self-contained, and a PNG of each figure; returns the page.

    Args:
      folder: made if it is not there.
      figures: name (letters and hyphens) -> title and figure, made under `style()`.
      tables: title -> head and rows of text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheet = importlib.resources.files("jcenas.report").joinpath("page.css").read_text(encoding="utf-8")
    parts = []
    with style():
        for name, (title, figure) in figures.items():
            save_png(figure, folder / f"{name}.png")
            drawn = inline_svg(figure, name, title)
            parts.append(f'<section><h2>{escape(title)}</h2><figure class="plot">{drawn}</figure></section>\n')
    for title, (head, rows) in tables.items():
        top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        parts.append(f'<section><h2>{escape(title)}</h2><div class="scroll">{table}</div></section>\n')
    page = folder / "ecnas.html"
    page.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>EC-NAS · jcenas</title><style>{css_variables()}{sheet}</style></head>\n"
        f"<body><main><header><h1>EC-NAS</h1></header>{''.join(parts)}</main></body></html>\n",
        encoding="utf-8",
    )
    return page
