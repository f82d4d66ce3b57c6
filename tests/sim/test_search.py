"""The search with real optimisers on the toy table: contract, no recompilation, learning."""

import jax
import numpy as np
import pandas as pd
import pytest

from jcenas.alloc.policies import policy_from_name
from jcenas.engine.stages import none, one_shot, predictor
from jcenas.engine.state import SearchSizes
from jcenas.errors import InputError
from jcenas.moo import lamoo, random_search
from jcenas.sim.problem import (
    ScenarioConfig,
    full_power,
    make_benchmark,
    make_scenario,
    most_evaluations,
    released_power,
)
from jcenas.sim.search import make_search
from jcenas.tables.table import Table
from jcenas.tables.toy import toy

HOURS = 12
SIZES = {"devices": 4, "room": 96, "queue": 8, "proposals": 16, "unscored": 8}
INTENSITY = 250 + 100 * np.sin(np.arange(HOURS))


@pytest.fixture(scope="module")
def table():
    return toy()


@pytest.fixture(scope="module")
def benchmark(table):
    return make_benchmark(table, cost="energy_mj", reference=(100, 60), estimate="oneshot_error")


def random(table):
    return lambda capacity: random_search(table.space, capacity=capacity, batch=SIZES["proposals"])


@pytest.mark.parametrize("name", ["heuristic-queue", "oracle:1", "sample-all"])
def test_policies_drive_a_search(name, table, benchmark, key):
    policy = policy_from_name(name)
    config = SearchSizes(**SIZES)
    traces = 0
    simulate = make_search(config, table, random(table), policy, stage=one_shot())

    def counted(*arguments):
        nonlocal traces
        traces += 1
        return simulate(*arguments)

    run = jax.jit(counted)
    params = policy.init_params(key)
    first = run(key, params, benchmark, make_scenario(INTENSITY))
    other = run(
        jax.random.key(1),
        jax.tree.map(lambda p: p * 0.9, params),
        benchmark,
        make_scenario(
            2 * INTENSITY, ScenarioConfig(hours=7.5, carbon_budget_g=2000.0, switch_s=60.0), power=released_power()
        ),
    )
    assert traces == 1  # another trace, start, budget, accounting and seed compile nothing
    assert ((first.intervals.share >= 0) & (first.intervals.share <= 1)).all()
    assert ((first.intervals.evaluating >= 0) & (first.intervals.evaluating <= 4)).all()
    assert float(other.emissions_g) <= 2000 * (1 + 1e-5)
    assert float(other.seconds) <= 7.5 * 3600 + 1
    assert 0 <= float(first.hypervolume) <= float(benchmark.largest)


@pytest.mark.slow
def test_many_equals_each_and_keys_count(table, benchmark):
    policy = policy_from_name("heuristic")
    config = SearchSizes(**SIZES)
    simulate = make_search(config, table, random(table), policy, stage=one_shot())
    keys = jax.random.split(jax.random.key(3), 3)
    scenario = make_scenario(INTENSITY, ScenarioConfig(noise_scale=1.0))
    one = jax.jit(lambda key: simulate(key, (), benchmark, scenario))
    many = jax.jit(lambda keys: jax.lax.map(lambda key: simulate(key, (), benchmark, scenario), keys))(keys)
    side_by_side = jax.jit(jax.vmap(lambda key: simulate(key, (), benchmark, scenario)))(keys)
    for i in range(3):
        alone = one(keys[i])
        np.testing.assert_array_equal(many.rows[i], alone.rows)
        np.testing.assert_array_equal(side_by_side.rows[i], alone.rows)
        np.testing.assert_allclose(many.intervals.emissions_g[i], alone.intervals.emissions_g, rtol=1e-6)
    assert len({tuple(np.asarray(r)) for r in many.rows}) == 3


@pytest.mark.slow
def test_a_predictor_beats_chance_with_the_same_evaluations(table, benchmark):
    def log_missing(stage):
        config = SearchSizes(**{**SIZES, "proposals": 64})

        def make(capacity):
            return random_search(table.space, capacity=capacity, batch=64)

        policy = policy_from_name("evaluate-all")
        simulate = make_search(config, table, make, policy, stage=stage, rooms=(64, 96))
        keys = jax.random.split(jax.random.key(0), 6)
        run = jax.jit(lambda keys: jax.lax.map(lambda k: simulate(k, 1.0, benchmark, make_scenario(INTENSITY)), keys))
        result = run(keys)
        return np.log(float(benchmark.largest) - np.asarray(result.hypervolume)).mean()

    assert log_missing(predictor()) < log_missing(none()) - 0.3


@pytest.mark.slow
def test_lamoo_runs_inside(table, benchmark):
    def make(capacity):
        return lamoo(table.space, capacity=capacity, batch=16, reference=(100, 60))

    config = SearchSizes(**SIZES, initial=10)
    policy = policy_from_name("evaluate-all")
    run = jax.jit(make_search(config, table, make, policy, stage=none(), rooms=(48, 96)))
    scenario = make_scenario(INTENSITY, power=released_power())
    result = run(jax.random.key(0), policy.init_params(jax.random.key(0)), benchmark, scenario)
    count = int(result.count)
    assert 30 < count < 96
    assert (np.asarray(result.finish_s[:10]) == 0).all()  # given, before the clock starts
    assert len(set(np.asarray(result.rows[:count]).tolist())) == count
    np.testing.assert_allclose(result.emissions_g, 4 * INTENSITY.sum(), rtol=1e-5)  # 4 devices, 1 kW, never idle
    np.testing.assert_allclose(result.objectives[:count], benchmark.objectives[result.rows[:count]])


def unknown_cost():
    frame = pd.DataFrame({"i": [0, 1], "error": [1.0, 2.0], "joules": [1.0, np.nan], "train_seconds": [9.0, 9.0]})
    return Table.from_frame(frame, genome=["i"])


def test_bounds_by_hand(benchmark):
    seconds = np.sort(np.asarray(benchmark.train_seconds))
    assert most_evaluations(benchmark, float(seconds[:7].sum()) + 1) == 7
    np.testing.assert_allclose(full_power().training_kw, 0.167 * 1.59, rtol=1e-6)
    assert float(released_power().idle_kw) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: make_scenario([1.0, 2.0], ScenarioConfig(hours=3)),
            r"3 h needs a trace of that length, this one has 2 h",
        ),
        (lambda: ScenarioConfig(carbon_budget_g=0.0), "pays nothing"),
        (lambda: make_scenario([1.0, 2.0], forecast=np.zeros((1, 24, 3))), "do not fit 2 hours"),
        (lambda: SearchSizes(devices=0), "devices is 0"),
        (lambda: SearchSizes(devices=50), "50 devices cannot be fed by a queue of 16"),
        (lambda: SearchSizes(unscored=999), "unscored must be at most proposals"),
        (lambda: make_benchmark(toy(), cost="energy", reference=(1, 1)), "has no column 'energy'"),
        (lambda: make_benchmark(toy(), cost="energy_mj", reference=(1, 1)), "no architecture has error and energy_mj"),
        (lambda: make_benchmark(unknown_cost(), cost="joules", reference=(9, 9)), "'joules' is missing for 1 of 2"),
    ],
)
def test_bad_input_is_one_line(make, message):
    with pytest.raises(InputError, match=message):
        make()
