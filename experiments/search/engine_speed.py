"""What the live search's own machinery takes: 64 devices and 10,000 evaluations on a clock that jumps.

Command:  python -m experiments.search.engine_speed [--smoke]
Expected: at most 20 ms an evaluation and 300 s in all with LaMOO and the predictor stage: loop, optimiser, cheap stage,
          queue, ledger and database; nothing is trained.
Cost:     about ten minutes on 2 CPU cores; `--smoke` half a minute, and records nothing.

The problem is the analytic table of NAS-Bench-201's 15,625 cells (`jcenas.tables.toy`), the executor a virtual one, and
everything else what `jcenas search` runs. Compiling is told apart: a first search of the same sizes for few hours.
"""

import argparse
import pathlib
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

import jax

from experiments.lib import recording
from jcenas.alloc.policies import policy_from_name
from jcenas.carbon.power import PowerModel
from jcenas.engine import grid as grids
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.executors.executor import Executor
from jcenas.live.executors.virtual import Costs, VirtualExecutor
from jcenas.live.ledger import Ledger
from jcenas.live.loop import Limits, Loop
from jcenas.live.progress import Quiet
from jcenas.live.state import RunState
from jcenas.live.steps import Steps
from jcenas.problems.table import TableProblem
from jcenas.sim.problem import make_benchmark
from jcenas.tables.toy import toy

NAME = "engine_speed"
GOAL_S, GOAL_MS = 300.0, 20.0
ROOM = 4096  # as `jcenas search` begins with at most; it grows
HOURS = 400  # more than the evaluations take
REFERENCE = (50.0, 60.0)  # % and mJ
CASES = {  # evaluations by who searches; the predictor finds 6,193 cells of the table worth a training, and no more
    ("lamoo", "none", "evaluate-all"): 10_000,
    (SearchConfig.optimizer, SearchConfig.stage, SearchConfig.policy): 5_000,
}
COLUMNS = ["optimizer", "stage", "policy", "devices", "evaluations", "compiling, s", "search, s", "ms an evaluation"]


class Search:
    """A search of the table, whose programs are kept for the next one."""

    def __init__(self, optimizer: str, stage: str, policy: str, *, devices: int, evaluations: int):
        """Bind the sizes; nothing is compiled yet."""
        self.names, self.devices, self.evaluations = (optimizer, stage, policy), devices, evaluations
        table = toy()
        largest = float(make_benchmark(table, cost="energy_mj", reference=REFERENCE).largest)
        self.problem = TableProblem(table, error="error", costs=("energy_mj",), reference=REFERENCE, largest=largest)
        self._steps: dict[int, Steps] = {}

    def steps(self, room: int) -> Steps:
        """The engine's functions for so many evaluations."""
        if room not in self._steps:
            optimizer, stage, policy = self.names
            made = stage_from_name(stage)
            sizes = SearchSizes.of_stage(made, devices=self.devices, room=room, proposals=4 * self.devices, initial=0)
            make = optimizer_maker(optimizer, self.problem.space, batch=sizes.proposals, reference=REFERENCE)
            self._steps[room] = Steps(
                sizes,
                made,
                policy_from_name(policy),
                make(room),
                space=self.problem.space,
                reference=REFERENCE,
                hour_s=3600.0,
            )
        return self._steps[room]

    def executor(self, ledger: Ledger, folder: pathlib.Path) -> Executor:
        """Who does the work."""
        del folder
        return VirtualExecutor(self.problem, ledger, Costs(), devices=self.devices, score="")

    def run(self, evaluations: int) -> tuple[int, float]:
        """Search until so many trainings have ended; how many there were, and the seconds that it took."""
        power = PowerModel()
        grid = grids.choose(trace=None, zone="", start="", hours=HOURS)
        with tempfile.TemporaryDirectory() as folder:
            database = RunDatabase(pathlib.Path(folder) / "run.db", create=True)
            ledger = Ledger(database, grid.trace, power, devices=self.devices, hour_seconds=3600.0)
            executor = self.executor(ledger, pathlib.Path(folder))
            limits = Limits(
                grid=grid, forecast="model", hours=HOURS, hour_s=3600.0, evaluations=evaluations, power=power
            )
            began = time.perf_counter()
            state = RunState(database, self.problem, self.steps, room=ROOM, key=jax.random.key(0))
            parts = {"ledger": ledger, "state": state, "executor": executor}
            Loop("run", limits, **parts, observer=Quiet(), stop=threading.Event()).run()
            seconds = time.perf_counter() - began
            database.close()
        return state.evaluations, seconds


def measure(search: Search) -> list[Any]:
    """A row of the table: the first search compiles all sizes, the second one is the same without."""
    _, first = search.run(search.evaluations)
    ended, seconds = search.run(search.evaluations)
    assert ended >= search.evaluations, "the search ended too soon"
    each = 1000 * seconds / ended
    return [*search.names, search.devices, ended, max(first - seconds, 0.0), seconds, each]


def verdict(rows: Sequence[Sequence[Any]]) -> str:
    """Whether the goals are met."""
    seconds, each = max(row[-2] + row[-3] for row in rows), max(row[-1] for row in rows)
    met = seconds <= GOAL_S and each <= GOAL_MS
    word = "met" if met else f"missed by {max(seconds / GOAL_S, each / GOAL_MS):.2f} times"
    return f"at most {GOAL_MS:g} ms an evaluation and {GOAL_S:g} s: {word} ({each:.1f} ms, {seconds:.0f} s)"


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="four devices, few evaluations; records nothing")
    options = parser.parse_args(arguments)
    cases = {next(iter(CASES)): 60} if options.smoke else CASES
    devices = 4 if options.smoke else 64
    rows = [measure(Search(*names, devices=devices, evaluations=many)) for names, many in cases.items()]
    print(verdict(rows))
    if not options.smoke:
        recording.record(
            NAME,
            title="The live search's own machinery: 64 devices and 10,000 evaluations on a clock that jumps",
            command="python -m experiments.search.engine_speed",
            columns=COLUMNS,
            rows=rows,
            notes=[
                "Everything that `jcenas search` does but training: the optimiser's ask and tell, the predictor's fit, "
                "the queue, the ledger and the database of an analytic table of 15,625 cells.",
                "Compiling: the first search less a second one, whose programs are there.",
                verdict(rows),
            ],
            expected=f"at most {GOAL_MS:g} ms an evaluation and {GOAL_S:g} s with the default",
        )
    return rows


if __name__ == "__main__":
    main()
