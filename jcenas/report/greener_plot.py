"""One plot of a job and its greener hours: the grid's intensity, when the job runs, and its deadline."""

import datetime
import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from jcenas.report.style import COLOR, save_png, style


def write_greener_plot(
    path: pathlib.Path,
    start: datetime.datetime,
    intensity_g_per_kwh: np.ndarray,
    spans_h: Sequence[tuple[float, float]],
    *,
    begin_h: float,
    deadline_h: float,
    title: str = "",
) -> pathlib.Path:
    """Draw the hours of a job, and write them as PNG.

    Args:
      path: the file.
      start: begin of the first hour, UTC.
      intensity_g_per_kwh: of each hour, (h,).
      spans_h: begin and end of each time in which the job runs, in hours since `start`.
      begin_h: when it could have started.
      deadline_h: when it must have ended.
      title: above the plot.
    """

    def at(hours: float) -> float:
        moment = start.astimezone(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=hours)
        return float(date2num(moment))

    with style():
        figure = Figure(figsize=(9.0, 3.2), layout="constrained")
        axes = figure.add_subplot()
        edges = np.array([at(hour) for hour in range(len(intensity_g_per_kwh) + 1)])
        axes.xaxis_date()
        axes.stairs(intensity_g_per_kwh, edges, baseline=None, color=COLOR["ink"], linewidth=1.4, label="grid")
        for number, (first, last) in enumerate(spans_h):
            label = "runs" if number == 0 else "_nolegend_"
            axes.axvspan(at(first), at(last), color=COLOR["green"], alpha=0.35, linewidth=0, label=label)
        axes.axvline(at(begin_h), color=COLOR["muted"], linewidth=0.9)
        axes.axvline(at(deadline_h), color=COLOR["red"], linewidth=1.2, label="deadline")
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_ylim(0, 1.08 * max(float(np.max(intensity_g_per_kwh)), 1.0))
        axes.margins(x=0.01)
        axes.set_ylabel("gCO2eq/kWh")
        axes.set_title(title)
        axes.legend(loc="lower left", ncols=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        return save_png(figure, path)
