"""One plot of a forecast: the week before, the 96 hours ahead with intervals, and what came, where it is known."""

import datetime
import pathlib

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from jcenas.report.style import COLOR, save_png, style

WEEK_H = 168


def write_forecast_plot(
    path: pathlib.Path,
    start: datetime.datetime,
    history_g_per_kwh: np.ndarray,
    quantiles_g_per_kwh: np.ndarray,
    point_g_per_kwh: np.ndarray,
    *,
    actual_g_per_kwh: np.ndarray | None = None,
    title: str = "",
) -> pathlib.Path:
    """Draw a forecast that begins at `start`, and write it as PNG.

    Args:
      path: the file.
      start: the origin, UTC.
      history_g_per_kwh: hours before it, (n,); the last week is drawn.
      quantiles_g_per_kwh: (h, 7), ascending, at 5, 10, 25, 50, 75, 90 and 95 %.
      point_g_per_kwh: (h,).
      actual_g_per_kwh: what came, (h,), where it is known.
      title: above the plot.
    """
    with style():
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes = figure.add_subplot()
        past = np.asarray(history_g_per_kwh)[-WEEK_H:]
        origin = np.datetime64(start.astimezone(datetime.UTC).replace(tzinfo=None), "h")
        before, ahead = origin - np.arange(past.size, 0, -1), origin + np.arange(len(point_g_per_kwh))
        axes.plot(before, past, color=COLOR["ink"], linewidth=1.2, label="history")
        for low, high, alpha, label in ((0, 6, 0.18, "90 % interval"), (2, 4, 0.35, "50 % interval")):
            band = quantiles_g_per_kwh[:, low], quantiles_g_per_kwh[:, high]
            axes.fill_between(ahead, *band, color=COLOR["green"], alpha=alpha, linewidth=0, label=label)
        axes.plot(ahead, point_g_per_kwh, color=COLOR["green"], linewidth=1.6, label="forecast")
        if actual_g_per_kwh is not None:
            axes.plot(ahead, actual_g_per_kwh, color=COLOR["ink"], linewidth=1.0, linestyle=":", label="what came")
        axes.axvline(ahead[0], color=COLOR["muted"], linewidth=0.8)
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.set_ylabel("gCO2eq/kWh")
        axes.set_title(title)
        axes.legend(loc="lower left", ncols=5)
        path.parent.mkdir(parents=True, exist_ok=True)
        return save_png(figure, path)
