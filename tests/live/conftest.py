"""Live searches without devices: a table of sixteen architectures, a grid by hand, and a clock that jumps."""

import datetime
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest

from jcenas.alloc.policies import policy_from_name
from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.live.database import RunDatabase
from jcenas.live.executors.virtual import Costs, VirtualExecutor
from jcenas.live.ledger import Ledger
from jcenas.live.loop import Limits, Loop
from jcenas.live.progress import Quiet
from jcenas.live.state import RunState
from jcenas.live.steps import Steps
from jcenas.problems.table import TableProblem
from jcenas.tables.table import Table

REFERENCE = (100.0, 10.0)
START = datetime.datetime(2023, 6, 1, 12, tzinfo=datetime.UTC)
# Without a PUE, so that a second of training at 1000 g/kWh is a gram.
COSTS = Costs(prepare_s=600.0, score_s=60.0, switch_s=0.0)
POWER = PowerModel(training_w=3600.0, scoring_w=1800.0, idle_w=360.0, pue=1.0)


def problem_of(seconds=1500.0, costs=("cost",)):
    """Genomes (i, j), i and j in 0..3: error 10 i + j + 1, cost 1 + 2 j, trainings of `seconds` (1 + i / 8) each.

    A second cost there may be is `area`, 5 - i.
    """
    i, j = np.divmod(np.arange(16), 4)
    columns = {"i": i, "j": j, "error": 10.0 * i + j + 1, "cost": 1.0 + 2 * j, "train_seconds": seconds * (1 + i / 8)}
    columns |= {"oneshot_error": 12.0 * i + 5, "log_synflow": -1.0 * i - j, "area": 5.0 - i}
    table = Table.from_frame(pd.DataFrame(columns), genome=["i", "j"], name="sixteen")
    reference = (*REFERENCE, *[6.0] * (len(costs) - 1))
    return TableProblem(table, error="error", costs=costs, reference=reference, largest=1000.0)


def steps_maker(problem, *, stage="one-shot", devices=2, optimizer="random", proposals=4, policy="static:0.5"):
    """From a room to the engine's functions, as a run makes them."""
    made, reference, kept = stage_from_name(stage), problem.reference, {}
    make = optimizer_maker(optimizer, problem.space, batch=proposals, reference=reference)

    def steps(room):
        if room not in kept:
            sizes = SearchSizes.of_stage(made, devices=devices, room=room, proposals=proposals, initial=0)
            decide = policy_from_name(policy)
            kept[room] = Steps(
                sizes, made, decide, make(sizes.room), space=problem.space, reference=reference, hour_s=3600.0
            )
        return kept[room]

    return steps


def state_of(database, problem, steps, room=16):
    return RunState(database, problem, steps, room=room, key=jax.random.key(0))


def grid_of(values, before=()):
    trace = CarbonTrace(start=START, intensity_g_per_kwh=np.array(values, float), zone="DE")
    return GridHours(trace, np.array(before, float), float(np.mean(values)))


def loop_of(database, state, values, *, devices=2, costs=COSTS, stop=None, observer=None, **limits):
    """A run over the hours of `values` or of a grid, 3600 s each, on the table of the state."""
    grid = values if hasattr(values, "known") else grid_of(values)
    trace = grid.known(0).trace
    ledger = Ledger(database, trace, POWER, devices=devices, hour_seconds=3600.0)
    budget = limits.get("carbon_budget_g", float("inf"))
    score = state.steps.stage.score
    executor = VirtualExecutor(state.problem, ledger, costs, devices=devices, score=score, carbon_budget_g=budget)
    known = {"grid": grid, "forecast": "persistence", "hours": trace.hours, "hour_s": 3600.0, "power": POWER}
    bounds = Limits(**known | limits)
    parts = {"ledger": ledger, "state": state, "executor": executor}
    return Loop("run", bounds, **parts, observer=observer or Quiet(), stop=stop or threading.Event())


@pytest.fixture
def database(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    yield database
    database.close()


@pytest.fixture(scope="session")
def kit():
    """The makers of this file, for test modules, which cannot import it."""
    names = (problem_of, steps_maker, state_of, grid_of, loop_of)
    return SimpleNamespace(POWER=POWER, REFERENCE=REFERENCE, **{make.__name__: make for make in names})
