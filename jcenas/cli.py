"""The command `jcenas`: parses flags, calls the library, prints. Heavy imports wait until a command needs them."""

import contextlib
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.sim.config import SimulateConfig, TrainPolicyConfig

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
Command = Callable[[], int]


def search(
    config: Annotated[SearchConfig, tyro.conf.arg(name="")],
    *,
    resume: Path | None = None,
    no_report: bool = False,
    quiet: bool = False,
    json: bool = False,
) -> Command:
    """Search architectures: train a supernet and candidates on real images, split by the grid's carbon intensity.

    Args:
        config: the run.
        resume: run folder of an interrupted search to go on with; all other settings come from there.
        no_report: leave out report.html and the plots at the end.
        quiet: print nothing but errors.
        json: print one JSON object a line instead of text.
    """
    return functools.partial(_search, config, resume, not no_report, quiet, json)


def _search(config: SearchConfig, resume: Path | None, report: bool, quiet: bool, json: bool) -> int:
    from jcenas.live import terminal
    from jcenas.live.progress import make_observer

    terminal.start_with_huge_pages()
    observer = make_observer(quiet=quiet, json=json)
    result = terminal.run(config, resume=resume, observer=observer)
    page = None
    if report:
        from jcenas.report import write_report

        page = write_report(result.folder)
    done = result.status == "finished"
    if json:
        observer.log("done" if done else "interrupted", folder=str(result.folder), summary=result.summary)
    elif not quiet:
        from jcenas.live.summary_text import summary_lines

        print("\n".join(summary_lines(result, page)))
    if not done:
        print(f"interrupted; go on with: jcenas search --resume {result.folder}", file=sys.stderr)
    return 0 if done else EXIT_INTERRUPTED


def report(folder: tyro.conf.Positional[Path]) -> Command:
    """Rebuild report.html and the plots of a run folder.

    Args:
        folder: the run folder, such as runs/NAME.
    """
    return functools.partial(_report, folder)


def _report(folder: Path) -> int:
    from jcenas.report import write_report

    print(write_report(folder))
    return 0


def trace(file: tyro.conf.Positional[Path | None] = None, *, zone: str = "US-CAL-CISO", zones: bool = False) -> Command:
    """Check a carbon-intensity trace and show what is in it; without a file, the typical year of a zone.

    Args:
        file: CSV with UTC times and intensities in gCO2eq/kWh.
        zone: zone of the typical year, where no file is given.
        zones: list all zones of the typical-year model.
    """
    return functools.partial(_trace, file, zone, zones)


def _trace(file: Path | None, zone: str, zones: bool) -> int:
    from jcenas.carbon import describe, read_csv
    from jcenas.carbon.typical_year import typical_year

    if zones:
        _table(("zone", "mean g/kWh", "range of the day", "years"), describe.zone_rows())
    else:
        _table(("", ""), describe.rows(read_csv(file) if file else typical_year(zone)))
    return 0


def simulate(config: Annotated[SimulateConfig, tyro.conf.arg(name="")], *, quiet: bool = False) -> Command:
    """Simulate carbon-aware searches on a tabular benchmark: many seeds, no training, minutes instead of days.

    Args:
        config: the searches.
        quiet: no progress bar.
    """
    return functools.partial(_simulate, config, quiet)


def _simulate(config: SimulateConfig, quiet: bool) -> int:
    from jcenas.live import terminal

    terminal.start_with_huge_pages()
    terminal.keep_compiled_programs()
    import jax
    from rich.console import Console
    from rich.progress import Progress

    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    from jcenas.sim import run

    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("compiling, then searching", total=config.seeds)
        done = run.simulate(config, lambda n, _: bar.update(task, completed=n, description="searching"))
    _table(("", ""), run.summary_rows(done))
    if config.plot is not None:
        from jcenas.report.simulation import write_progress

        print(write_progress({config.policy: done}, config.plot))
    return 0


