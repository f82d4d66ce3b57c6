"""`jcenas run`."""

import dataclasses
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from jcenas.cli.printing import print_table
from jcenas.errors import InputError, check_integer
from jcenas.live.greener.child import PAUSE_CODE, Child, check_command, signal_named
from jcenas.live.greener.config import GreenerConfig
from jcenas.runtime.paths import check_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunCommand:
    """Run a command of your own in the greenest hours before a deadline, paused and resumed as the grid changes.

        jcenas run --zone DE --work 3h --deadline 24h -- python train.py

    The command is started, stopped (SIGSTOP, with all processes that it starts) and continued; its output and its exit
    code are its own. Ctrl-C and SIGTERM go to it. When the time left is what its work needs, it runs through.

    Attributes:
        config: the job.
        pause_signal: signal that tells the command to save and exit, such as SIGUSR1, instead of stopping it; to go on,
            the same command is started again.
        pause_code: what the command exits with when it has saved; any other code is its end.
        dry_run: show the plan, and start nothing.
        plot: PNG to draw: the plan with --dry-run, else what happened.
        quiet: say nothing but errors.
        command: what follows --.
    """

    computes: ClassVar[bool] = False  # the settings of memory would be the command's too
    config: Annotated[GreenerConfig, tyro.conf.arg(name="")]
    pause_signal: str | None = None
    pause_code: int = PAUSE_CODE
    dry_run: bool = False
    plot: Path | None = None
    quiet: bool = False
    command: tyro.conf.Suppress[tuple[str, ...]] = ()

    def __post_init__(self):
        check_integer("--pause-code", self.pause_code, 1, 125)
        if self.plot is not None:
            check_file("--plot", self.plot, ".png")
        if self.pause_signal is not None and self.config.uninterrupted:
            raise InputError("--pause-signal and --uninterrupted contradict each other; leave one out")

    def run(self) -> int:
        """Print the plan, or run the command; its exit code."""
        from jcenas.live.greener import terminal

        say = terminal.say_nothing if self.quiet else terminal.say_to_stderr
        if self.dry_run:
            (head, *rows), lines, picture = terminal.dry_run(self.config, say)
            print_table(head, rows)
            print("\n".join(lines))
            self._draw(picture, "plan")
            return 0
        number = None if self.pause_signal is None else signal_named(self.pause_signal)
        check_command(self.command)
        child = Child(self.command, pause_signal=number, pause_code=self.pause_code)
        code, picture = terminal.run(self.config, child, say)
        if picture is not None:
            self._draw(picture, "what happened")
        return code

    def _draw(self, picture, what: str) -> None:
        if self.plot is None:
            return
        from jcenas.live.greener.terminal import say_to_stderr
        from jcenas.report.greener_plot import write_greener_plot

        title = f"{what}: {self.config.work} of work within {self.config.deadline}, from {picture.start:%Y-%m-%d} UTC"
        fields = picture._asdict()
        first = [fields.pop(name) for name in ("start", "intensity_g_per_kwh", "spans_h")]
        try:
            path = write_greener_plot(self.plot, *first, title=title, **fields)
        except OSError as error:  # which must not hide the command's own code
            say_to_stderr(f"no plot: {self.plot}: {error.strerror}")
            return
        if not self.quiet:
            say_to_stderr(f"plot: {path}")
