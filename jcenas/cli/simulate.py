"""`jcenas simulate`."""

import dataclasses
from typing import Annotated, ClassVar

import tyro

from jcenas.cli.printing import print_table
from jcenas.runtime import process
from jcenas.sim.config import SimulateConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulate:
    """Simulate carbon-aware searches on a tabular benchmark: many seeds, no training, minutes instead of days.

    A table of your own is a CSV or Parquet file with a row for each architecture that was evaluated:

        jcenas simulate --table mine.csv --genome op0 op1 op2 --error val_error --cost latency_ms --seconds train_s

    It needs columns of the genome (integers, numbers or strings: the values of a column are its choices; or one column
    that writes the whole genome, such as 0312 or conv|pool|skip), of the error and of one to three costs. Where more is
    better, name the column under --maximise too. Without --seconds, and without a column train_seconds, each training
    takes 3600 s.
    Stages read their estimates from the columns oneshot_error, fewshot_error and synflow (or another proxy's name, or
    log_ before it) where they are; the predictor also looks at synflow and at params or flops. Rows that lack a cell
    that is needed are left out and counted; of rows of one architecture the mean counts.

    Attributes:
        config: the searches.
        quiet: no progress bar.
    """

    computes: ClassVar[bool] = True
    config: Annotated[SimulateConfig, tyro.conf.arg(name="")]
    quiet: bool = False

    def run(self) -> int:
        """Run the searches, print medians and quartiles, and draw the plots."""
        process.keep_compiled_programs()
        process.use_cpu_devices(work=self.config.seeds)
        from rich.console import Console
        from rich.progress import Progress

        from jcenas.sim import run

        with Progress(console=Console(stderr=True), transient=True, disable=self.quiet) as bar:
            task = bar.add_task("compiling, then searching", total=self.config.seeds)
            done = run.simulate(self.config, lambda n, _: bar.update(task, completed=n, description="searching"))
        print_table(("", ""), run.summary_rows(done))
        if self.config.plot is not None:
            from jcenas.report.simulation import write_progress

            print(write_progress({self.config.policy: done}, self.config.plot))
        return 0
