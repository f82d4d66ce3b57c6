"""The live search decides, scores and charges as the simulator does: hour by hour, on the same table, trace and seed.

The live side is the real loop, queue, ledger and database, on an executor whose clock jumps by the table's seconds.
What cannot be equal, and is not compared:

- the oracle: the live search refuses it, since nobody knows the future (a test of its own);
- compiling, timing and the final test, which a real executor charges before and after the hours: the virtual one does
  neither;
- who waits after the hour in which the carbon budget ends: a real search stops there, perhaps while it scores, and
  ranks nothing more; the simulator's program completes the hour's ranking;
- float32 (simulator) against float64 (ledger): within 1e-4.
"""

import itertools
import threading
from datetime import UTC, datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas import registry
from jcenas.alloc.policies import Policy, policy_from_name
from jcenas.carbon.power import PowerModel
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import GridHours
from jcenas.engine.needs import check_needs
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.errors import InputError
from jcenas.live.database import RunDatabase
from jcenas.live.executors.virtual import Costs, VirtualExecutor
from jcenas.live.ledger import Ledger
from jcenas.live.loop import Limits, Loop
from jcenas.live.progress import Quiet
from jcenas.live.state import RunState
from jcenas.live.steps import Steps
from jcenas.problems.table import TableProblem
from jcenas.sim.inputs import estimates
from jcenas.sim.problem import ScenarioConfig, full_power, make_benchmark, make_scenario
from jcenas.sim.search import make_search
from jcenas.tables.digits import digits

HOURS, BEFORE = 24, 170
POWER = PowerModel()
REFERENCE = {"error": 10.0, "params": 101_000.0, "energy_uj": 68.0}
COSTS = Costs(prepare_s=9000.0, score_s=41.0, switch_s=67.0)
SECONDS_SCALE = 0.37  # no training ends exactly with an hour
POLICIES = ["heuristic", "heuristic-queue", "threshold", "threshold-queue:0.4", "plan", "pace", "price", "ppo"]
POLICIES += ["static:0.3", "evaluate-all", "sample-all:0.3"]
STAGES = ["none", "one-shot", "zero-shot:synflow", "predictor"]


@pytest.fixture(scope="module")
def table():
    whole = digits()
    columns = dict(whole.columns) | {"train_seconds": whole.columns["train_seconds"] * SECONDS_SCALE}
    return whole.replace(columns=columns)


@pytest.fixture(scope="module")
def grid():
    hours = np.arange(BEFORE + HOURS + 24)
    noise = np.random.default_rng(0).normal(size=len(hours))
    values = 300 + 120 * np.sin(hours * 2 * np.pi / 24) + 25 * noise
    start = datetime(2023, 6, 8, 2, tzinfo=UTC)
    trace = CarbonTrace(start=start, intensity_g_per_kwh=values[BEFORE:], step_seconds=3600)
    return GridHours(trace, values[:BEFORE], float(values.mean()))


def any_of(names):
    """One policy that is all of them: its parameters say which, so that one program serves every case."""
    policies = [policy_from_name(name) for name in names]

    def init_params(key):
        return jnp.int32(0), [policy.init_params(key) for policy in policies]

    def apply(key, params, observation):
        which, each = params
        shares = [
            lambda p=p, q=q: jnp.asarray(p.apply(key, q, observation), jnp.float32)
            for p, q in zip(policies, each, strict=True)
        ]
        return jax.lax.switch(which, shares)

    return Policy("any", init_params, apply)


class Pair:
    """Both clusters with one stage and so many devices, compiled once for every policy and budget."""

    def __init__(self, table, grid, stage, devices, optimizer="random", costs=("params",), policies=tuple(POLICIES)):
        reference = tuple(REFERENCE[name] for name in ("error", *costs))
        self.table, self.grid, self.stage, self.devices = table, grid, stage_from_name(stage), devices
        self.sizes = SearchSizes.of_stage(self.stage, devices=devices, room=256, proposals=32, initial=0)
        self.costs = COSTS if self.stage.supernet else COSTS._replace(prepare_s=0.0)
        policy = any_of(policies)
        make = optimizer_maker(optimizer, table.space, batch=self.sizes.proposals, reference=reference)
        self.simulate = jax.jit(make_search(self.sizes, table, make, policy, stage=self.stage))
        self.key = jax.random.key(3)
        optimiser = make(self.sizes.room)
        self.steps = Steps(
            self.sizes, self.stage, policy, optimiser, space=table.space, reference=reference, hour_s=3600.0
        )
        estimate = estimates(table, self.stage)
        self.benchmark = make_benchmark(table, cost=costs, reference=reference, estimate=estimate)
        largest = float(self.benchmark.largest)
        self.problem = TableProblem(table, error="error", costs=costs, reference=reference, largest=largest)

    def simulated(self, params, carbon_g):
        grid = self.grid
        past, known = grid.past()
        scenario = make_scenario(
            grid.intensity(HOURS),
            ScenarioConfig(carbon_budget_g=carbon_g, **self.costs._asdict()),
            past=past,
            past_known=known,
            forecast=np.stack([grid.forecast("model", hour) for hour in range(HOURS)]),
            power=full_power(POWER),
        )
        return self.simulate(self.key, params, self.benchmark, scenario)

    def lived(self, folder, params, carbon_g):
        problem = self.problem
        database = RunDatabase(folder / "run.db", create=True)
        ledger = Ledger(database, self.grid.trace, POWER, devices=self.devices, hour_seconds=3600.0)
        room, steps = self.sizes.room, lambda room: self.steps
        state = RunState(database, problem, steps, room=room, key=self.key, policy_params=params)
        score = self.stage.score
        executor = VirtualExecutor(
            problem, ledger, self.costs, devices=self.devices, score=score, carbon_budget_g=carbon_g
        )
        limits = Limits(
            grid=self.grid, forecast="model", hours=HOURS, hour_s=3600.0, carbon_budget_g=carbon_g, power=POWER
        )
        parts = {"ledger": ledger, "state": state, "executor": executor}
        why = Loop("run", limits, **parts, observer=Quiet(), stop=threading.Event()).run()
        return database, state, why


