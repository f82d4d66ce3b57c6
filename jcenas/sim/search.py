"""A whole carbon-aware search as one `lax.scan` over intervals: optimiser, queues, cluster, clock, emissions, policy.

In every interval (an hour, by default):

1. the policy sees the state and gives the share of the devices that evaluate; the others sample;
2. the optimiser proposes; the cheap stage scores as many proposals as the sampling devices have time for;
3. the evaluating devices train: first what the last interval cut, then the queue in its order, then, where allowed,
   unscored proposals; a training that does not end in the interval goes on in the next;
4. energy and emissions are charged; where the carbon budget is spent within the interval, the interval ends there;
5. finished evaluations are told to the optimiser. Proposals scored by a supernet wait for the next interval; a
   predictor costs no device time, so its proposals can be trained at once.

After the paper (CE-NAS, arXiv 2406.01414) and its released simulator, whose faults (no idle power, free scoring,
free switching) are choices of the scenario here. One search; `jcenas.sim.many` runs thousands.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jcenas.alloc.devices import devices_for_share
from jcenas.alloc.observation import Observation
from jcenas.alloc.policies import Policy
from jcenas.engine import predictor
from jcenas.engine import queue as lines
from jcenas.moo import hypervolume
from jcenas.moo.types import Optimizer
from jcenas.sim import cluster
from jcenas.sim.problem import Benchmark, Scenario
from jcenas.sim.sized import by_size, growing
from jcenas.sim.state import Interval, Result, SearchState, SimulationConfig
from jcenas.tables.table import Table

Simulate = Callable[[jax.Array, Any, Benchmark, Scenario], Result]


def make_search(
    config: SimulationConfig,
    table: Table,
    make_optimizer: Callable[[int], Optimizer],
    policy: Policy,
    *,
    sizes: Sequence[int] | None = None,
    proposal_sizes: Sequence[int] | None = None,
) -> Simulate:
    """Return simulate(key, policy parameters, benchmark, scenario) -> Result, pure and without recompilation.

    Args:
      config: shapes and program.
      table: the benchmark's table; only its space and the row of a genome are used.
      make_optimizer: capacity -> optimiser with `batch` = `config.proposals`.
      policy: who splits the devices.
      sizes: ascending rooms, the last being `config.room`, for which the predictor is compiled (`jcenas.sim.sized`);
        default: one.
      proposal_sizes: the same for the optimiser's `ask`, where its time grows with the room; that of LaMOO hardly does.
    """
    sizes, proposal_sizes = tuple(sizes or (config.room,)), tuple(proposal_sizes or (config.room,))
    assert sizes[-1] == proposal_sizes[-1] == config.room, "the last size is the room"
    optimizer, propose = growing(make_optimizer, proposal_sizes)

    def simulate(key: jax.Array, params: Any, benchmark: Benchmark, scenario: Scenario) -> Result:
        first, rest = jax.random.split(key)
        state = _start(first, config, table, optimizer, benchmark, scenario)

        def step(state: SearchState, inputs):
            key, hour = inputs
            run = lambda s: _interval(key, s, hour, params, benchmark, scenario)
            rest_of_time = lambda s: (s, _nothing(s))
            return jax.lax.cond(state.stopped, rest_of_time, run, state)

        hours = scenario.intensity.shape[0]
        final, intervals = jax.lax.scan(step, state, (jax.random.split(rest, hours), jnp.arange(hours)))
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

    def _interval(key, state: SearchState, hour, params, benchmark: Benchmark, scenario: Scenario):
        act, ask, noise = jax.random.split(key, 3)
        g = config.devices
        length = jnp.minimum(scenario.interval_s, scenario.duration_s - state.clock_s)
        share = policy.apply(act, params, observe(config, state, hour, benchmark, scenario))
        evaluating = devices_for_share(share, g)
        prelude = jnp.minimum(length, state.supernet_s / g)
        ready = jnp.minimum(cluster.ready_times(evaluating, state.evaluating, prelude, scenario.switch_s, g), length)
        fresh, open_ = _proposals(ask, state, evaluating, benchmark, scenario)
        time_to_score = jnp.sum(jnp.where(jnp.arange(g) >= evaluating, length - ready, 0.0))
        scored, scoring_s = _scored(config, open_, time_to_score, scenario)
        waiting = state.queue
        if config.stage == "predictor":
            rank = lambda waiting: _rank(state, waiting, fresh, scored, benchmark)
            waiting = jax.lax.cond(evaluating > 0, rank, lambda waiting: waiting, waiting)
            scored = jnp.zeros_like(scored)  # the rest is forgotten
        known = jnp.concatenate([state.half, waiting])
        last = slice(config.proposals - config.unscored, None)  # of the proposals: those that idle devices may train
        untried = (open_[last] & ~lines.among(fresh[last], waiting)) & scenario.train_unscored
        jobs = jnp.concatenate([known, fresh[last]])
        valid = jnp.concatenate([known != lines.EMPTY, untried])
        needs = benchmark.train_seconds[jnp.maximum(jobs, 0)].at[:g].set(state.half_s)
        room = state.count + jnp.cumsum(valid) <= config.room
        plan = cluster.schedule(needs, valid & room, ready, evaluating, length)
        samplers = jnp.maximum(g - evaluating, 1)
        is_evaluating = jnp.arange(g) < evaluating
        busy = jnp.where(is_evaluating, plan.busy_s, jnp.minimum(ready + scoring_s / samplers, length))
        phases = cluster.Phases(prelude, ready, busy, is_evaluating)
        intensity = scenario.intensity[hour]
        left_g = scenario.carbon_budget_g - state.emissions_g
        limit = jnp.where(intensity > 0, left_g / jnp.where(intensity > 0, intensity, 1.0), jnp.inf)
        end = cluster.time_of_energy(phases, scenario.power, length, limit)
        energy = cluster.energy_kwh(phases, scenario.power, end)
        started = plan.start_s < end
        done = started & (plan.finish_s <= end)
        state = _tell(noise, state, jobs, plan.finish_s, done, benchmark, scenario)
        cut = started & ~done
        stay = (jnp.arange(jobs.shape[0]) < g) & valid & ~started
        half = lines.compact(jobs, cut | stay, g, lines.EMPTY)
        left = jnp.where(cut, plan.finish_s - end, needs)
        waits = lines.compact(waiting, (valid & ~started)[g : g + config.queue], config.queue, jnp.int32(lines.EMPTY))
        if config.stage == "supernet":
            begun = lines.among(fresh, jnp.where(started, jobs, lines.EMPTY))
            waits = _rank(state, waits, fresh, scored & ~begun, benchmark)
        clock = state.clock_s + end
        emissions = state.emissions_g + energy * intensity
        supernet = state.supernet_s - g * jnp.minimum(end, prelude)
        state = state.replace(
            queue=waits,
            half=half,
            half_s=lines.compact(left, cut | stay, g, 0.0),
            evaluating=evaluating,
            clock_s=clock,
            supernet_s=jnp.where(prelude < length, 0.0, supernet),
            emissions_g=emissions,
            stopped=(end < length) | (clock >= scenario.duration_s * (1 - 1e-6)) | (left_g <= 0),
        )
        return state, Interval(
            hypervolume=state.hypervolume,
            evaluations=state.count,
            evaluating=evaluating,
            share=share,
            queued=jnp.sum(waits != lines.EMPTY, dtype=jnp.int32),
            halfway=jnp.sum(half != lines.EMPTY, dtype=jnp.int32),
            seconds=end,
            energy_kwh=energy,
            emissions_g=energy * intensity,
            device_s=cluster.device_seconds(phases, end),
            finished=jnp.sum(done, dtype=jnp.int32),
        )

    def _proposals(key, state: SearchState, evaluating, benchmark: Benchmark, scenario: Scenario):
        """Table rows of proposals, int32 (P,), and which are new, bool (P,); none where nobody needs any."""
        trains = evaluating > 0
        wanted = {
            "none": trains,
            "predictor": trains,
            "supernet": (evaluating < config.devices) | scenario.train_unscored,
        }[config.stage]

        def ask(state):
            rows = table.rows(propose(key, state.optimizer, state.count))
            known = lines.among(rows, state.queue) | lines.among(rows, state.half) | lines.among(rows, state.rows)
            return rows, (rows != lines.EMPTY) & ~known & lines.distinct(rows)

        def none(state):
            empty = jnp.full((config.proposals,), lines.EMPTY, jnp.int32)
            return empty, jnp.zeros((config.proposals,), bool)

        return jax.lax.cond(wanted, ask, none, state)

    def _rank(state: SearchState, waiting, fresh, scored, benchmark: Benchmark) -> jax.Array:
        """The best Q of those that wait and those that were scored, best first."""
        rows = jnp.concatenate([waiting, jnp.where(scored, fresh, lines.EMPTY)])
        mask = rows != lines.EMPTY
        places = jnp.maximum(rows, 0)
        cost = benchmark.objectives[places, 1:]

        def order_on(size):
            def run(state):
                past, told, seen = jnp.maximum(state.rows[:size], 0), state.told[:size], state.observed[:size]
                known, asked = benchmark.inputs.at(past), benchmark.inputs.at(places)
                if config.ranking == "dominance":
                    fine = told & ~predictor.failed(seen[:, 0], told)
                    error = predictor.predict(known, seen[:, 0], fine, asked).error()
                    order = lines.by_dominance(jnp.concatenate([error[:, None], cost], axis=1), mask)[: config.queue]
                    return order, mask[order]
                seconds = benchmark.train_seconds[places]
                return predictor.by_improvement(
                    known, seen, told, asked, cost[:, 0], seconds, mask, benchmark.reference, config.queue
                )

            return run

        if config.stage == "predictor":
            order, counts = by_size(sizes, state.count, [order_on(size) for size in sizes], state)
        else:
            estimates = jnp.concatenate([benchmark.estimate[places, None], cost], axis=1)
            order = lines.by_dominance(estimates, mask)[: config.queue]
            counts = mask[order]
        return jnp.where(counts, rows[order], lines.EMPTY)

    def _tell(key, state: SearchState, jobs, finish, done, benchmark: Benchmark, scenario: Scenario) -> SearchState:
        """Add the finished jobs, in the order of their end."""
        order = jnp.argsort(jnp.where(done, finish, jnp.inf), stable=True)
        mask, rows = done[order], jnp.maximum(jobs[order], 0)
        draws = jax.random.normal(key, rows.shape, jnp.float32) * scenario.noise_scale * benchmark.noise[rows]
        truth = benchmark.objectives[rows]
        observed = truth.at[:, 0].add(draws)
        return _add(optimizer, state, rows, truth, observed, state.clock_s + finish[order], mask, benchmark)

    return simulate


def _scored(config: SimulationConfig, fresh: jax.Array, device_s: jax.Array, scenario: Scenario):
    """Which proposals are scored, bool (P,), within so many device-seconds, and the device-seconds that this takes."""
    if config.stage == "none":
        return jnp.zeros_like(fresh), jnp.float32(0.0)
    if config.stage == "predictor":
        return fresh, jnp.float32(0.0)
    safe = jnp.where(scenario.score_s > 0, scenario.score_s, 1.0)
    most = jnp.where(scenario.score_s > 0, jnp.floor(device_s / safe), jnp.inf)
    scored = fresh & (jnp.cumsum(fresh) <= most) & (device_s > 0)
    return scored, jnp.sum(scored) * scenario.score_s


def _start(key, config: SimulationConfig, table: Table, optimizer: Optimizer, benchmark, scenario) -> SearchState:
    """The state before the first interval; `config.initial` distinct random evaluations are given."""
    begin, draw = jax.random.split(key)
    c, m = config.room, benchmark.objectives.shape[1]
    state = SearchState(
        optimizer=optimizer.init(begin),
        rows=jnp.full(c, lines.EMPTY, jnp.int32),
        objectives=jnp.full((c, m), jnp.inf, jnp.float32),
        observed=jnp.full((c, m), jnp.inf, jnp.float32),
        finish_s=jnp.full(c, jnp.inf, jnp.float32),
        count=jnp.int32(0),
        queue=jnp.full(config.queue, lines.EMPTY, jnp.int32),
        half=jnp.full(config.devices, lines.EMPTY, jnp.int32),
        half_s=jnp.zeros(config.devices, jnp.float32),
        evaluating=jnp.int32(-1),
        clock_s=jnp.float32(0.0),
        supernet_s=scenario.supernet_s,
        emissions_g=jnp.float32(0.0),
        hypervolume=jnp.float32(0.0),
        stopped=jnp.asarray(False),
    )
    if config.initial:
        rows = jax.random.choice(draw, table.size, (config.initial,), replace=False).astype(jnp.int32)
        truth = benchmark.objectives[rows]
        mask = jnp.ones(config.initial, bool)
        state = _add(optimizer, state, rows, truth, truth, jnp.zeros(config.initial, jnp.float32), mask, benchmark)
    return state


def _add(optimizer: Optimizer, state: SearchState, rows, truth, observed, finish_s, mask, benchmark) -> SearchState:
    """Record evaluations (valid ones first) and tell the optimiser; its padding are copies of the first."""
    n = jnp.sum(mask, dtype=jnp.int32)
    place = jnp.where(mask, state.count + jnp.cumsum(mask) - 1, state.rows.shape[0])
    genomes = benchmark.genomes[jnp.where(mask, rows, rows[0])]
    values = jnp.where(mask[:, None], observed, observed[:1])
    tell = lambda s: optimizer.tell(s, genomes, values)
    objectives = state.objectives.at[place].set(truth, mode="drop")
    count = state.count + n
    told = jnp.arange(state.rows.shape[0]) < count
    return state.replace(
        optimizer=jax.lax.cond(n > 0, tell, lambda s: s, state.optimizer),
        rows=state.rows.at[place].set(rows, mode="drop"),
        objectives=objectives,
        observed=state.observed.at[place].set(observed, mode="drop"),
        finish_s=state.finish_s.at[place].set(finish_s, mode="drop"),
        count=count,
        hypervolume=hypervolume(objectives, benchmark.reference, told),
    )


def observe(
    config: SimulationConfig, state: SearchState, hour, benchmark: Benchmark, scenario: Scenario
) -> Observation:
    """What the policy sees at the begin of interval `hour`, int32 ()."""
    w, hours = scenario.past.shape[0], scenario.intensity.shape[0]
    series = jnp.concatenate([scenario.past, scenario.intensity])
    forecast = scenario.forecast[hour]
    median = forecast[:, forecast.shape[1] // 2]
    window = jnp.concatenate([jax.lax.dynamic_slice(series, (hour,), (w,)), median])
    mask = jnp.concatenate([jnp.full(w, scenario.use_past), jnp.full(median.shape, scenario.use_forecast)])
    padded = jnp.concatenate([scenario.intensity, jnp.full(hours, scenario.intensity[-1])])
    budget, left = scenario.carbon_budget_g, scenario.carbon_budget_g - state.emissions_g
    limited = jnp.isfinite(budget)
    power = scenario.power.training_kw * config.devices
    return Observation(
        intensity_now=scenario.intensity[hour],
        window=window,
        window_mask=mask,
        queue=jnp.sum(state.queue != lines.EMPTY, dtype=jnp.int32),
        capacity=jnp.int32(config.queue),
        half_finished=jnp.sum(state.half != lines.EMPTY, dtype=jnp.int32),
        time_left=1.0 - state.clock_s / scenario.duration_s,
        carbon_left=jnp.where(limited, left / jnp.where(limited, budget, 1.0), 1.0),
        hypervolume=state.hypervolume / benchmark.largest,
        evaluations=state.count,
        forecast=forecast,
        future=jax.lax.dynamic_slice(padded, (hour,), (hours,)),
        hours_left=(scenario.duration_s - state.clock_s) / 3600.0,
        affordable=jnp.where(power > 0, left / jnp.where(power > 0, power, 1.0), jnp.inf),
        idle_share=jnp.where(
            power > 0, scenario.power.idle_kw * config.devices / jnp.where(power > 0, power, 1.0), 0.0
        ),
    )


def _nothing(state: SearchState) -> Interval:
    """The report of an interval after the end."""
    zero = jnp.float32(0.0)
    return Interval(
        hypervolume=state.hypervolume,
        evaluations=state.count,
        evaluating=jnp.int32(0),
        share=zero,
        queued=jnp.sum(state.queue != lines.EMPTY, dtype=jnp.int32),
        halfway=jnp.sum(state.half != lines.EMPTY, dtype=jnp.int32),
        seconds=zero,
        energy_kwh=zero,
        emissions_g=zero,
        device_s=dict.fromkeys(("supernet", "switching", "training", "scoring", "idle"), zero),
        finished=jnp.int32(0),
    )
