"""A whole carbon-aware search as one `lax.scan` over hours: the engine's decisions on a computed clock.

What is decided is `jcenas.engine.hour`; here is the simulated cluster's part: proposals are rows of the table,
trainings take the table's seconds, and where the carbon budget is spent within an hour the search ends there. Idle
power, scoring and switching, which CE-NAS's released simulator leaves out, are numbers of the scenario.

One search; `jcenas.sim.many` runs thousands.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jcenas.alloc.policies import Policy
from jcenas.engine import hour as engine
from jcenas.engine.candidates import Goal
from jcenas.engine.hour import Ended, Keys, LineUp
from jcenas.engine.neighbours import with_neighbours
from jcenas.engine.observe import Budget, Outlook, Status, budget_left, observe
from jcenas.engine.queue import EMPTY, among
from jcenas.engine.split import Split, split
from jcenas.engine.stages import Stage
from jcenas.engine.state import SearchSizes, SearchState
from jcenas.moo.sized import growing
from jcenas.moo.types import Optimizer
from jcenas.sim import cluster
from jcenas.sim.problem import Benchmark, Scenario
from jcenas.sim.result import Interval, Result
from jcenas.tables.table import Table

Simulate = Callable[[jax.Array, Any, Benchmark, Scenario], Result]


class _Search(NamedTuple):
    """What is fixed when a search is compiled."""

    sizes: SearchSizes
    stage: Stage
    table: Table
    optimizer: Optimizer
    propose: Callable[..., jax.Array]
    policy: Policy
    rooms: tuple[int, ...]


class _Given(NamedTuple):
    """What a compiled search is called with."""

    params: Any  # of the policy
    benchmark: Benchmark
    scenario: Scenario


def make_search(
    sizes: SearchSizes,
    table: Table,
    make_optimizer: Callable[[int], Optimizer],
    policy: Policy,
    *,
    stage: Stage,
    rooms: Sequence[int] | None = None,
    proposal_rooms: Sequence[int] | None = None,
) -> Simulate:
    """Return simulate(key, policy parameters, benchmark, scenario) -> Result, pure and without recompilation.

    Args:
      sizes: of the arrays.
      table: the benchmark's table; only its space and the row of a genome are used.
      make_optimizer: capacity -> optimiser with `batch` = `sizes.proposals`.
      policy: who splits the devices.
      stage: the cheap stage.
      rooms: ascending numbers of evaluations, the last being `sizes.room`, for which a stage that refits is compiled
        (`jcenas.moo.sized`); default: one.
      proposal_rooms: the same for the optimiser's `ask`, where its time grows with the room; that of LaMOO hardly does.
    """
    rooms, proposal_rooms = tuple(rooms or (sizes.room,)), tuple(proposal_rooms or (sizes.room,))
    assert rooms[-1] == proposal_rooms[-1] == sizes.room, "the last size is the room"
    optimizer, propose = growing(make_optimizer, proposal_rooms)
    search = _Search(sizes, stage, table, optimizer, propose, policy, rooms)

    def simulate(key: jax.Array, params: Any, benchmark: Benchmark, scenario: Scenario) -> Result:
        first, rest = jax.random.split(key)
        given = _Given(params, benchmark, scenario)
        state = _start(search, first, benchmark, scenario)

        def step(state: SearchState, hour: jax.Array) -> tuple[SearchState, Interval]:
            def run(state: SearchState) -> tuple[SearchState, Interval]:
                return _hour(search, given, engine.keys_of(rest, hour), state, hour)

            return jax.lax.cond(state.stopped, lambda s: (s, _interval(s)), run, state)

        final, intervals = jax.lax.scan(step, state, jnp.arange(scenario.intensity.shape[0]))
        return Result(
            intervals=intervals,
            rows=final.rows,
            objectives=final.objectives,
            finish_s=final.finish_s,
            count=final.count,
            hypervolume=final.hypervolume,
            emissions_g=final.emissions_g,
            energy_kwh=jnp.sum(intervals.energy_kwh),
            seconds=final.clock_s,
        )

    return simulate


def _start(search: _Search, key: jax.Array, benchmark: Benchmark, scenario: Scenario) -> SearchState:
    """The state before the first hour; `sizes.initial` distinct random evaluations are given."""
    sizes = search.sizes
    begin, draw = jax.random.split(key)
    n, m = benchmark.objectives.shape
    state = SearchState.empty(search.optimizer.init(begin), sizes, objectives=m, catalog=n)
    state = state.replace(prepare_s=scenario.prepare_s)
    if sizes.initial:
        rows = jax.random.choice(draw, search.table.size, (sizes.initial,), replace=False).astype(jnp.int32)
        truth, zeros = benchmark.objectives[rows], jnp.zeros(sizes.initial, jnp.float32)
        ended = Ended(benchmark.genomes[rows], rows, truth, truth, zeros, jnp.ones(sizes.initial, bool))
        state = engine.learn(search.optimizer, state, ended, benchmark.reference)
    return state


def _hour(
    search: _Search, given: _Given, keys: Keys, state: SearchState, hour: jax.Array
) -> tuple[SearchState, Interval]:
    """One hour: decide, score, train, charge, learn."""
    params, benchmark, scenario = given
    sizes, stage, g = search.sizes, search.stage, search.sizes.devices
    length = jnp.minimum(scenario.hour_s, scenario.duration_s - state.clock_s)
    budget = budget_of(state, g, scenario)
    seen = observe(status_of(state, sizes, benchmark), outlook_of(hour, scenario), budget)
    share = search.policy.apply(keys.act, params, seen)
    who = split(share, g)
    supernet = jnp.minimum(length, state.prepare_s / g)
    rows, new = _proposals(search, keys.ask, state, who, given)
    prelude, waiting, scored, scoring_s = supernet, state.queue, jnp.zeros_like(new), jnp.float32(0.0)
    if stage.at_once:
        time = g * (length - supernet)
        scored, spent = engine.affordable_scores(new, rows, state, time, scenario.score_s)
        prelude = supernet + spent / g
        both = jnp.concatenate([waiting, jnp.where(scored, rows, EMPTY)])
        waiting = jax.lax.cond(
            who.evaluating > 0, lambda: _ranked(search, state, benchmark, budget, both), lambda: state.queue
        )
    begin = cluster.starts(who, state.evaluating, prelude, scenario.switch_s, length, devices=g)
    if stage.supernet:
        time = cluster.time_to_score(begin, length)
        scored, scoring_s = engine.affordable_scores(new, rows, state, time, scenario.score_s)
    line = engine.line_up(sizes, state, benchmark.train_seconds, waiting, rows, new & scenario.train_unscored)
    plan = cluster.schedule(line.needs_s, line.fits, begin.begin_s, who.evaluating, length)
    phases = cluster.phases_of(begin, supernet_s=supernet, prelude_s=prelude, scoring_s=scoring_s, busy_s=plan.busy_s)
    end, energy, emissions = _charge(phases, length, state, hour, scenario)
    started = plan.start_s < end
    done = started & (plan.finish_s <= end)
    ended = _ended(keys.noise, line, state.clock_s + plan.finish_s, done, benchmark, scenario)
    before, state = state, engine.remember(state, rows, scored)
    state = engine.learn(search.optimizer, state, ended, benchmark.reference)
    waits, half, half_s = engine.settle(sizes, line, started, done, plan.finish_s - end)
    if stage.supernet:
        begun = jnp.where(started, line.jobs, EMPTY)
        fresh = jnp.where(scored & ~among(rows, begun), rows, EMPTY)
        waits = _ranked(search, state, benchmark, budget, jnp.concatenate([waits, fresh]))
    state = state.replace(
        queue=waits,
        half=half,
        half_s=half_s,
        evaluating=jnp.where(prelude < length, who.evaluating, state.evaluating),  # else nobody began anything
        clock_s=before.clock_s + end,
        prepare_s=jnp.where(supernet < length, 0.0, state.prepare_s - g * jnp.minimum(end, supernet)),
        emissions_g=before.emissions_g + emissions,
    )
    over = state.clock_s >= scenario.duration_s * (1 - 1e-6)
    state = state.replace(stopped=(end < length) | over | (scenario.carbon_budget_g <= before.emissions_g))
    return state, _interval(state).replace(
        evaluating=who.evaluating,
        share=share,
        seconds=end,
        energy_kwh=energy,
        emissions_g=emissions,
        device_s=cluster.device_seconds(phases, end),
        finished=jnp.sum(done, dtype=jnp.int32),
    )


def _ranked(search: _Search, state: SearchState, benchmark: Benchmark, budget: Budget, rows: jax.Array) -> jax.Array:
    """The queue, int32 (Q,), of those that wait and those that were scored, int32 (k,)."""
    goal = Goal(benchmark.reference, budget_left(budget))
    return engine.rank(search.stage, search.sizes, state, benchmark.catalog, rows, goal, search.rooms)


def _ended(
    key: jax.Array, line: LineUp, finish_s: jax.Array, done: jax.Array, benchmark: Benchmark, scenario: Scenario
) -> Ended:
    """What the trainings of an hour show, with the noise of evaluations."""
    jobs = jnp.maximum(line.jobs, 0)
    truth = benchmark.objectives[jobs]
    noise = jax.random.normal(key, jobs.shape, jnp.float32) * scenario.noise_scale * benchmark.noise[jobs]
    return Ended(benchmark.genomes[jobs], jobs, truth, truth.at[:, 0].add(noise), finish_s, done)


def _charge(
    phases: cluster.Phases, length: jax.Array, state: SearchState, hour: jax.Array, scenario: Scenario
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """When the hour ends, which the carbon budget may bring forward, s; and its energy, kWh, and emissions, g."""
    intensity = scenario.intensity[hour]
    left_g = scenario.carbon_budget_g - state.emissions_g
    limit = jnp.where(intensity > 0, left_g / jnp.where(intensity > 0, intensity, 1.0), jnp.inf)
    end = cluster.time_of_energy(phases, scenario.power, length, limit)
    energy = cluster.energy_kwh(phases, scenario.power, end)
    return end, energy, energy * intensity


def _proposals(
    search: _Search, key: jax.Array, state: SearchState, who: Split, given: _Given
) -> tuple[jax.Array, jax.Array]:
    """Table rows of proposals, int32 (P,), and which are new, bool (P,); none where nobody needs any."""

    def ask(state: SearchState) -> tuple[jax.Array, jax.Array]:
        genomes = search.propose(key, state.optimizer, state.count)
        genomes = with_neighbours(key, search.stage, search.table.space, genomes, state, given.benchmark.genomes)
        rows = search.table.rows(genomes)
        return rows, engine.new_among(rows, state)

    def nothing(state: SearchState) -> tuple[jax.Array, jax.Array]:
        del state
        p = search.sizes.proposals
        return jnp.full((p,), EMPTY, jnp.int32), jnp.zeros((p,), bool)

    wanted = engine.asks(search.stage, who, given.scenario.train_unscored)
    return jax.lax.cond(wanted, ask, nothing, state)


def status_of(state: SearchState, sizes: SearchSizes, benchmark: Benchmark) -> Status:
    """Progress of the search, as policies are told."""
    return Status(
        queued=jnp.sum(state.queue != EMPTY, dtype=jnp.int32),
        capacity=jnp.int32(sizes.queue),
        half_finished=jnp.sum(state.half != EMPTY, dtype=jnp.int32),
        hypervolume=state.hypervolume / benchmark.largest,
        evaluations=state.count,
    )


def outlook_of(hour: jax.Array, scenario: Scenario) -> Outlook:
    """Carbon intensity, known and forecast, at the begin of `hour`, int32 ()."""
    w, hours = scenario.past.shape[0], scenario.intensity.shape[0]
    series = jnp.concatenate([scenario.past, scenario.intensity])
    known = jnp.concatenate([scenario.past_known, jnp.ones(hours, bool)])
    padded = jnp.concatenate([scenario.intensity, jnp.full(hours, scenario.intensity[-1])])
    return Outlook(
        intensity=scenario.intensity[hour],
        past=jax.lax.dynamic_slice(series, (hour,), (w,)),
        past_known=jax.lax.dynamic_slice(known, (hour,), (w,)),
        forecast=scenario.forecast[hour],
        future=jax.lax.dynamic_slice(padded, (hour,), (hours,)),
    )


def budget_of(state: SearchState, devices: int, scenario: Scenario) -> Budget:
    """Time and carbon budget, as policies are told."""
    return Budget(
        duration_s=scenario.duration_s,
        left_s=scenario.duration_s - state.clock_s,
        hour_s=scenario.hour_s,
        carbon_g=scenario.carbon_budget_g,
        carbon_left_g=scenario.carbon_budget_g - state.emissions_g,
        training_kw=scenario.power.training_kw * devices,
        idle_kw=scenario.power.idle_kw * devices,
        devices=jnp.int32(devices),
    )


def _interval(state: SearchState) -> Interval:
    """The record of an hour in which nothing happened, as after the end."""
    zero = jnp.float32(0.0)
    return Interval(
        hypervolume=state.hypervolume,
        evaluations=state.count,
        evaluating=jnp.int32(0),
        share=zero,
        queued=jnp.sum(state.queue != EMPTY, dtype=jnp.int32),
        halfway=jnp.sum(state.half != EMPTY, dtype=jnp.int32),
        seconds=zero,
        energy_kwh=zero,
        emissions_g=zero,
        device_s=dict.fromkeys(("supernet", "switching", "training", "scoring", "idle"), zero),
        finished=jnp.int32(0),
    )
