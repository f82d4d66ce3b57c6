"""The end of a run: test accuracy of the front, once; the summary; the result as pandas frames."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import pandas as pd

from jcenas import units
from jcenas.live.database import RunDatabase
from jcenas.live.ledger import Ledger
from jcenas.live.objectives import CostObjective
from jcenas.live.programs import DevicePrograms
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import SearchState
from jcenas.runtime import checkpoint

MEASURED = [
    "device time of training and scoring",
    "validation and test accuracy",
    "parameters and multiply-adds (counted)",
]
MODELLED = [
    "idle time (not waited for unless an hour is 3600 s)",
    "power of the device in each state and PUE (flags)",
    "carbon intensity (see trace)",
]


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        folder: the run folder, with config.json, run.db, checkpoints and report.
        pareto: a row per cell of the front, by falling accuracy: cell, genome, accuracy, test_accuracy, the cost under
            its name, seconds, energy_kwh, emissions_g.
        evaluations: the same for every finished training, without test_accuracy, in order.
        summary: the headline figures, as in the `meta` table of run.db.
        status: "finished" or "interrupted".
    """

    folder: Path
    pareto: pd.DataFrame
    evaluations: pd.DataFrame
    summary: dict[str, Any]
    status: str


def test_front(
    database: RunDatabase, state: SearchState, folder: RunFolder, programs: DevicePrograms, epochs: int
) -> None:
    """Measure the test error of every cell on the front that has none yet, from its own trained weights."""
    like = None
    for proposal in state.pareto():
        if database.rows("SELECT 1 FROM test WHERE proposal = ?", proposal):
            continue
        if like is None:
            like = programs.init(jax.random.key(0), epochs)
        train = checkpoint.load(folder.candidate(proposal), like)
        database.replace("test", proposal=proposal, error=programs.test_error(train, state.done[proposal][0]))


def prune(state: SearchState, folder: RunFolder) -> None:
    """Delete the weights of finished cells that left the front."""
    front = set(state.pareto())
    for proposal in state.done:
        if proposal not in front:
            checkpoint.delete(folder.candidate(proposal))


def summarise(
    state: SearchState,
    ledger: Ledger,
    objective: CostObjective,
    *,
    mean_intensity: float,
    mean_of_hours: float,
    wall_s: float,
    status: str,
) -> dict[str, Any]:
    """The headline figures. `mean_intensity`: of the whole trace; `mean_of_hours`: of the hours that the run lasted."""
    energy = ledger.energy_kwh
    cost_said = {"latency": [], "energy": ["energy of one inference (multiply-adds and bytes)"]}
    return {
        "status": status,
        "emissions_g": ledger.emissions_g,
        "emissions_at_mean_intensity_g": energy * mean_intensity,
        "emissions_at_mean_of_hours_g": energy * mean_of_hours,
        "energy_kwh": energy,
        "mean_intensity_g_per_kwh": mean_intensity,
        "mean_of_hours_g_per_kwh": mean_of_hours,
        "evaluations": state.evaluations,
        "failed": state.failed,
        "unfinished": len(state.halfway) + len(state.running),
        "scored": state.scored,
        "best_validation_accuracy": state.best_accuracy(),
        "hypervolume": state.hypervolume(),
        "wall_s": wall_s,
        "device_s": ledger.device_seconds,
        "device_h": ledger.device_seconds / units.SECONDS_PER_HOUR,
        "measured": MEASURED + (["latency"] if objective.measured else []),
        "modelled": MODELLED + cost_said.get(objective.name, []),
    }


def result(database: RunDatabase, state: SearchState, folder: Path, summary: dict[str, Any]) -> SearchResult:
    """Collect the frames from the database."""
    cost: str = database.get_meta("cost_name")
    query = (
        "SELECT p.id AS proposal, p.cell, p.genome, 1 - e.validation_error AS accuracy, 1 - t.error AS test_accuracy, "
        "e.cost, e.seconds, e.energy_kwh, e.emissions_g FROM evaluations e JOIN proposals p ON p.id = e.proposal "
        "LEFT JOIN test t ON t.proposal = p.id WHERE e.status = 'done' ORDER BY e.ordinal"
    )
    names = ["proposal", "cell", "genome", "accuracy", "test_accuracy", "cost", "seconds", "energy_kwh", "emissions_g"]
    frame = pd.DataFrame([tuple(row) for row in database.rows(query)], columns=names).rename(columns={"cost": cost})
    frame["genome"] = [tuple(json.loads(g)) for g in frame["genome"]]
    frame["test_accuracy"] = frame["test_accuracy"].astype(float)
    front: pd.DataFrame = frame.loc[frame["proposal"].isin(state.pareto())]
    front = front.sort_values(by=["accuracy", cost], ascending=[False, True])
    return SearchResult(
        folder, front.reset_index(drop=True), frame.drop(columns="test_accuracy"), summary, summary["status"]
    )
