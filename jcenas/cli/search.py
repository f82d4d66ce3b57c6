"""`jcenas search`."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from jcenas.cli.printing import OutputError, warn
from jcenas.cli.stopping import EXIT_INTERRUPTED, raise_again
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """Search architectures: score and train candidates on real images, split by the grid's carbon intensity.

    Attributes:
        config: the run.
        resume: run folder of an interrupted search to go on with; all other settings come from there, but --hours,
            --carbon-budget, --evaluations, --devices, --side-by-side and --address may be given anew.
        no_report: leave out report.html and the plots at the end.
        tensorboard: write TensorBoard events into the run folder: scalars as it goes on, and the plots now and then.
            Needs the extra jcenas[tensorboard]; look at them with tensorboard --logdir runs.
        quiet: print nothing but errors.
        json: print one JSON object a line instead of text.
        given: fields of the configuration that the command line names.
    """

    computes: ClassVar[bool] = True
    config: Annotated[SearchConfig, tyro.conf.arg(name="")]
    resume: Path | None = None
    no_report: bool = False
    tensorboard: bool = False
    quiet: bool = False
    json: bool = False
    given: tyro.conf.Suppress[tuple[str, ...]] = ()

    def run(self) -> int:
        """Search, write the report, and print the summary."""
        from jcenas.live import terminal
        from jcenas.live.progress import Together, make_observer

        observer = make_observer(quiet=self.quiet, json=self.json)
        if self.tensorboard:
            from jcenas.report.tensorboard import TensorBoard

            observer = Together(observer, TensorBoard(lambda run: self.resume or self.config.runs / run, warn))
        try:
            changes = {field: getattr(self.config, field) for field in self.given}
            result = terminal.run(self.config, resume=self.resume, observer=observer, changes=changes)
        except OutputError as error:
            folder = self.resume or self.config.runs / (self.config.name or "NAME")
            remedy = f"the search stopped; if it had begun, go on with: jcenas search --resume {folder}"
            raise OutputError(f"{error}; {remedy}") from error
        raise_again()
        page = None if self.no_report else _report(result.folder)
        done = result.status == "finished"
        if self.json:
            observer.log("done" if done else "interrupted", folder=str(result.folder), summary=result.summary)
        elif not self.quiet:
            from jcenas.live.summary_text import summary_lines

            print("\n".join(summary_lines(result, page)))
        if not done:
            print(f"interrupted; go on with: jcenas search --resume {result.folder}", file=sys.stderr)
        return 0 if done else EXIT_INTERRUPTED


def _report(folder: Path) -> Path | None:
    """Write the report; where it fails, say so in one line: it must not hide what the search found."""
    try:
        from jcenas.report import write_report

        return write_report(folder)
    except InputError as error:
        print(f"jcenas: no report: {error}", file=sys.stderr)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"jcenas: no report ({reason}); make it again with: jcenas report {folder}", file=sys.stderr)
    return None
