"""The end of a run: test accuracy of the front, once; the summary; the result as pandas frames."""

import dataclasses
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd

from jcenas import units
from jcenas.engine.grid import GridHours
from jcenas.live.blind import blind_emissions_g
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.device_work import SAME_ERROR, DeviceWork
from jcenas.live.grid_facts import facts as grid_facts
from jcenas.live.grid_facts import in_words
from jcenas.live.ledger import Ledger
from jcenas.live.measured import facts
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import RunState
from jcenas.runtime import checkpoint

MEASURED = [
    "device time of training, scoring, compiling, timing and the final test",
    "validation and test accuracy",
    "parameters and multiply-adds (counted)",
]
OF_FUNCTION = ["seconds of every evaluation in its worker process", "what the function returned"]
IDLE = "idle time (not waited for unless an hour is 3600 s)"
POWER = "power of the device in each state and PUE (flags)"
UNCOUNTED = "power of the device in time that no meter counted, and PUE (flags)"
INTENSITY = "carbon intensity (see trace)"
NOT_CHARGED = ["the host beside its devices", "making the report, which uses no device"]


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        folder: the run folder, with config.json, run.db, checkpoints and report.
        pareto: a row per cell of the front, by falling accuracy: cell, genome, accuracy, test_accuracy, the costs under
            their names, seconds, energy_kwh, emissions_g.
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
    state: RunState, ledger: Ledger, folder: RunFolder, at_work: DeviceWork, device: int, *, log: Callable[[str], None]
) -> None:
    """Measure the test error of every cell on the front that has none yet, from its own weights; charged as scoring.

    Weights that are missing, damaged, or do not give the validation error that was recorded with them are left out: the
    cell keeps its place on the front, without a test accuracy.

    Args:
        state: of the run.
        ledger: to charge.
        folder: where the weights lie.
        at_work: the device that tests.
        device: its number.
        log: told of every cell left out.

    Raises:
        DeviceLostError: the device is gone; another one goes on.
    """
    for proposal in state.pareto():
        if state.tested(proposal):
            continue
        recorded = state.done[proposal - 1].objectives[0]
        try:
            found, took = at_work.test(proposal, state.genomes[proposal - 1], recorded)
        except checkpoint.DamagedCheckpointError as error:
            log(f"candidate {proposal} is not tested: {error}")
            continue
        ledger.standing(device, "scoring", "test", took.ran)
        if abs(found.validation_error - recorded) <= SAME_ERROR:
            state.add_test(proposal, found.test_error)
        else:
            log(
                f"candidate {proposal} is not tested: its weights give a validation error of "
                f"{found.validation_error:.4f} instead of the recorded {recorded:.4f}; do not use "
                f"{folder.candidate(proposal)}"
            )


def prune(state: RunState, folder: RunFolder) -> None:
    """Delete the weights of finished cells that left the front."""
    front = set(state.pareto())
    for row in state.done:
        if row + 1 not in front:
            checkpoint.delete(folder.candidate(row + 1))


def summarise(
    state: RunState, ledger: Ledger, config: SearchConfig, grid: GridHours, *, devices: int, wall_s: float, status: str
) -> dict[str, Any]:
    """The headline figures."""
    energy, mean_of_hours = ledger.energy_kwh, _mean_of_hours(ledger, grid)
    cost_said = {"energy": "energy of one inference (multiply-adds and bytes)"}
    measured = getattr(state.problem, "measured", ())
    meter, asked = facts(ledger), live_grid(ledger.database)
    return {
        "status": status,
        "emissions_g": ledger.emissions_g,
        "emissions_at_mean_intensity_g": energy * grid.mean_g_per_kwh,
        "emissions_at_mean_of_hours_g": energy * mean_of_hours,
        "emissions_blind_g": _blind(ledger, config, devices),
        "energy_kwh": energy,
        "mean_intensity_g_per_kwh": grid.mean_g_per_kwh,
        "mean_of_hours_g_per_kwh": mean_of_hours,
        "evaluations": state.evaluations,
        "failed": state.failed,
        "unfinished": state.halfway + len(state.running),
        "scored": state.scored,
        "best_validation_accuracy": state.best_accuracy(),
        "hypervolume": state.hypervolume(),
        "wall_s": wall_s,
        "device_s": ledger.device_seconds,
        "device_h": ledger.device_seconds / units.SECONDS_PER_HOUR,
        "device_s_by_purpose": ledger.seconds_by_purpose(),
        "emissions_g_by_purpose": ledger.emissions_by_purpose(),
        "meter": meter,
        "grid": asked,
        "measured": [
            *(OF_FUNCTION if config.of_function else MEASURED),
            *([] if meter is None else [f"energy of {meter['seconds']:.1f} s of device time: {meter['measures']}"]),
            *measured,
        ],
        "modelled": [
            IDLE,
            POWER if meter is None else UNCOUNTED,
            INTENSITY if asked is None else f"carbon intensity: {in_words(asked)[0]}",
            *(said for name, said in cost_said.items() if name in state.problem.cost_names),
            *(f"{name} of what is not trained yet (by its multiply-adds, for the order)" for name in measured),
            f"the coming hours as the policy sees them ({grid.told(config.forecast)})",
        ],
        "not_charged": NOT_CHARGED,
    }


