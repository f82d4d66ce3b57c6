"""A search on two devices and four architectures, worked out hour by hour, array by array."""

import jax
import numpy as np
import pytest

from jcenas.alloc.policies import policy_from_name
from jcenas.engine.stages import none, one_shot
from jcenas.engine.state import SearchSizes
from jcenas.sim.problem import make_scenario
from jcenas.sim.search import make_search

# The optimiser proposes 0, 3, 2, 1 (multiples of 3 mod 4) while nothing is told, then what is new of such a list.


SIMULATORS = {}  # by what they are made for; all tests here have one table


def run(kit, table, policy, scenario, *, stage, **sizes):
    config = SearchSizes(**{"devices": 2, "room": 4, "queue": 2, "proposals": 4, "unscored": 4, **sizes})
    chosen, what = policy_from_name(policy), (policy, stage.name, config)
    if what not in SIMULATORS:
        SIMULATORS[what] = jax.jit(make_search(config, table, kit.scripted(4, 4), chosen, stage=stage))
    start = chosen.init_params(jax.random.key(0))
    return SIMULATORS[what](jax.random.key(0), start, kit.benchmark_of(table), scenario)


@pytest.fixture
def scenario(kit):
    return make_scenario([100.0, 200.0, 400.0], power=kit.power_of(training=1.0, scoring=0.5, idle=0.25, switching=2.0))


def test_everything_trains(kit, small, scenario):
    result = run(kit, small, "evaluate-all", scenario, stage=none())
    hours = result.intervals
    # Hour 0: device 0 trains 0 until 1800, device 1 trains 3 until 900, then 2 until 4500; device 0 then 1.
    # Hour 1: device 0 goes on with 2 or 1 in the order of the jobs: 2 (900 s left), device 1 with 1 (3600 s left).
    # Hour 2: nothing is left; both idle.
    np.testing.assert_array_equal(hours.evaluations, [2, 4, 4])
    np.testing.assert_array_equal(result.rows, [3, 0, 2, 1])
    np.testing.assert_allclose(result.finish_s, [900, 1800, 4500, 7200])
    np.testing.assert_array_equal(hours.halfway, [2, 0, 0])
    np.testing.assert_allclose(hours.device_s["training"], [7200, 4500, 0])
    np.testing.assert_allclose(hours.device_s["idle"], [0, 2700, 7200])
    np.testing.assert_allclose(hours.energy_kwh, [2, 1.25 + 0.1875, 0.5])
    np.testing.assert_allclose(hours.emissions_g, [200, 287.5, 200])
    # Boxes to (100, 10): 3 gives 40 x 9, 0 gives 50 x 8: 360 + 10 x 8 = 440.
    # With 2 (80 x 5) and 1 (90 x 2): 40 x 9 + 10 x 8 + 30 x 5 + 10 x 2 = 610.
    np.testing.assert_allclose(hours.hypervolume, [440, 610, 610])
    assert (float(result.emissions_g), float(result.seconds)) == (687.5, 10800)


def test_carbon_budget_stops_within_the_hour(kit, small, scenario):
    # Hour 0 costs 200 g; in hour 1 both devices draw 1 kW at 200 g/kWh: 50 g last 450 s, and 2 is not ready by then.
    result = run(kit, small, "evaluate-all", scenario.replace(carbon_budget_g=np.float32(250)), stage=none())
    np.testing.assert_allclose(result.intervals.seconds, [3600, 450, 0])
    np.testing.assert_allclose(result.intervals.emissions_g, [200, 50, 0])
    assert (int(result.count), float(result.emissions_g), float(result.seconds)) == (2, 250, 4050)
    # 100 g more: until 900 s 2 kW (100 g), then device 1 at 1 kW and device 0 idle at 0.25 kW.
    result = run(kit, small, "evaluate-all", scenario.replace(carbon_budget_g=np.float32(362.5)), stage=none())
    np.testing.assert_allclose(result.intervals.seconds, [3600, 900 + 900, 0])
    np.testing.assert_array_equal(result.rows, [3, 0, 2, -1])


