"""A batch of simulated searches from its configuration: what `jcenas simulate` does, without the printing."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jcenas import registry
from jcenas.alloc.policies import policy_from_name
from jcenas.errors import InputError
from jcenas.runtime import sharding
from jcenas.sim import traces
from jcenas.sim.config import Accounting, SimulateConfig
from jcenas.sim.inputs import SCORE
from jcenas.sim.many import concatenate, make_many, stack
from jcenas.sim.optimizers import optimizer_maker
from jcenas.sim.problem import Benchmark, full_power, make_benchmark, make_scenario, most_evaluations, released_power
from jcenas.sim.search import make_search
from jcenas.sim.stage import Stage
from jcenas.sim.state import Result, SimulationConfig
from jcenas.tables.names import Objectives, check_table, load_table
from jcenas.tables.table import Table

PROPOSALS = 128
CHOICE = 2048  # proposals that the predictor chooses from, of optimisers whose time hardly grows with them
TOGETHER = 256  # searches side by side on an accelerator


class Simulation(NamedTuple):
    """Searches on the host, and what they were about."""

    config: SimulateConfig
    result: Result  # leaves (seeds, ...), numpy
    benchmark: Benchmark
    intensity: np.ndarray  # (H,) float32, gCO2eq/kWh
    source: str  # of the trace, one line


def simulate(config: SimulateConfig, progress: Callable[[int, int], None] | None = None) -> Simulation:
    """Run all searches; `progress(done, seeds)` is called after each part.

    Raises:
      InputError: anything that cannot be run as it is, such as a carbon budget that cannot pay one evaluation.
    """
    entry = check_table(config.table)
    stage = config.stage
    if stage == "supernet" and entry.estimate is None:
        raise InputError(f"table {config.table} has no supernet estimates; use --stage predictor or none")
    table = load_table(config.table)
    objectives = entry.objectives(config.accounting)
    if config.cost and config.cost != objectives.cost:  # the reference point: 5 % beyond the dearest architecture
        dearest = float(np.max(table.column(config.cost)))
        objectives = Objectives(objectives.error, config.cost, (objectives.reference[0], 1.05 * dearest))
    benchmark = make_benchmark(table, **objectives._asdict(), estimate=entry.estimate)
    released = config.accounting == "released"
    power = released_power() if released else full_power(config.power)
    trace, first = traces.choose(config)
    hourly = trace.hourly()
    intensity, past = traces.hours_of(hourly, first, config.hours)
    after, _ = traces.hours_of(hourly, first + config.hours, traces.LEAD_H)
    if config.forecast == "model":
        told = traces.forecasts_by_model(trace, first, config.hours)
    else:
        told = traces.forecasts(config.forecast, intensity, past, after)
    budget = float("inf") if config.carbon_budget is None else config.carbon_budget
    cheapest_g = float(np.min(benchmark.train_seconds)) / 3600 * float(power.training_kw) * float(intensity.min())
    if budget < cheapest_g:
        raise InputError(
            f"--carbon-budget {budget:g}: the shortest training in the cleanest hour costs {cheapest_g:.4g} g; "
            "give more, or a table with shorter trainings"
        )
    scenario = make_scenario(
        intensity,
        past=past,
        forecast=told,
        carbon_budget_g=budget,
        power=power,
        switch_s=0.0 if released else config.switch_s,
        supernet_s=0.0 if released else _preparation_s(config, stage, table),
    )
    initial = given_evaluations(config.accounting)
    room = initial + most_evaluations(benchmark, config.devices * config.hours * 3600.0)
    optimizer = registry.check("optimizer", config.optimizer).entry.options
    wide = stage == "predictor" and optimizer.get("wide", False)
    proposals = CHOICE if wide else PROPOSALS
    fed = min(proposals, table.size)
    if config.devices > fed:
        raise InputError(
            f"--devices {config.devices}: an hour brings {fed} proposals, which cannot feed more; use at most {fed}"
        )
    shapes = SimulationConfig.of_stage(
        stage, devices=config.devices, room=min(room, table.size), proposals=proposals, initial=initial
    )
    policy = policy_from_name(config.policy)
    make = optimizer_maker(config.optimizer, table.space, batch=shapes.proposals, reference=benchmark.reference)
    devices = sharding.local_devices()
    together = 1 if sharding.on_cpu(devices) else min(TOGETHER, -(-config.seeds // len(devices)))
    sizes = sizes_for(shapes.room) if together == 1 else (shapes.room,)
    growing = sizes if optimizer.get("growing", False) else None
    run = make_many(make_search(shapes, table, make, policy, sizes=sizes, proposal_sizes=growing), together=together)
    params = policy.init_params(jax.random.key(config.seed))
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    part = together * len(devices)
    parts = []
    for begin in range(0, config.seeds, part):
        some = keys[begin : begin + part]
        parts.append(jax.device_get(run(some, params, benchmark, stack([scenario] * len(some)))))
        if progress is not None:
            progress(min(begin + part, config.seeds), config.seeds)
    return Simulation(config, concatenate(parts), benchmark, intensity, str(trace))


def given_evaluations(accounting: Accounting) -> int:
    """Random evaluations before the first hour: CE-NAS's simulator begins with ten, free of time and carbon."""
    return 10 if accounting == "released" else 0


def _preparation_s(config: SimulateConfig, stage: Stage, table: Table) -> float:
    """Device-seconds before the search: supernet training, or the scores of all architectures."""
    if stage == "supernet":
        return config.supernet_s
    return table.size * config.score_s if stage == "predictor" and SCORE in table.columns else 0.0


def sizes_for(room: int) -> tuple[int, ...]:
    """Rooms for which the predictor is compiled: the whole one, and a smaller one where that saves something."""
    return (2 * PROPOSALS, room) if room > 4 * PROPOSALS else (room,)


def summary_rows(done: Simulation) -> list[tuple[str, str]]:
    """Median and quartiles of the searches, as text for a table of two columns."""
    result, benchmark = done.result, done.benchmark
    volume = np.asarray(result.hypervolume, float)
    largest = float(benchmark.largest)

    def quartiles(values, unit="", digits=4):
        q1, median, q3 = np.quantile(np.asarray(values, float), [0.25, 0.5, 0.75])
        return f"{median:.{digits}g} [{q1:.{digits}g}, {q3:.{digits}g}]{unit}"

    hours = result.intervals
    device_h = {phase: np.asarray(value, float).sum(axis=1) / 3600 for phase, value in hours.device_s.items()}
    emitted = np.asarray(result.emissions_g, float)
    mean = float(done.intensity.mean())
    energy = np.asarray(result.energy_kwh, float)
    return [
        ("table", f"{done.config.table}, {done.config.optimizer}, policy {done.config.policy}"),
        ("trace", done.source),
        ("accounting", done.config.accounting),
        ("searches", f"{len(volume)} (median [quartiles])"),
        ("hypervolume, share of the largest", quartiles(volume / largest, digits=5)),
        ("log hypervolume difference", quartiles(np.log(np.maximum(largest - volume, largest * 1e-6)))),
        ("evaluations", quartiles(result.count)),
        ("emissions", quartiles(emitted / 1000, " kgCO2eq")),
        ("energy", quartiles(energy, " kWh")),
        ("intensity paid over mean of the hours", quartiles(emitted / np.maximum(energy, 1e-9) / mean)),
        ("end", quartiles(np.asarray(result.seconds, float) / 3600, " h")),
        ("training, device-hours", quartiles(device_h["training"])),
        ("idle, device-hours", quartiles(device_h["idle"])),
    ]