def live_grid(database: RunDatabase) -> dict[str, Any] | None:
    """What is to be said of a grid that was asked for hour by hour, see `jcenas.live.grid_facts`; None of others."""
    return grid_facts(database.rows("SELECT * FROM grid ORDER BY hour"), database.rows("SELECT * FROM forecasts"))


def _mean_of_hours(ledger: Ledger, grid: GridHours) -> float:
    """Mean intensity of the hours that the run has lasted, g/kWh."""
    last = min(max(1, round(max(ledger.clock))), grid.trace.hours)
    return float(grid.trace.window(0, last).mean())


def _blind(ledger: Ledger, config: SearchConfig, devices: int) -> float:
    """Emissions of the same work without waiting, see `jcenas.live.blind`; what moved no clock is as it was.

    At the mean power of each state, so that the power of both is alike where a meter counted or devices came or went.
    """
    spent = ledger.seconds_by_purpose(in_hours=True)
    before = {
        "compiling": sum(spent.get(name, 0.0) for name in ("compiling", "starting", "timing")),
        "training": spent.get("supernet", 0.0),
        "scoring": sum(spent.get(name, 0.0) for name in ("scoring", "latency", "inference-energy", "test")),
    }
    return ledger.standing_g + blind_emissions_g(
        ledger.trace,
        ledger.mean_power(),
        before_s=before,
        trainings_s=ledger.trainings_s(),
        devices=devices,
        hour_s=config.hour_s,
    )


def result(database: RunDatabase, front: Collection[int], folder: Path, summary: dict[str, Any]) -> SearchResult:
    """Collect the frames from the database; `front` holds the proposals that no other dominates."""
    costs = [cost["name"] for cost in database.get_meta("costs")]
    query = (
        "SELECT p.id AS proposal, p.cell, p.genome, 1 - e.validation_error AS accuracy, 1 - t.error AS test_accuracy, "
        "e.costs, e.seconds, e.energy_kwh, e.emissions_g FROM evaluations e JOIN proposals p ON p.id = e.proposal "
        "LEFT JOIN test t ON t.proposal = p.id WHERE e.status = 'done' ORDER BY e.ordinal"
    )
    names = ["proposal", "cell", "genome", "accuracy", "test_accuracy", *costs, "seconds", "energy_kwh", "emissions_g"]
    rows = []
    for *before, text, seconds, energy, emissions in database.rows(query):
        values = json.loads(text)
        rows.append((*before, *(values[name] for name in costs), seconds, energy, emissions))
    frame = pd.DataFrame(rows, columns=names)
    frame["genome"] = [tuple(json.loads(g)) for g in frame["genome"]]
    frame["test_accuracy"] = frame["test_accuracy"].astype(float)
    best: pd.DataFrame = frame.loc[frame["proposal"].isin(list(front))]
    best = best.sort_values(by=["accuracy", *costs], ascending=[False, *[True] * len(costs)])
    return SearchResult(
        folder, best.reset_index(drop=True), frame.drop(columns="test_accuracy"), summary, summary["status"]
    )
