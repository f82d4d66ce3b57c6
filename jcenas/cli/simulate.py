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
