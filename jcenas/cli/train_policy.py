"""`jcenas train-policy`."""

import dataclasses
import sys
from typing import Annotated, ClassVar

import tyro

from jcenas.runtime import process
from jcenas.sim.config import TrainPolicyConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainPolicy:
    """Train a PPO allocation policy on simulated clusters; `--policy FILE.npz` of search and simulate runs it.

    A table of your own is a file as in `jcenas simulate --help`.

    Attributes:
        config: what to train.
        quiet: no progress bar.
    """

    computes: ClassVar[bool] = True
    config: Annotated[TrainPolicyConfig, tyro.conf.arg(name="")]
    quiet: bool = False

    def run(self) -> int:
        """Train, write the file, and print how the return rose."""
        process.keep_compiled_programs()
        from rich.console import Console
        from rich.progress import Progress

        from jcenas.sim import tables
        from jcenas.sim.train_policy import train_policy

        loaded = tables.load(self.config, "full")
        for note in loaded.notes:
            print(f"jcenas: {note}", file=sys.stderr)
        with Progress(console=Console(stderr=True), transient=True, disable=self.quiet) as bar:
            task = bar.add_task("learning curves, compiling", total=self.config.updates)

            def show(updates: int, value: float) -> None:
                bar.update(task, completed=updates, description=f"return {value:.3f}")

            _, returns = train_policy(tables.in_memory(self.config, loaded), show)
        print(f"mean return {returns[0]:.3f} -> {returns[-1]:.3f}; {self.config.out}")
        return 0
