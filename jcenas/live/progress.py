"""Who watches a running search: a live panel, plain lines, JSON lines, or nobody.

The search calls `update` as often as it likes with a `Progress`; an observer decides what of it to show. No observer
imports JAX, and only the panel imports rich.
"""

import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

SHORT = {"nor_conv_3x3": "3x3", "nor_conv_1x1": "1x1", "avg_pool_3x3": "pool", "skip_connect": "skip", "none": "-"}
MOST_ROWS = 8  # trainings that the panel shows one by one
LONGEST_CELL = 60  # characters of an architecture in a terminal


class Running(NamedTuple):
    """A training in progress."""

    device: int
    cell: str  # as the benchmark writes it
    fraction: float  # of its steps done, in [0, 1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """One moment of a search."""

    run: str
    stage: str  # "supernet", "search", ...
    hour: int = 0  # trace hours completed
    hours_total: int | None = None
    time_utc: str = ""  # of the trace, ISO 8601
    intensity_g_per_kwh: float | None = None
    intensity_source: str = ""  # of a live grid: the provider
    evaluation_share: float | None = None  # of device time, in [0, 1]; the rest samples
    queued: int = 0  # scored proposals that wait
    halfway: int = 0  # trainings that wait for a later hour
    running: tuple[Running, ...] = ()
    evaluations: int = 0  # finished, failed ones included
    failed: int = 0
    best_accuracy: float | None = None  # validation, fraction
    hypervolume: float | None = None
    emissions_g: float = 0.0
    energy_kwh: float = 0.0
    carbon_budget_g: float | None = None
    elapsed_s: float = 0.0
    left_s: float | None = None
    message: str = ""


class Observer(Protocol):
    """Sees a search go on; a context manager around it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, progress: Progress) -> None:
        """Take in the present moment."""
        ...

    def log(self, message: str, **fields: Any) -> None:
        """Tell the user something once. `fields`: details for machines, JSON-ready."""
        ...


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, progress: Progress) -> None:
        """Ignore the moment."""

    def log(self, message: str, **fields: Any) -> None:
        """Ignore the message."""


class Together:
    """Several observers as one: each is told everything, in their order."""

    def __init__(self, *observers: Observer):
        self._observers, self._entered = observers, contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as entered:
            for observer in self._observers:
                entered.enter_context(observer)
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._entered.close()

    def update(self, progress: Progress) -> None:
        """Show the moment to all."""
        for observer in self._observers:
            observer.update(progress)

    def log(self, message: str, **fields: Any) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.log(message, **fields)


class PlainLines(Quiet):
    """One line, flushed, whenever an hour, a stage or an evaluation has ended; in ASCII."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._last: tuple | None = None

    def update(self, progress: Progress) -> None:
        """Write a line unless nothing but time has passed since the last."""
        if landmark(progress) != self._last:
            self._last = landmark(progress)
            _write_line(self._stream, plain_line(progress))

    def log(self, message: str, **fields: Any) -> None:
        """Write the message as a line."""
        _write_line(self._stream, message)


