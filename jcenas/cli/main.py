"""The entry point of `jcenas`: parse, run, and turn what went wrong into one line and an exit code."""

import collections
import contextlib
import dataclasses
import io
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Protocol, cast

import tyro

from jcenas.cli.data import Data
from jcenas.cli.ecnas import Ecnas
from jcenas.cli.forecast import Forecast
from jcenas.cli.list import ListNames
from jcenas.cli.measure import Measure
from jcenas.cli.printing import OutputError, guard_output
from jcenas.cli.report import Report
from jcenas.cli.run import RunCommand
from jcenas.cli.search import Search
from jcenas.cli.simulate import Simulate
from jcenas.cli.stopping import EXIT_INTERRUPTED, raise_again
from jcenas.cli.trace import Trace
from jcenas.cli.train_policy import TrainPolicy
from jcenas.errors import InputError, one_line
from jcenas.live.changes import check_changes
from jcenas.live.config import SearchConfig
from jcenas.runtime.process import start_with_huge_pages

EXIT_NO_OUTPUT = 1
EXIT_BAD_INPUT = 2

COMMANDS = {
    "search": Search,
    "report": Report,
    "trace": Trace,
    "forecast": Forecast,
    "run": RunCommand,
    "data": Data,
    "measure": Measure,
    "simulate": Simulate,
    "train-policy": TrainPolicy,
    "ecnas": Ecnas,
    "list": ListNames,
}


class Command(Protocol):
    """What every command is."""

    @property
    def computes(self) -> bool:
        """True where it runs programs long enough to be worth huge pages."""
        ...

    def run(self) -> int:
        """Do it and return the exit status."""
        ...


def command_of(arguments: Sequence[str]) -> Command:
    """The command that the words after `jcenas` ask for.

    Raises:
        InputError: wrong arguments, in one line.
        SystemExit: after `--help`.
    """
    arguments, command_line = _without_command(arguments)
    _check_repeated(arguments)
    changes = _changes_in(arguments)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command = tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                args=list(arguments),
                prog="jcenas",
                description="Carbon-aware, multi-objective neural architecture search on JAX.",
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if stop.code == EXIT_BAD_INPUT:
            raise InputError(_one_line(said.getvalue())) from stop
        raise
    if isinstance(command, Search):
        command = dataclasses.replace(command, given=changes)
    if isinstance(command, RunCommand):
        command = dataclasses.replace(command, command=command_line)
    return cast(Command, command)


def _without_command(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The words of `jcenas run` up to --, and those of the user's command behind it."""
    words = list(arguments)
    if words[:1] != ["run"] or "--" not in words:
        return words, ()
    place = words.index("--")
    return words[:place], tuple(words[place + 1 :])


def _flags_in(arguments: Sequence[str]) -> list[str]:
    """The flags among the words, without their values."""
    return [word.partition("=")[0].replace("_", "-") for word in arguments if re.match(r"--[A-Za-z]", word)]


def _changes_in(arguments: Sequence[str]) -> tuple[str, ...]:
    """Fields of a search that the words name beside --resume, sorted.

    Raises:
        InputError: one cannot change: said before the values are held against the defaults, which are not the run's.
    """
    flags = _flags_in(arguments)
    if list(arguments[:1]) != ["search"] or "--resume" not in flags:
        return ()
    named = {flag.removeprefix("--").partition(".")[0].replace("-", "_") for flag in flags}
    changes = tuple(sorted(named & {field.name for field in dataclasses.fields(SearchConfig)}))
    check_changes(dict.fromkeys(changes))
    return changes


def _check_repeated(arguments: Sequence[str]) -> None:
    """Refuse a flag that is given twice, of which the parser would take the last."""
    for flag, times in collections.Counter(_flags_in(arguments)).items():
        if times > 1:
            raise InputError(f"{flag} is given {times} times; give it once")


def _one_line(box: str) -> str:
    """The parser's framed message as one line."""
    raw = box.splitlines()
    if len(raw) > 1 and re.fullmatch(r"\s*[─-]{3,}\s*", raw[1]):  # only ASCII can be written: the title has no frame
        raw = raw[2:]
    lines = [line.strip(" │|") for line in raw if not re.search(r"[─-]{3}|^usage", line)]
    text = " ".join(line for line in lines if line)
    text = re.sub(r"Perhaps you meant: (--\S+).*?(?=$|For full)", r"Did you mean \1? ", text)
    return re.sub(r"\.? For full helptext, (run|see)", "; see", re.sub(r"^Error parsing \S+: ", "", text))


def main() -> None:
    """Run what the command line asks for, and exit.

    The process may begin anew with other settings of memory, but only where it was started as `jcenas`: not where a
    script, a notebook or a test calls this function.
    """
    console = _is_console()
    if console:
        guard_output()
    try:
        code = _run(sys.argv[1:], huge_pages=console)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OutputError as error:
        code = 0 if error.harmless else _fail(str(error), EXIT_NO_OUTPUT)
    sys.exit(code)


def _run(arguments: Sequence[str], *, huge_pages: bool) -> int:
    """Exit code of one command."""
    try:
        command = command_of(arguments)
        if huge_pages and command.computes:
            start_with_huge_pages()
        if not isinstance(command, Search):  # which has handlers of its own once it has imported what it needs
            raise_again()
        return command.run()
    except InputError as error:
        return _fail(str(error), EXIT_BAD_INPUT)
    except OSError as error:  # of a file that a flag names, and that no reader expected to fail so
        if error.filename is None:
            raise
        return _fail(f"{error.filename}: {error.strerror}; check the path, and the disk", EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as stop:  # after --help, whose text is still to be flushed
        return stop.code if isinstance(stop.code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"jcenas: {one_line(message)}", file=sys.stderr)
    return code


def _is_console() -> bool:
    """True where this process was started as `jcenas` or `python -m jcenas.cli`."""
    program = sys.modules["__main__"]
    spec, file = getattr(program, "__spec__", None), getattr(program, "__file__", None)
    if spec is not None:
        return spec.name == "jcenas.cli.__main__"
    return file is not None and pathlib.Path(file).name.split(".")[0] in {"jcenas", "jcenas-script"}
