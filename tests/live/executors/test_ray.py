"""Real Ray, two raylets on this machine: as a local search, and what is lost where actors and nodes are killed."""

# ruff: noqa: E402

import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.executors.cluster import shape_of
from jcenas.live.executors.executor import Parts
from jcenas.live.executors.local import LocalExecutor
from jcenas.live.executors.remote import RemoteExecutor
from jcenas.live.executors.virtual import Costs
from jcenas.live.executors.virtual_device import VirtualDevice
from jcenas.live.ledger import Ledger
from jcenas.live.loop import Limits, Loop
from jcenas.live.progress import Quiet
from jcenas.live.run_folder import RunFolder, versions

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'jcenas[ray]'")

from experiments.search.raylets import Raylets
from jcenas.live.executors.device_actor import DeviceActor, Ready
from jcenas.live.executors.ray import Cluster, connect

COSTS = Costs(prepare_s=600.0, score_s=60.0)
VALUES = [300.0, 500.0, 100.0, 200.0] * 4
pytestmark = [
    pytest.mark.slow,  # Ray takes some ten seconds to start
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),  # followed by another program at once
]


@pytest.fixture
def nodes(monkeypatch):
    """Two raylets, and this process joined to them."""
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parents[3]))  # of the actors
    made = Raylets(2)
    ray.init(made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.close()


def actor_of(problem, score="", wall_s=0.0):
    """A class of actors whose device is virtual; sent to the nodes as it is here."""

    class VirtualActor(DeviceActor):
        def prepare(self, config, given, record, known):
            self._device = VirtualDevice(problem, COSTS, score=score, wall_s=wall_s)
            return Ready("virtual", 0.0, 0.0, {}, 1, VirtualDevice.score_batch, VirtualDevice.chunk_steps, ())

        def pid(self):
            return os.getpid()

    return VirtualActor


class TakesTurns:
    """Devices that wait for the one whose clock is behind, so that the order of their work is that of the clocks."""

    def _on_all(self, function, until):
        self.active = set(self.present)

        def tracked(device):
            try:
                function(device)
            finally:
                self.active.discard(device)

        super()._on_all(tracked, until)

    def _open(self, device, until):
        clock = self.ledger.clock
        while any((clock[other], other) < (clock[device], device) for other in tuple(self.active)):
            time.sleep(0.0005)
        return super()._open(device, until)


class LocalInTurns(TakesTurns, LocalExecutor):
    pass


class RemoteInTurns(TakesTurns, RemoteExecutor):
    pass


class Run:
    """A search of the table of sixteen, on devices of one executor or another.

    It ends by time where it is compared: what goes on in the moment of the last evaluation is a matter of threads.
    """

    def __init__(self, kit, folder, *, stage, kind, at_work, evaluations=None):
        config = SimpleNamespace(real_time=False, hour_s=3600.0, how_to_resume=str)
        self.database = RunDatabase(folder / "run.db", create=not (folder / "run.db").exists())
        problem = kit.problem_of()
        self.state = kit.state_of(
            self.database, problem, kit.steps_maker(problem, stage=stage, policy="static:0.7"), 32
        )
        grid = kit.grid_of(VALUES)
        self.ledger = Ledger(self.database, grid.trace, kit.POWER, devices=2, hour_seconds=3600.0)
        run, made = RunFolder(folder, None), stage_from_name(stage)
        self.executor = kind.of(Parts(config, run, self.ledger, problem, at_work, made, 2))
        limits = Limits(
            grid=grid, forecast="none", hours=len(VALUES), hour_s=3600.0, evaluations=evaluations, power=kit.POWER
        )
        parts = {"ledger": self.ledger, "state": self.state, "executor": self.executor}
        self.loop = Loop("run", limits, **parts, observer=Quiet(), stop=threading.Event())

    def books(self):
        """Everything that is decided and charged; the order in which two threads write it is left out."""
        queries = {
            "hours": "hour, evaluation_share, evaluating, evaluations, queued, halfway, emissions_g, idle_s",
            "proposals": "id, genome, hour, status",
            "scores": "proposal, score, hour",
            "evaluations": "proposal, hour, validation_error, seconds, emissions_g",
            "intervals": "device, start_hour, end_hour, state, purpose, proposal",
        }
        ask = self.database.rows
        return {
            table: [tuple(row) for row in ask(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3")]
            for table, columns in queries.items()
        }


@pytest.fixture
def fleet(kit, tmp_path, monkeypatch, nodes):
    """A cluster of actors with virtual devices."""
    made = []

    def make(score="", wall_s=0.0, folder=tmp_path):
        monkeypatch.setattr(Cluster, "kind", actor_of(kit.problem_of(), score, wall_s))
        config = SearchConfig(executor="ray", address=nodes.address, devices=2)
        images = SimpleNamespace(record={}, data=None)
        one = Cluster(config, images, print, folder)
        assert one.shape.room >= 2
        one.begin(None)
        made.append(one)
        return one

    (tmp_path / "config.json").touch()
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("stage", ["predictor", "zero-shot:synflow", "one-shot"])
def test_a_search_over_two_nodes_is_the_local_one(kit, fleet, tmp_path, stage):
    score = stage_from_name(stage).score
    books = {}
    for kind in (LocalInTurns, RemoteInTurns):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        if kind is LocalInTurns:
            at_work = [VirtualDevice(kit.problem_of(), COSTS, score=score) for _ in range(2)]
        else:
            at_work = fleet(score).devices
        run = Run(kit, folder, stage=stage, kind=kind, at_work=at_work)
        assert run.loop.run() == "time"
        books[kind] = run.books()
        run.database.close()
    assert len(books[LocalInTurns]["evaluations"]) >= 12
    for name, rows in books[LocalInTurns].items():
        assert books[RemoteInTurns][name] == rows, name


def check(run, known):
    """Every evaluation once, as the table says, and the accounts agree."""
    run.loop.record_last_hours()
    rows = run.database.rows("SELECT proposal, validation_error FROM evaluations")
    assert known <= len(rows) == len({row["proposal"] for row in rows})
    for row in rows:
        genome = run.state.genomes[row["proposal"] - 1]
        assert row["validation_error"] == run.state.problem.column("error", np.array([genome]))[0]
    sums = [run.database.value(f"SELECT SUM(emissions_g) FROM {table}") for table in ("intervals", "hours")]
    assert sums[0] == pytest.approx(sums[1])


def test_a_killed_actor_and_a_killed_node_lose_nothing(kit, fleet, nodes, tmp_path):
    one = fleet("", wall_s=0.05)
    run = Run(kit, tmp_path, stage="predictor", kind=RemoteExecutor, at_work=one.devices, evaluations=14)
    said, seen = [], set()
    run.loop.observer = SimpleNamespace(update=lambda progress: said.append(progress.message), log=said.append)
    thread = threading.Thread(target=lambda: said.append(run.loop.run()))
    thread.start()

    def wait_for(condition):
        end = time.monotonic() + 300
        while not condition():
            seen.add(run.executor.devices)
            assert time.monotonic() < end, said[-20:]
            assert thread.is_alive(), said[-5:]
            time.sleep(0.02)

    wait_for(lambda: len(run.executor.progress()) == 2)
    os.kill(ray.get(one.devices[0].actor.pid.remote()), signal.SIGKILL)
    wait_for(lambda: any(line.startswith("device 0 is lost") for line in said))
    wait_for(lambda: any(line.startswith("device 0 joins") for line in said))
    wait_for(lambda: run.executor.progress())
    nodes.kill("node", random.Random(1))
    wait_for(lambda: sum("is lost" in line for line in said) >= 2)
    thread.join(300)
    assert not thread.is_alive()
    assert said[-1] == "evaluations"
    assert {1, 2} <= seen
    check(run, 14)
    run.database.close()


def test_what_does_not_fit_is_refused_in_one_line(fleet, tmp_path):
    one = fleet()
    actor = one.devices[0].actor
    for name, found in (("jax", "0.4.0"), ("jcenas", "0.1")):
        place = ray.put(("far", {**versions(), name: found}))
        with pytest.raises(InputError, match=f"machine far of the cluster at .* has {name} {found}, and") as said:
            one._checked(actor, place, tmp_path / "config.json")
        assert "\n" not in str(said.value)
    place = ray.put(("far", versions()))
    assert one._checked(actor, place, tmp_path / "config.json") == "far"
    with pytest.raises(InputError, match=r"does not see /nowhere, where the checkpoints would lie; .* --runs"):
        one._checked(actor, place, pathlib.Path("/nowhere/file"))


def test_a_machine_without_jcenas_is_named(nodes, tmp_path):
    class Fails(DeviceActor):
        def __init__(self, cache, threads):
            raise ModuleNotFoundError("No module named 'jcenas'")

    one = Cluster(SearchConfig(executor="ray", devices=1), SimpleNamespace(record={}, data=None), print, tmp_path)
    one.kind = Fails
    with pytest.raises(InputError, match=r"cannot load jcenas .*; install it there: pip install 'jcenas\[ray\]=="):
        one.begin(None)
    one.close()


def test_an_unreachable_cluster_is_one_line():
    with pytest.raises(InputError, match=r"--address 127.0.0.1:1: no Ray cluster answers .* ray start") as said:
        connect("127.0.0.1:1")
    assert "\n" not in str(said.value)


def start(folder, words):
    """`jcenas search` in a process of its own."""
    command = [sys.executable, "-m", "jcenas.cli", "search", "--quiet", "--no-report", *words.split()]
    with (folder / "said").open("a") as said:
        return subprocess.Popen(command, cwd=folder, stderr=said, env=os.environ | {"GLIBC_TUNABLES": ""})


def ask(folder, query):
    file = folder / "runs" / "run" / "run.db"
    if not file.exists():
        return [(0,)]
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_killed_driver_goes_on_over_the_same_cluster(nodes, tmp_path, compiled_soon, monkeypatch):
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
        if name in compiled_soon:
            monkeypatch.setenv(name, compiled_soon[name])
    ray.shutdown()
    small = (
        f"--name run --executor ray --address {nodes.address} --hours 24 --hour-seconds 0.5 --channels 4 --epochs 3 "
        "--batch-size 128 --proposals 8 --policy static:0.8 --optimizer random --stage one-shot --supernet-epochs 2 "
        "--reference-error 1"
    )
    process, end = start(tmp_path, small), time.monotonic() + 300
    while ask(tmp_path, "SELECT COUNT(*) FROM evaluations") < [(1,)]:
        assert process.poll() is None, (tmp_path / "said").read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = dict(ask(tmp_path, "SELECT proposal, validation_error FROM evaluations"))
    process = start(tmp_path, "--resume runs/run")
    assert process.wait(300) == 0, (tmp_path / "said").read_text()
    rows = ask(tmp_path, "SELECT proposal, validation_error FROM evaluations")
    assert known.items() <= dict(rows).items()
    assert len(rows) == len(dict(rows)) > len(known)
    assert ask(tmp_path, "SELECT COUNT(*) FROM test")[0][0] >= 1
    by_hour = ask(tmp_path, "SELECT SUM(emissions_g) FROM hours")[0][0]
    assert by_hour == pytest.approx(ask(tmp_path, "SELECT SUM(emissions_g) FROM intervals")[0][0])
    devices = ask(tmp_path, "SELECT COUNT(DISTINCT device) FROM intervals WHERE purpose = 'candidate'")
    assert devices == [(2,)]


@pytest.mark.parametrize(
    ("resources", "room", "threads", "options"),
    [
        ([{"CPU": 8.0}, {"CPU": 16.0}], 12, 2, {"num_cpus": 2}),
        ([{"CPU": 2.0}], 2, 1, {"num_cpus": 1}),
        ([{"CPU": 8.0, "GPU": 4.0}, {"CPU": 16.0}, {"CPU": 4.0, "GPU": 1.0}], 5, 0, {"num_cpus": 1, "num_gpus": 1}),
        ([{"CPU": 8.0, "TPU": 4.0}], 4, 0, {"num_cpus": 1, "resources": {"TPU": 1}}),
        ([], 0, 1, {"num_cpus": 1}),
    ],
)
def test_an_accelerator_or_a_group_of_cores_is_a_device(resources, room, threads, options):
    nodes = [{"Alive": True, "Resources": each} for each in resources] + [{"Alive": False, "Resources": {"CPU": 64.0}}]
    assert shape_of(nodes) == (options, threads, room)