def test_time_budget_ends_within_an_hour(kit, small, scenario):
    result = run(kit, small, "evaluate-all", scenario.replace(duration_s=np.float32(5400)), stage=none())
    np.testing.assert_allclose(result.intervals.seconds, [3600, 1800, 0])
    np.testing.assert_allclose(result.intervals.energy_kwh, [2, 0.75 + 0.0625, 0])
    np.testing.assert_array_equal(result.intervals.evaluations, [2, 3, 3])


def test_sampling_scores_and_orders(kit, small, scenario):
    # One device trains, one scores at 600 s a proposal. Estimates are the true values, none dominates another, so the
    # order stays 0, 3, 2, 1; device 0 trains the unscored 1 (the last proposal) meanwhile, and two fit into the queue.
    scored = scenario.replace(score_s=np.float32(600))
    result = run(kit, small, "static:0.5", scored, stage=one_shot(), unscored=1)
    hours = result.intervals
    np.testing.assert_array_equal(hours.queued, [2, 2, 0])
    np.testing.assert_allclose(hours.device_s["scoring"], [2400, 0, 0])  # in hour 1 only 2 is new, and it has its score
    np.testing.assert_allclose(hours.device_s["idle"], [1200, 3600, 3600])
    # Hour 1: 1 ends at 1800, then 0 at 3600, which counts; 3 waits, and 2 is scored. Hour 2: 3 ends at 900; 2 is cut.
    np.testing.assert_array_equal(result.rows[:3], [1, 0, 3])
    np.testing.assert_allclose(result.finish_s[:3], [5400, 7200, 8100])
    np.testing.assert_array_equal(hours.evaluations, [0, 2, 3])


def test_switching_and_supernet_cost_time_and_energy(kit, small, scenario):
    # 1200 s of supernet on both devices first. sample-all:0.5 samples in hours 0 and 1 and trains in hour 2, where
    # both devices change and lose 600 s.
    late = scenario.replace(
        prepare_s=np.float32(2400), switch_s=np.float32(600), score_s=np.float32(60), train_unscored=np.asarray(False)
    )
    result = run(kit, small, "sample-all:0.5", late, stage=one_shot(), unscored=1)
    hours = result.intervals
    np.testing.assert_allclose(hours.device_s["supernet"], [2400, 0, 0])
    np.testing.assert_allclose(hours.device_s["scoring"], [240, 0, 0])  # who fell out of the queue keeps its score
    np.testing.assert_allclose(hours.device_s["switching"], [0, 0, 1200])
    np.testing.assert_allclose(result.finish_s[:2], [7200 + 600 + 900, 7200 + 600 + 1800])
    np.testing.assert_array_equal(result.rows[:2], [3, 0])
    np.testing.assert_allclose(hours.device_s["training"], [0, 0, 2700])
    kw_hours = (1200 * 2 * 1.0 + 240 * 0.5 + (7200 - 2400 - 240) * 0.25) / 3600
    np.testing.assert_allclose(hours.energy_kwh[0], kw_hours, rtol=1e-6)


def test_full_room_stops_training(kit, small, scenario):
    result = run(kit, small, "evaluate-all", scenario, stage=none(), room=3)
    assert int(result.count) == 3
    np.testing.assert_array_equal(result.rows, [3, 0, 2])


def test_one_of_two_devices_slices_its_hour(kit, small, scenario):
    # A share of 0.25 of two devices: device 0 samples until 1800 and evaluates then, device 1 samples all the time. Of
    # 4800 s of scoring device 0 has the time for 1800; device 1 does the other 3000. Device 0 trains the unscored 1.
    scored = scenario.replace(score_s=np.float32(1200))
    hours = run(kit, small, "static:0.25", scored, stage=one_shot(), unscored=1).intervals
    np.testing.assert_allclose(hours.device_s["scoring"][0], 4800)
    np.testing.assert_allclose(hours.device_s["training"], [1800, 1800, 1800])
    np.testing.assert_allclose(hours.device_s["idle"][0], 600)
    np.testing.assert_allclose(hours.energy_kwh[0], (4800 * 0.5 + 1800 * 1.0 + 600 * 0.25) / 3600, rtol=1e-6)