FAST = {("predictor", 8)}  # the default stage; the others are marked slow
PAIRS = [(stage, devices) for stage in STAGES for devices in (1, 8)]
PAIRS.append(("one-shot", 2))  # one device samples while the other slices its hour


@pytest.fixture(
    scope="module",
    params=[pytest.param(pair, marks=() if pair in FAST else pytest.mark.slow, id=str(pair)) for pair in PAIRS],
)
def pair(request, table, grid):
    return Pair(table, grid, *request.param)


def compare(simulated, database, state, table, *, stopped="time"):
    hours = [dict(row) for row in database.rows("SELECT * FROM hours ORDER BY hour")]
    theirs = simulated.intervals
    n = len(hours)
    assert n == int(np.sum(np.asarray(theirs.seconds) > 0))
    for name, values in (("evaluation_share", theirs.share), ("energy_kwh", theirs.energy_kwh)):
        np.testing.assert_allclose([row[name] for row in hours], values[:n], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose([row["emissions_g"] for row in hours], theirs.emissions_g[:n], rtol=1e-4, atol=1e-3)
    for name, values in (
        ("evaluating", theirs.evaluating),
        ("evaluations", theirs.evaluations),
        ("halfway", theirs.halfway),
    ):
        np.testing.assert_array_equal([row[name] for row in hours], values[:n], err_msg=name)
    whole = n if stopped == "time" else n - 1
    np.testing.assert_array_equal([row["queued"] for row in hours[:whole]], theirs.queued[:whole])
    for purpose, parts in {
        "training": ("supernet", "training"),
        "scoring": ("scoring",),
        "idle": ("idle",),
        "switching": ("switching",),
    }.items():
        seconds = sum(np.asarray(theirs.device_s[part], float) for part in parts)[:n]
        np.testing.assert_allclose([row[f"{purpose}_s"] for row in hours], seconds, rtol=1e-3, atol=1.0)
    ours, others = np.asarray(state.search.rows), np.asarray(simulated.rows)
    ends = [0, *(row["evaluations"] for row in hours)]
    for begin, end in itertools.pairwise(ends):  # two that end within a rounding error of each other may change places
        genomes = sorted(state.genomes[int(row)] for row in ours[begin:end])
        assert genomes == sorted(tuple(g) for g in np.asarray(table.genomes)[others[begin:end]].tolist())


@pytest.mark.parametrize("policy", POLICIES)
def test_the_two_clusters_agree_hour_by_hour(tmp_path, pair, policy):
    which, each = any_of(POLICIES).init_params(pair.key)
    params = which + POLICIES.index(policy), each
    for carbon_g, why in ((np.inf, "time"), (150.0 * pair.devices, "carbon budget")):
        folder = tmp_path / str(carbon_g)
        folder.mkdir()
        database, state, stopped = pair.lived(folder, params, carbon_g)
        compare(pair.simulated(params, carbon_g), database, state, pair.table, stopped=stopped)
        assert stopped == why
        database.close()


@pytest.mark.slow
def test_lamoo_proposes_the_same_in_both(tmp_path, table, grid):
    pair = Pair(table, grid, "predictor", 8, optimizer="lamoo", policies=("plan",))
    params = any_of(("plan",)).init_params(pair.key)
    database, state, _ = pair.lived(tmp_path, params, np.inf)
    compare(pair.simulated(params, np.inf), database, state, table)
    database.close()


@pytest.mark.slow
def test_two_costs_are_searched_alike_in_both(tmp_path, table, grid):
    pair = Pair(table, grid, "predictor", 8, costs=("params", "energy_uj"), policies=("plan",))
    params = any_of(("plan",)).init_params(pair.key)
    database, state, _ = pair.lived(tmp_path, params, np.inf)
    simulated = pair.simulated(params, np.inf)
    compare(simulated, database, state, table)
    assert simulated.objectives.shape[1] == 3
    assert state.hypervolume() == pytest.approx(float(simulated.hypervolume) / pair.problem.largest, rel=1e-4)
    database.close()


def test_every_policy_and_stage_of_the_registry_is_compared():
    policies = {registry.check("policy", name).entry.name for name in POLICIES}
    assert policies | {"oracle"} == set(registry.built_in("policy"))
    stages = {registry.check("stage", name).entry.name for name in STAGES}
    assert stages | {"few-shot"} == set(registry.built_in("stage"))  # as one-shot, with another column


def test_the_live_search_refuses_the_oracle():
    with pytest.raises(InputError, match="jcenas search cannot tell it the true coming intensities"):
        check_needs(policy_from_name("oracle"), frozenset({"forecast"}), where="jcenas search")