def train_policy(config: Annotated[TrainPolicyConfig, tyro.conf.arg(name="")], *, quiet: bool = False) -> Command:
    """Train a PPO allocation policy on simulated clusters; `jcenas simulate --policy FILE.npz` runs it.

    Args:
        config: what to train.
        quiet: no progress bar.
    """
    return functools.partial(_train_policy, config, quiet)


def _train_policy(config: TrainPolicyConfig, quiet: bool) -> int:
    from jcenas.live import terminal

    terminal.start_with_huge_pages()
    terminal.keep_compiled_programs()
    from rich.console import Console
    from rich.progress import Progress

    from jcenas.sim.train_policy import train_policy as train

    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("learning curves, compiling", total=config.updates)
        done = lambda n, value: bar.update(task, completed=n, description=f"return {value:.3f}")
        _, returns = train(config, done)
    print(f"mean return {returns[0]:.3f} -> {returns[-1]:.3f}; {config.out}")
    return 0


def data(
    action: tyro.conf.Positional[Literal["list", "import", "fetch"]],
    name: tyro.conf.Positional[str] = "",
    path: tyro.conf.Positional[Path | None] = None,
    *,
    mirror: Annotated[str, tyro.conf.arg(name="from")] = "",
) -> Command:
    """Show the prepared data files, or get one into the data folder (JCENAS_DATA, or the user's cache folder).

    Args:
        action: what to do.
        name: file to import or fetch, as `jcenas data list` writes it; fetch also takes a folder of files.
        path: where a copy of it lies, for import.
        mirror: HTTP(S) address below which the prepared files lie, for fetch; default JCENAS_MIRROR.
    """
    if action == "import" and (not name or path is None):
        raise InputError("jcenas data import needs a NAME and a PATH; `jcenas data list` shows the names")
    if action == "fetch" and not name:
        raise InputError("jcenas data fetch needs a NAME; `jcenas data list` shows the names")
    return functools.partial(_data, action, name, path, mirror)


