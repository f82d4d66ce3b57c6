"""TensorBoard events of a running search: scalars as it goes on, and the report's plots every now and then.

An observer beside the one that the user looks at. Needs the extra `jcenas[tensorboard]`; the events lie in the folder
`tensorboard` of the run, where `tensorboard --logdir runs` finds those of all runs.
"""

import contextlib
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jcenas.errors import InputError
from jcenas.live.progress import Progress, Quiet, landmark
from jcenas.report import plots
from jcenas.report.pairs_plot import pairs_figure
from jcenas.report.run import Run, read_run, readable_costs
from jcenas.report.style import COLOR, style
from jcenas.report.summary import headline

FOLDER = "tensorboard"
FIGURES_S = 900.0  # seconds between two drawings of the plots, which take about two seconds of one core


class TensorBoard(Quiet):
    """Writes what it is told of a search as events.

    Steps are trace hours for what belongs to an hour (`hour/...`, `figures/...`) and finished trainings for what a
    training changes (`evaluations/...`). At the end the last figures are those of the run database.
    """

    def __init__(self, folder_of: Callable[[str], Path], warn: Callable[[str], None], *, figures_s: float = FIGURES_S):
        """Watch a run that is still to begin.

        Args:
          folder_of: from the name of the run to its folder.
          warn: told in one line where no figures could be drawn.
          figures_s: least seconds between two drawings.

        Raises:
          InputError: tensorboardX is not installed.
        """
        try:
            import tensorboardX  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError("--tensorboard needs tensorboardX; pip install 'jcenas[tensorboard]'") from error
        self._library = tensorboardX
        self._folder_of, self._warn, self._figures_s = folder_of, warn, figures_s
        self._writer: Any = None
        self._folder = Path()
        self._last: tuple | None = None
        self._told: dict[str, int] = {}  # the step that a group of scalars was last written for
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tensorboard")  # drawing holds up no training
        self._drawing: Future | None = None
        self._drawn_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """Write the last figures and close the file."""
        self._pool.shutdown(wait=True)
        if self._writer is not None:
            self._draw(last=True)
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None

    def update(self, progress: Progress) -> None:
        """Write the scalars of the moment, where more than time has passed since the last."""
        if landmark(progress) == self._last:
            return
        self._last = landmark(progress)
        if self._writer is None:
            self._folder = self._folder_of(progress.run)
            # The name of a file holds whole seconds only, and a second start must not write over the first one's.
            suffix = f".{secrets.token_hex(4)}"
            self._writer = self._library.SummaryWriter(str(self._folder / FOLDER), filename_suffix=suffix)
        p = progress
        self._group(
            "hour",
            p.hour,
            intensity_g_per_kwh=p.intensity_g_per_kwh,
            evaluation_share=p.evaluation_share,
            queued=p.queued,
            emissions_g=p.emissions_g,
            energy_kwh=p.energy_kwh,
        )
        self._group(
            "evaluations",
            p.evaluations,
            hypervolume=p.hypervolume,
            best_accuracy=p.best_accuracy,
            failed=p.failed,
            emissions_g=p.emissions_g,
        )
        idle = self._drawing is None or self._drawing.done()
        if idle and time.monotonic() - self._drawn_s >= self._figures_s:
            self._drawn_s = time.monotonic()
            self._drawing = self._pool.submit(self._draw)

    def _group(self, name: str, step: int, **values: float | None) -> None:
        """Write scalars, once for each step."""
        if self._told.get(name) == step:
            return
        self._told[name] = step
        for what, value in values.items():
            if value is not None and math.isfinite(value):
                self._writer.add_scalar(f"{name}/{what}", value, step)

    def _draw(self, *, last: bool = False) -> None:
        """Write the plots of the run as it stands; at the end its totals too."""
        try:
            run = readable_costs(read_run(self._folder))
            facts = headline(run)
            step = math.ceil(facts.hours)
            if last:
                self._group("hour", step, emissions_g=facts.emissions_g, energy_kwh=facts.energy_kwh)
            for name, pixels in _pictures(run).items():
                self._writer.add_image(f"figures/{name}", pixels, step, dataformats="HWC")
        except Exception as error:  # a figure that fails must not end a search, nor hide what it found
            self._warn(f"no figures for TensorBoard: {' '.join(f'{type(error).__name__}: {error}'.split())}")


def _pictures(run: Run) -> dict[str, np.ndarray]:
    """The plots of the report by name, uint8 (height, width, 3)."""
    with style():
        figures = {
            "pareto": plots.pareto_figure(run) if len(run.costs) == 1 else pairs_figure(run),
            "schedule": plots.schedule_figure(run),
            "progress": plots.progress_figure(run),
        }
        return {name: _pixels(figure) for name, figure in figures.items()}


def _pixels(figure: Figure) -> np.ndarray:
    figure.set_facecolor(COLOR["surface"])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