class JsonLines(Quiet):
    """One JSON object a line, flushed: `{"event": "progress", ...}` at landmarks and `{"event": "log", ...}`."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._last: tuple | None = None

    def update(self, progress: Progress) -> None:
        """Write the whole moment unless nothing but time has passed since the last."""
        if landmark(progress) != self._last:
            self._last = landmark(progress)
            fields = dataclasses.asdict(progress) | {"running": [entry._asdict() for entry in progress.running]}
            self._emit({"event": "progress", **fields})

    def log(self, message: str, **fields: Any) -> None:
        """Write the message with its fields."""
        self._emit({"event": "log", "message": message, **fields})

    def _emit(self, content: dict[str, Any]) -> None:
        _write_line(self._stream, json.dumps(_finite(content), allow_nan=False))


class RichPanel:
    """One panel that redraws itself; messages scroll above it."""

    def __init__(self, stream: TextIO | None = None, console: "Console | None" = None):
        from rich.console import Console

        self._console = console or Console(file=stream)
        self._live: Live | None = None
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, progress: Progress) -> None:
        """Show the moment from the next redrawing on."""
        self._progress = progress

    def log(self, message: str, **fields: Any) -> None:
        """Print the message above the panel."""
        self._console.print(message, markup=False, highlight=False)

    def _render(self) -> "RenderableType":
        return panel(self._progress) if self._progress is not None else ""


def make_observer(*, quiet: bool = False, json: bool = False, stream: TextIO | None = None) -> Observer:
    """The observer for these flags: `json` wins over `quiet`; else a panel on a terminal and plain lines elsewhere.

    Args:
      quiet: Show nothing.
      json: Write JSON lines.
      stream: Where to write; default: standard output.
    """
    output = sys.stdout if stream is None else stream
    if json:
        return JsonLines(output)
    if quiet:
        return Quiet()
    return RichPanel(output) if output.isatty() else PlainLines(output)


def plain_line(progress: Progress) -> str:
    """The moment as one line of ASCII; what is not known is left out."""
    p = progress
    hours = f"hour {p.hour}" + (f"/{p.hours_total}" if p.hours_total is not None else "")
    parts = [
        f"[{clock(p.elapsed_s)}]",
        p.stage,
        hours,
        p.time_utc[:16].replace("T", " ") + "Z" if p.time_utc else "",
        _maybe(p.intensity_g_per_kwh, lambda v: f"{v:.0f} g/kWh"),
        _maybe(p.evaluation_share, lambda v: f"evaluate {100 * v:.0f}%"),
        f"queue {p.queued}+{p.halfway}",
        f"trained {p.evaluations - p.failed}" + (f" ({p.failed} failed)" if p.failed else ""),
        _maybe(p.best_accuracy, lambda v: f"best {100 * v:.2f}%"),
        _maybe(p.hypervolume, lambda v: f"hypervolume {v:.4g}"),
        f"{p.emissions_g:.3g} gCO2eq" + _maybe(p.carbon_budget_g, lambda v: f" of {v:.3g}"),
        _maybe(p.left_s, lambda v: f"left {clock(v)}"),
    ]
    return "  ".join(part for part in parts if part)


def panel(progress: Progress) -> "RenderableType":
    """The moment as a rich panel."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    p = progress
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()

    def row(name: str, value: str, fraction: float | None = None, done: str = "green", rest: str = "bar.back") -> None:
        share = None if fraction is None else min(max(fraction, 0.0), 1.0)
        bar = (
            ""
            if share is None
            else ProgressBar(1.0, share, width=24, style=rest, complete_style=done, finished_style=done)
        )
        grid.add_row(name, Text(value), bar)

    hours = f"{p.hour}" + (f" of {p.hours_total}" if p.hours_total is not None else "")
    when = p.time_utc[:16].replace("T", " ") + " UTC" if p.time_utc else ""
    row("hour", f"{hours}  {when}".strip(), p.hour / p.hours_total if p.hours_total else None, "blue")
    by = f" ({p.intensity_source})" if p.intensity_source else ""
    row("grid", _maybe(p.intensity_g_per_kwh, lambda v: f"{v:.0f} gCO2eq/kWh{by}") or "-")
    if p.evaluation_share is not None:
        evaluate = round(100 * p.evaluation_share)
        row("split", f"evaluate {evaluate} %, sample {100 - evaluate} %", p.evaluation_share, rest="yellow")
    row("queue", f"{p.queued} scored, {p.halfway} half-trained")
    best = _maybe(p.best_accuracy, lambda v: f", best {100 * v:.2f} %")
    row("trained", f"{p.evaluations - p.failed}" + (f" ({p.failed} failed)" if p.failed else "") + best)
    row("hypervolume", _maybe(p.hypervolume, lambda v: f"{v:.4g}") or "-")
    budget = p.carbon_budget_g
    of = f" of {budget:.3g}" if budget is not None else ""
    row("emissions", f"{p.emissions_g:.3g}{of} gCO2eq", p.emissions_g / budget if budget else None, "yellow")
    for entry in p.running[:MOST_ROWS]:
        row(f"device {entry.device}", short_cell(entry.cell), entry.fraction)
    if (more := len(p.running) - MOST_ROWS) > 0:
        row("", f"and {more} more in training")
    row("time", clock(p.elapsed_s) + _maybe(p.left_s, lambda v: f", about {clock(v)} left"))
    content = Group(grid, Text(p.message, style="dim")) if p.message else grid
    return Panel(
        content, title=Text(f"jcenas · {p.run} · {p.stage}"), title_align="left", border_style="dim", expand=False
    )


def short_cell(cell: str) -> str:
    """A cell's operations by target node, `3x3 | - skip | 1x1 3x3 -`; the begin of another text that is long."""
    nodes = [[edge.split("~")[0] for edge in node.strip("|").split("|")] for node in cell.split("+")]
    if any(operation not in SHORT for node in nodes for operation in node):
        return cell if len(cell) <= LONGEST_CELL else cell[: LONGEST_CELL - 1] + "…"
    return " | ".join(" ".join(SHORT[operation] for operation in node) for node in nodes)


def clock(seconds: float) -> str:
    """A time as on a stop-watch: 0:07, 12:05, 3:02:01."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def landmark(progress: Progress) -> tuple:
    """What must differ for a line to be worth writing."""
    return progress.stage, progress.hour, progress.evaluations, progress.failed


def _maybe(value: float | None, text: Callable[[float], str]) -> str:
    return "" if value is None else text(value)


def _finite(value: Any) -> Any:
    """The value with NaN and infinities as None: JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_line(stream: TextIO, text: str) -> None:
    """Write and flush; what the stream's encoding lacks becomes a question mark."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()
