"""A batch of simulated searches from its configuration: what `jcenas simulate` does, without the printing."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jcenas import registry
from jcenas.alloc.policies import policy_from_name
from jcenas.engine import grid as grids
from jcenas.engine.grid import GridHours
from jcenas.engine.needs import check_needs
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import Stage, stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.errors import InputError
from jcenas.runtime import sharding
from jcenas.sim import tables
from jcenas.sim.config import Accounting, SimulateConfig
from jcenas.sim.inputs import estimates
from jcenas.sim.many import concatenate, make_many, stack
from jcenas.sim.problem import (
    Benchmark,
    Power,
    Scenario,
    ScenarioConfig,
    full_power,
    make_benchmark,
    make_scenario,
    most_evaluations,
    released_power,
)
from jcenas.sim.result import Result
from jcenas.sim.search import make_search
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
    told: str  # what the policy was told of the coming hours, one line
    notes: tuple[str, ...]  # what the readers of table and trace assumed


def simulate(config: SimulateConfig, progress: Callable[[int, int], None] | None = None) -> Simulation:
    """Run all searches; `progress(done, seeds)` is called after each part.

    Raises:
      InputError: anything that cannot be run as it is, such as a carbon budget that cannot pay one evaluation.
    """
    stage, policy = stage_from_name(config.stage), policy_from_name(config.policy)
    check_needs(policy, available(config), where="jcenas simulate")
    loaded = tables.load(config, config.accounting)
    table = loaded.table
    benchmark = make_benchmark(table, **loaded.objectives._asdict(), estimate=estimates(table, stage))
    when = {"start": config.start, "hours": config.hours, "wrap": config.wrap}
    grid = grids.choose(trace=config.trace, zone=config.zone, column=config.column, **when)
    power = released_power() if config.accounting == "released" else full_power(config.power)
    intensity = grid.intensity(config.hours)
    _check_budget(config, benchmark, power, intensity)
    scenario = scenario_of(config, stage, grid, power)
    sizes = _sizes(config, stage, table, benchmark)
    make = optimizer_maker(config.optimizer, table.space, batch=sizes.proposals, reference=benchmark.reference)
    devices = sharding.local_devices()
    together = 1 if sharding.on_cpu(devices) else min(TOGETHER, -(-config.seeds // len(devices)))
    rooms = sizes_for(sizes.room) if together == 1 else (sizes.room,)
    growing = rooms if registry.check("optimizer", config.optimizer).entry.options.get("growing", False) else None
    search = make_search(sizes, table, make, policy, stage=stage, rooms=rooms, proposal_rooms=growing)
    run = make_many(search, together=together)
    params = policy.init_params(jax.random.key(config.seed))
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    part = together * len(devices)
    parts = []
    for begin in range(0, config.seeds, part):
        some = keys[begin : begin + part]
        parts.append(jax.device_get(run(some, params, benchmark, stack([scenario] * len(some)))))
        if progress is not None:
            progress(min(begin + part, config.seeds), config.seeds)
    source, told = str(grid.trace), grid.told(config.forecast)
    notes = (*loaded.notes, *grid.trace.notes)
    return Simulation(config, concatenate(parts), benchmark, intensity, source, told, notes)


def available(config: SimulateConfig) -> frozenset[str]:
    """What the simulator can tell a policy."""
    budget = frozenset() if config.carbon_budget is None else frozenset({"budget"})
    return frozenset({"forecast", "future"}) | budget


def scenario_of(config: SimulateConfig, stage: Stage, grid: GridHours, power: Power) -> Scenario:
    """The numbers of one search."""
    released = config.accounting == "released"
    past, known = grid.past()
    score_s = config.path_s if stage.supernet else 0.0 if released else config.score_s
    numbers = ScenarioConfig(
        carbon_budget_g=float("inf") if config.carbon_budget is None else config.carbon_budget,
        switch_s=0.0 if released else config.switch_s,
        score_s=score_s,
        prepare_s=config.supernet_s if stage.supernet and not released else 0.0,
    )
    return make_scenario(
        grid.intensity(config.hours),
        numbers,
        past=past,
        past_known=known,
        forecast=np.stack([grid.forecast(config.forecast, hour) for hour in range(config.hours)]),
        power=power,
    )


def _check_budget(config: SimulateConfig, benchmark: Benchmark, power: Power, intensity: np.ndarray) -> None:
    """Refuse budgets of time or carbon that no evaluation fits into."""
    shortest_h = float(np.min(benchmark.train_seconds)) / 3600
    if shortest_h > config.hours:
        raise InputError(
            f"--hours {config.hours}: the shortest training of the table takes {shortest_h:.4g} h; give more, or a "
            "table whose seconds are seconds"
        )
    kwh = float(np.min(benchmark.train_seconds)) / 3600 * float(power.training_kw)
    cheapest_g = kwh * float(intensity.min())
    if config.carbon_budget is not None and config.carbon_budget < cheapest_g:
        raise InputError(
            f"--carbon-budget {config.carbon_budget:g}: the shortest training in the cleanest hour costs "
            f"{cheapest_g:.4g} g; give more, or a table with shorter trainings"
        )


def _sizes(config: SimulateConfig, stage: Stage, table: Table, benchmark: Benchmark) -> SearchSizes:
    """The sizes of the searches' arrays."""
    initial = given_evaluations(config.accounting)
    if initial > table.size:
        raise InputError(
            f"--accounting released gives {initial} evaluations, and table {table.name} has {table.size} "
            "architectures; use --accounting full"
        )
    room = initial + most_evaluations(benchmark, config.devices * config.hours * 3600.0)
    wide = stage.refits and registry.check("optimizer", config.optimizer).entry.options.get("wide", False)
    proposals = min(CHOICE if wide else PROPOSALS, table.size)
    if config.devices > proposals:
        raise InputError(
            f"--devices {config.devices}: an hour brings {proposals} proposals, which cannot feed more; use at most "
            f"{proposals}"
        )
    room = min(room, table.size)
    sizes = SearchSizes.of_stage(stage, devices=config.devices, room=room, proposals=proposals, initial=initial)
    if sizes.unscored and room > table.size - proposals:
        # The search may come to the table's last architectures: then only the first proposals of an hour are new.
        sizes = dataclasses.replace(sizes, unscored=sizes.proposals)
    return sizes


