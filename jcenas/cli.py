"""The command `jcenas`: parses flags, calls the library, prints. Heavy imports wait until a command needs them."""

import contextlib
import functools
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig

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


COMMANDS = {"search": search, "report": report}


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
    lines = [line.strip(" │╭╮╰╯─") for line in box.splitlines() if not line.startswith(("╭", "╰", "usage"))]
    text = " ".join(line for line in lines if line)
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
    sys.exit(code)


if __name__ == "__main__":
    main()
