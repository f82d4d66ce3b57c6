"""`jcenas measure`."""

import dataclasses
import sys
from typing import Annotated, ClassVar

import tyro

from jcenas.cli.stopping import EXIT_INTERRUPTED
from jcenas.errors import one_line
from jcenas.live.measure.config import MeasureConfig
from jcenas.runtime import process


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """Train a sample of a problem's cells from scratch and write a table that `jcenas simulate` searches.

    A table of your own, of your images and any space, such as EC-NAS's cells:

        jcenas measure --problem nasbench101 --cells 200

    A row is written as soon as its training ends. After Ctrl-C, a crash or a kill the same command goes on: the cells
    that were in progress are trained again, and nothing else. With more --cells it adds to the table. Given other
    settings for the same --out, it refuses. At the end it prints the command that searches the table.

    Attributes:
        config: the table.
        quiet: print nothing but the table's name and the command that comes next.
    """

    computes: ClassVar[bool] = True
    config: Annotated[MeasureConfig, tyro.conf.arg(name="")]
    quiet: bool = False

    def run(self) -> int:
        """Train what the table lacks, and print what searches it."""
        from jcenas.live import terminal

        process.keep_compiled_programs()
        process.use_cpu_devices(work=self.config.devices or terminal.MOST_CPU_DEVICES)
        from jcenas.live.measure.run import measure

        with terminal.stopped_by_signals(_say) as stop:
            done = measure(self.config, say=_ignore if self.quiet else _say, stop=stop)
        diverged = f", {done.failed} of them diverged" if done.failed else ""
        print(one_line(f"{done.path}: {done.cells} of {done.wanted} cells, {len(done.rows)} rows{diverged}"))
        if not done.finished:
            _say("interrupted; the same command goes on")
            return EXIT_INTERRUPTED
        print(one_line(f"{done.path.with_suffix('.json')} says what each column is"))
        print(one_line(f"search it with: {done.next_command}"))
        return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _ignore(line: str) -> None:
    del line