def given_evaluations(accounting: Accounting) -> int:
    """Random evaluations before the first hour: CE-NAS's simulator begins with ten, free of time and carbon."""
    return 10 if accounting == "released" else 0


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
    paid = (
        quartiles(emitted / np.maximum(energy, 1e-9) / mean) if mean > 0 else "no intensity to pay: it is 0 throughout"
    )
    config = done.config
    name = config.table if isinstance(config.table, str) else config.table.name
    return [
        ("table", f"{name}, optimizer {config.optimizer}, stage {config.stage}, policy {config.policy}"),
        ("trace", done.source),
        *(("note", note) for note in done.notes),
        ("coming hours", done.told),
        ("accounting", config.accounting),
        ("searches", f"{len(volume)} (median [quartiles])"),
        ("hypervolume, share of the largest", quartiles(volume / largest, digits=5)),
        ("log hypervolume difference", quartiles(np.log(np.maximum(largest - volume, largest * 1e-6)))),
        ("evaluations", quartiles(result.count)),
        ("emissions", quartiles(emitted / 1000, " kgCO2eq")),
        ("energy", quartiles(energy, " kWh")),
        ("intensity paid over mean of the hours", paid),
        ("end", quartiles(np.asarray(result.seconds, float) / 3600, " h")),
        ("training, device-hours", quartiles(device_h["training"])),
        ("idle, device-hours", quartiles(device_h["idle"])),
    ]