def _data(action: str, name: str, path: Path | None, mirror: str) -> int:
    from jcenas.tables import store

    if action == "import":
        assert path is not None
        print(store.import_file(name, path))
    elif action == "fetch":
        from jcenas.tables import fetch

        for known in fetch.matching(name):
            print(fetch.fetch(known, mirror))
    else:
        print(f"data folder: {store.data_folder()}")
        _table(("file", "bytes", "state"), [(row.name, f"{row.size_bytes:,}", row.state) for row in store.listing()])
    return 0


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns, wrapped by the terminal only."""
    lines = [header, *rows] if any(header) else list(rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def forecast(
    *,
    trace: Path | None = None,
    zone: str = "US-CAL-CISO",
    origin: str | None = None,
    train: bool = False,
    weights: Path | None = None,
    plot: Path | None = None,
    seed: int = 0,
) -> Command:
    """Forecast the carbon intensity of the next 96 hours with intervals, and look back at the errors by day.

    Args:
        trace: CSV with UTC times and intensities in gCO2eq/kWh; the forecast begins where it ends.
        zone: without a trace, a realistic year of this zone's typical-year model is forecast: a demonstration.
        origin: begin of the forecast instead, such as 2024-06-01T00:00Z; what follows is not looked at.
        train: adapt the forecaster to the trace first (some minutes).
        weights: forecaster to use; with --train, where to write the adapted one.
        plot: PNG to draw: the last week, and the forecast with intervals.
        seed: of the training, and of the demonstration's year.
    """
    return functools.partial(_forecast, trace, zone, origin, train, weights, plot, seed)


def _forecast(
    trace: Path | None, zone: str, origin: str | None, train: bool, weights: Path | None, plot: Path | None, seed: int
) -> int:
    from jcenas.carbon.forecast import command
    from jcenas.live import terminal

    terminal.start_with_huge_pages()
    terminal.keep_compiled_programs()
    begin = command.parse_origin(origin) if origin else None
    history = command.history_of(trace, zone, seed)
    say = lambda line: print(line, file=sys.stderr)
    result = command.run(history, origin=begin, train=train, file=weights, seed=seed, say=say)
    print("\n".join(result.notes))
    _table(*_head_and_rows(command.rows_of(result.forecast)))
    if result.errors:
        print()
        _table(*_head_and_rows(result.errors))
    if plot:
        from jcenas.report.forecast_plot import write_forecast_plot

        ahead = result.forecast
        past = result.history.intensity_g_per_kwh
        title = f"{ahead.zone or 'trace'}, from {ahead.start:%Y-%m-%d %H:%M} UTC"
        print(
            write_forecast_plot(plot, ahead.start, past, ahead.quantiles_g_per_kwh, ahead.point_g_per_kwh, title=title)
        )
    return 0


def _head_and_rows(lines: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    return lines[0], lines[1:]


def ecnas(
    action: tyro.conf.Positional[Literal["query", "search", "front"]],
    cell: tyro.conf.Positional[str] = "",
    *,
    space: Literal["4V", "5V", "7V"] = "4V",
    epochs: int = 108,
    metric: str | None = None,
    optimiser: str = "semoa",
    evaluations: int = 1000,
    seed: int = 0,
) -> Command:
    """EC-NAS, NAS-Bench-101 cells with measured energy: an architecture's numbers, or a front with extremes and knee.

    Args:
        action: what to do.
        cell: architecture to query: adjacency digits, a colon, labels, as in 0100:input,output.
        space: cells of at most 4, 5 or 7 vertices.
        epochs: training budget to query: 4, 12, 36 or 108.
        metric: one metric instead of all.
        optimiser: of a search; a wrong name lists the choices.
        evaluations: of a search.
        seed: of a search.
    """
    if action == "query" and not cell:
        raise InputError("jcenas ecnas query needs a CELL, such as 010001000:input,conv3x3-bn-relu,output")
    return functools.partial(_ecnas, action, cell, space, epochs, metric, optimiser, evaluations, seed)


def _ecnas(
    action: str, cell: str, space: str, epochs: int, metric: str | None, optimiser: str, evaluations: int, seed: int
) -> int:
    from jcenas.tables.ecnas import text as ecnas_text

    if action == "query":
        _table(("metric", "value", "meaning"), ecnas_text.query_rows(space, cell, epochs, metric))
        return 0
    said = ""
    if action == "search":
        from jcenas.live import terminal

        terminal.start_with_huge_pages()
        terminal.keep_compiled_programs()
        rows, said = ecnas_text.search_rows(space, optimiser, evaluations, seed)
    else:
        rows = ecnas_text.front_rows(space)
    _table(ecnas_text.HEAD, rows)
    if said:
        print(said)
    return 0


COMMANDS = {
    "search": search,
    "report": report,
    "trace": trace,
    "forecast": forecast,
    "data": data,
    "simulate": simulate,
    "train-policy": train_policy,
    "ecnas": ecnas,
}


def parse(arguments: list[str] | None = None) -> Command:
    """The command that the arguments ask for.

    Raises:
        InputError: wrong arguments, in one line.
        SystemExit: after `--help`.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                args=arguments,
                prog="jcenas",
                description="Carbon-aware, multi-objective neural architecture search on JAX.",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if stop.code == EXIT_BAD_INPUT:
            raise InputError(_one_line(said.getvalue())) from stop
        raise


def _one_line(box: str) -> str:
    """The parser's framed message as one line."""
    lines = [line.strip(" │|") for line in box.splitlines() if not re.search(r"[─-]{3}|^usage", line)]
    text = " ".join(line for line in lines if line)
    text = re.sub(r"Perhaps you meant: (--\S+).*?(?=$|For full)", r"Did you mean \1? ", text)
    return re.sub(r"\.? For full helptext, (run|see)", "; see", re.sub(r"^Error parsing \S+: ", "", text))


def main() -> None:
    """Entry point of the `jcenas` command."""
    try:
        code = parse()()
    except InputError as error:
        print(f"jcenas: {error}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
