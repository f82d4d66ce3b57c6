"""Many searches at once, and how much carbon they needed."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.policies import policy_from_name
from jcenas.engine.stages import none
from jcenas.engine.state import SearchSizes
from jcenas.errors import InputError
from jcenas.report.simulation import over_emissions, write_progress
from jcenas.runtime import sharding
from jcenas.sim.config import SimulateConfig, TrainPolicyConfig
from jcenas.sim.many import carbon_to_reach, concatenate, first_to_reach, make_many, stack
from jcenas.sim.problem import make_scenario
from jcenas.sim.run import simulate, sizes_for, summary_rows
from jcenas.sim.search import make_search


@pytest.mark.accelerator
def test_shards_pads_and_keeps_the_order(kit, small):
    config = SearchSizes(devices=2, room=4, queue=2, proposals=4, unscored=4)
    policy = policy_from_name("evaluate-all")
    one = make_search(config, small, kit.scripted(4, 4), policy, stage=none())
    scenarios = stack([make_scenario([100.0 * i, 200.0], power=kit.power_of()) for i in range(1, 6)])
    keys, benchmark = jax.random.split(jax.random.key(0), 5), kit.benchmark_of(small)
    result = make_many(one)(keys, jnp.float32(1.0), benchmark, scenarios)  # 5 searches on 4 devices
    np.testing.assert_allclose(result.intervals.emissions_g[:, 0], [200, 400, 600, 800, 1000])
    both = concatenate([result, result])
    assert both.rows.shape == (10, 4)
    # The hypervolumes are 360, 440, then 590, 610 (see the toy): after 900 s, a quarter of the hour, 1800, ...
    grams, needed = carbon_to_reach(jax.device_get(result), benchmark, [360.0, 361.0, 440.0, 590.0, 611.0])
    np.testing.assert_array_equal(needed[:3], [1, 2, 2])
    np.testing.assert_allclose(grams[:3], [50, 200, 300])
    assert needed[3] == 3
    assert np.isnan([grams[4], needed[4]]).all()


@pytest.mark.accelerator
def test_first_to_reach_by_hand():
    objectives = jnp.array([[5.0, 5.0], [9.0, 9.0], [2.0, 2.0], [1.0, 1.0]])

    def reach(target):
        return int(first_to_reach(objectives, jnp.int32(3), jnp.array([10.0, 10.0]), target))

    assert [reach(t) for t in (0.0, 25.0, 25.5, 64.0, 70.0)] == [0, 1, 3, 3, -1]


def test_sizes():
    assert sizes_for(100) == (100,)
    assert sizes_for(1000) == (256, 1000)


@pytest.fixture(scope="module")
def done():
    return simulate(
        SimulateConfig(hours=6, seeds=3, optimizer="random", stage="none", accounting="released", devices=2)
    )


def test_simulate_and_its_plots(done, tmp_path):
    rows = dict(summary_rows(done))
    assert rows["accounting"] == "released"
    assert 0 < float(rows["hypervolume, share of the largest"].split()[0]) < 1
    assert rows["end"].startswith("6 ")
    expected = done.intensity @ np.asarray(done.result.intervals.energy_kwh).mean(axis=0)
    np.testing.assert_allclose(np.mean(done.result.emissions_g), expected, rtol=1e-4)
    picture = write_progress({"one": done, "other": done}, tmp_path / "new" / "plot.png")
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_grid_without_emissions_has_no_ratio_and_no_nan(done):
    zero = np.zeros_like(done.result.emissions_g)
    clean = done._replace(intensity=np.zeros_like(done.intensity), result=done.result.replace(emissions_g=zero))
    rows = dict(summary_rows(clean))
    assert rows["intensity paid over mean of the hours"] == "no intensity to pay: it is 0 throughout"
    assert not any("nan" in value for value in rows.values())


def test_common_grid_of_emissions_by_hand():
    spent, values = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 5.0]]), np.array([[9.0, 8.0, 7.0], [6.0, 5.0, 4.0]])
    shown = over_emissions(spent, values, np.array([0.0, 2.5, 4.0, 4.5]))
    np.testing.assert_array_equal(shown, [[np.nan, 8, 7, np.nan], [np.nan, np.nan, 5, 5]])


FEEDS = "an hour brings {0} proposals, which cannot feed more; use at most {0}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hours": 0}, "--hours 0"),
        ({"carbon_budget": -1.0}, "--carbon-budget -1.0"),
        ({"carbon_budget": 0.001}, r"--carbon-budget 0.001: the shortest training in the cleanest hour costs"),
        ({"table": "to"}, "unknown table 'to'; did you mean 'toy'"),
        ({"policy": "plann"}, "did you mean 'plan'"),
        ({"policy": "none.npz", "seeds": 1, "hours": 1}, "policy none.npz: there is no such file"),
        ({"start": "June"}, "--start June: not a time; write it like 2023-06-01T00:00Z"),
        ({"start": "2023-06-01"}, "--start 2023-06-01: has no time zone; write 2023-06-01T00:00Z for UTC"),
        ({"cost": "money"}, "has no column 'money'"),
        ({"cost": ("params", "flop")}, "has no column 'flop'; did you mean 'flops'"),
        ({"cost": ("params", "params")}, "--cost params params: 'params' is named twice"),
        ({"cost": ("params", "flops", "seconds", "energy_uj")}, "these are 4 costs, and a search takes at most 3"),
        ({"cost": ("params", "error")}, "--cost error: this is the first objective already"),
        ({"zone": "XX"}, "unknown zone 'XX'"),
        ({"devices": 2001}, f"--devices 2001: {FEEDS.format(2000)}"),
        (
            {"devices": 500, "stage": "none"},
            f"--devices 500: {FEEDS.format(128)}",
        ),
        ({"table": "toy", "stage": "few-shot"}, "has no column of few-shot scores, which --stage few-shot reads"),
        ({"plot": Path("progress.pdf")}, r"--plot progress.pdf: the file's name must end in .png"),
    ],
)
def test_bad_input_is_one_line(settings, message):
    with pytest.raises(InputError, match=message):
        simulate(SimulateConfig(**settings))


def test_files_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    for place, message in (("folder.png", "this is a folder"), ("file/a.png", "nothing can be written in .*file")):
        with pytest.raises(InputError, match=message):
            SimulateConfig(plot=tmp_path / place)
    with pytest.raises(InputError, match=r"--out .*mine: the file's name must end in .npz"):
        TrainPolicyConfig(out=tmp_path / "mine")


def test_side_by_side_as_on_an_accelerator(done, monkeypatch):
    monkeypatch.setattr(sharding, "on_cpu", lambda devices: False)
    parts = []
    again = simulate(done.config, lambda n, total: parts.append((n, total)))
    assert parts == [(3, 3)]  # one call
    np.testing.assert_array_equal(again.result.rows, done.result.rows)
    np.testing.assert_allclose(again.result.emissions_g, done.result.emissions_g, rtol=1e-6)


def test_short_traces_need_wrap(tmp_path):
    path = tmp_path / "short.csv"
    rows = "\n".join(f"2023-01-01T{h:02d}:00Z,{100 + h}" for h in range(12))
    path.write_text(f"datetime,carbon_intensity\n{rows}\n")
    settings = {"trace": path, "hours": 20, "seeds": 1, "optimizer": "random", "stage": "none", "devices": 2}
    with pytest.raises(InputError, match=r"short.csv: 12 h from 2023-01-01T00:00Z on, but --hours 20; run shorter"):
        simulate(SimulateConfig(**settings))
