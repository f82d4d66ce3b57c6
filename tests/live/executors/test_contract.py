"""Every executor of the registry, made by its factory: what the loop may ask of it before there is any work."""

import importlib
import inspect
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest

from jcenas import Problem, registry
from jcenas.engine.stages import stage_from_name
from jcenas.live.config import FUNCTION, SearchConfig
from jcenas.live.executors.executor import DevicePlan, Executor, Hooks, Parts, Plan
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.problems.nasbench201 import NasBench201Problem
from jcenas.problems.network import Skeleton

NAMES = list(registry.built_in("executor"))
HOUR_S = 3.0


class Device:
    """A device that has nothing to do, and where it can be lost a place in a cluster."""

    score_batch, count, there = 4, 1, True
    cluster = SimpleNamespace(joined=lambda numbers=None: {})

    def open(self, folder):
        pass


@pytest.fixture(params=NAMES)
def executor(request, kit, database, tmp_path, monkeypatch):
    """One of two devices, with a ledger of its own."""
    entry = registry.built_in("executor")[request.param]
    trace = kit.grid_of([100.0, 200.0]).trace
    ledger = Ledger(database, trace, kit.POWER, devices=2, hour_seconds=HOUR_S)
    if entry.options["run"] == "networks":
        config = SearchConfig(devices=2)
        skeleton = Skeleton(image_size=8, image_channels=1, classes=10, channels=4, cells=1)
        problem, at_work = NasBench201Problem(skeleton=skeleton), [Device() for _ in range(2)]
    else:
        monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[1]))
        toy = importlib.import_module("toy_functions")
        config, at_work = SearchConfig(problem=FUNCTION, cost=("cost",), devices=2), []
        problem = Problem.from_function(toy.SPACE, toy.evaluate, costs={"cost": toy.cost}, reference=(1.0, 5.0))
    stage = stage_from_name("none")
    folder = RunFolder(tmp_path, None)
    made = registry.load_entry(entry)(Parts(config, folder, ledger, problem, at_work, stage, 2))
    yield made
    made.close()


def test_it_has_what_the_protocol_says(executor):
    for name, member in vars(Executor).items():
        if not name.startswith("_"):
            assert hasattr(executor, name), name
            if inspect.isfunction(member):
                wanted = list(inspect.signature(member).parameters)[1:]
                assert list(inspect.signature(getattr(executor, name)).parameters) == wanted
    assert executor.devices == 2


def test_an_hour_without_work_is_idle_on_every_device(executor):
    def refuse(*_):
        raise AssertionError("nothing was to be done")

    executor.begin(Hooks(lambda: False, refuse, refuse, refuse, lambda message: None))
    assert executor.progress() == {}
    assert executor.prepare(1.0) is True
    assert executor.score_together([], 1.0) == {}
    report = executor.work(Plan(0.0, 1.0, [DevicePlan(True, False, 0.0), DevicePlan(False, True, 0.0)], [], []))
    assert (report.started, report.ended, report.left_s, report.scores) == (frozenset(), frozenset(), {}, {})
    assert executor.ledger.clock == pytest.approx([1.0, 1.0])
    spent = executor.ledger.seconds_by_purpose(in_hours=True)
    assert spent == pytest.approx({"idle": 2 * HOUR_S})
    assert np.isfinite(executor.ledger.emissions_g)


def test_closing_it_twice_is_harmless(executor):
    executor.close()
    executor.close()
