"""`jcenas forecast`."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, ClassVar

from jcenas.cli.printing import print_table, warn
from jcenas.errors import MOST_SEED, InputError, check_integer
from jcenas.runtime import process
from jcenas.runtime.paths import check_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecast the carbon intensity of the next 96 hours with intervals, and look back at the errors by day.

    Attributes:
        trace: CSV with UTC times and intensities in gCO2eq/kWh; the forecast begins where it ends.
        provider: who is asked for the last five weeks instead of a trace: names of `jcenas list provider` with commas
            between them, the later ones where the earlier ones fail; its own forecast is shown beside ours.
        zone: without a trace, a realistic year of this zone's typical-year model is forecast (US-CAL-CISO if empty): a
            demonstration; of a trace file with several zones, the one to take; of a provider, the one to ask for.
        column: column of the intensities, in a trace file with several.
        origin: begin of the forecast instead, such as 2024-06-01T00:00Z; what follows is not looked at.
        train: adapt the forecaster to the trace first (some minutes).
        weights: forecaster to use; with --train, where to write the adapted one.
        plot: PNG to draw: the last week, and the forecast with intervals.
        seed: of the training, and of the demonstration's year.
    """

    computes: ClassVar[bool] = True
    trace: Path | None = None
    provider: str = ""
    zone: str = ""
    column: str = ""
    origin: str | None = None
    train: bool = False
    weights: Path | None = None
    plot: Path | None = None
    seed: int = 0

    def __post_init__(self):
        check_integer("--seed", self.seed, 0, MOST_SEED)
        if self.plot is not None:
            check_file("--plot", self.plot, ".png")
        if self.train and self.weights is not None:
            check_file("--weights", self.weights, ".npz")
        if self.provider and (self.trace is not None or self.column or self.origin):
            other = next(name for name in ("trace", "column", "origin") if getattr(self, name))
            raise InputError(f"--provider {self.provider} and --{other}: leave one of them out")

    def run(self) -> int:
        """Forecast, print the hours and the errors, and draw the plot."""
        process.keep_compiled_programs()
        from jcenas.carbon.forecast import command
        from jcenas.engine.grid import DEFAULT_ZONE

        begin, theirs = command.parse_origin(self.origin) if self.origin else None, None
        if self.provider:
            history, theirs = command.asked(self.provider, self.zone, warn=warn)
        else:
            named = {"column": self.column or None, "trace_zone": self.zone or None}
            history = command.history_of(self.trace, self.zone or DEFAULT_ZONE, self.seed, **named)
        done = command.run(history, origin=begin, train=self.train, file=self.weights, seed=self.seed, say=_say)
        print("\n".join(done.notes))
        head, *rows = command.rows_of(done.forecast, theirs)
        print_table(head, rows)
        if done.errors:
            head, *rows = done.errors
            print()
            print_table(head, rows)
        if self.plot:
            _draw(self.plot, done)
        return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _draw(plot: Path, done: Any) -> None:
    from jcenas.report.forecast_plot import write_forecast_plot

    ahead, past = done.forecast, done.history.intensity_g_per_kwh
    title = f"{ahead.zone or 'trace'}, from {ahead.start:%Y-%m-%d %H:%M} UTC"
    print(write_forecast_plot(plot, ahead.start, past, ahead.quantiles_g_per_kwh, ahead.point_g_per_kwh, title=title))
