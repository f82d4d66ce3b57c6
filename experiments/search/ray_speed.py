"""What the driver of a search over Ray takes: calls to actors beside the work, and 64 devices of a clock that jumps.

Command:  python -m experiments.search.ray_speed [--smoke]
Expected: over two actors on one machine the driver's calls take at most 5 % of the device time, and the same trainings
          last at most 5 % longer than with the local executor's two devices; 64 virtual devices and 10,000 evaluations
          in at most 600 s.
Cost:     about ten minutes on 2 CPU cores that nobody else uses; `--smoke` a minute, and records nothing.

The first part trains digits as `jcenas search` does, the same 24 proposals with both executors; *calls* is the time
that the driver's threads spend in calls to actors beyond what the devices report. The second part is
`experiments.search.engine_speed` with its 64 devices in two actors, ten chunks a training, so that an evaluation takes
thirteen calls.
"""

import argparse
import contextlib
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from experiments.lib import recording
from experiments.search import engine_speed
from jcenas.engine.stages import stage_from_name
from jcenas.live import SearchConfig, search
from jcenas.live.database import RunDatabase
from jcenas.live.executors.executor import Parts
from jcenas.live.executors.remote import RemoteExecutor
from jcenas.live.executors.virtual import Costs
from jcenas.live.executors.virtual_device import VirtualDevice
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.problems.table import TableProblem
from jcenas.runtime.process import keep_compiled_programs, use_cpu_devices

NAME = "ray_speed"
MOST_SHARE, MOST_S = 0.05, 600.0
ACTORS = 2
CASE = ("lamoo", "none", "evaluate-all")
COLUMNS = [
    "what",
    "devices",
    "evaluations",
    "device time, s",
    "wall, s",
    "calls beside the work, s",
    "share of the work",
]


def train(executor: str, evaluations: int, folder: pathlib.Path) -> dict[str, float]:
    """A search on digits: device-seconds of trainings, wall seconds from the first of them to the last."""
    moments: list[float] = []

    class Watch:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def log(self, message: str, **details: Any) -> None:
            pass

        def update(self, progress: Any) -> None:
            moments.append(time.perf_counter())

    config = SearchConfig(
        name=executor,
        runs=folder,
        executor=executor,
        devices=ACTORS,
        side_by_side=1,
        stage="none",
        optimizer="random",
        policy="evaluate-all",
        hours=1000,
        evaluations=evaluations,
    )
    result = search(config, observer=Watch())
    database = RunDatabase(result.folder / "run.db")
    seconds = database.value("SELECT SUM(seconds) FROM intervals WHERE purpose = 'candidate'")
    database.close()
    return {"device_s": seconds, "wall_s": moments[-1] - moments[0], "evaluations": result.summary["evaluations"]}


@contextlib.contextmanager
def timed_calls() -> Iterator[dict[str, float]]:
    """Seconds that the driver spends in calls to devices beyond what those report, while the block runs."""
    from jcenas.live.executors.ray import RemoteDevice

    beyond: list[float] = []
    found, before = {}, RemoteDevice._ask

    def ask(self: Any, method: str, *arguments: Any) -> Any:
        began = time.perf_counter()
        answer = before(self, method, *arguments)
        took = answer[1].ran if isinstance(answer, tuple) and hasattr(answer[-1], "ran") else None
        if took is not None:
            beyond.append(time.perf_counter() - began - took)
        return answer

    RemoteDevice._ask = ask
    try:
        yield found
    finally:
        RemoteDevice._ask, found["calls_s"] = before, sum(beyond)


class Many:
    """An actor with many virtual devices, each called from a thread of its own."""

    def __init__(self, problem: TableProblem, count: int):
        self._devices = [VirtualDevice(problem, Costs(), score="") for _ in range(count)]

    def open(self, index: int, folder: pathlib.Path) -> None:
        """As `DeviceActor.open`, of one device."""
        self._devices[index].open(RunFolder(folder, None))

    def do(self, index: int, what: str, *arguments: Any) -> Any:
        """As `DeviceActor.do`, of one device."""
        return getattr(self._devices[index], what)(*arguments)


def of_one(actor: Any, index: int) -> Any:
    """One device of an actor with many, as the handle of an actor with one."""

    def method(call: Callable[..., Any]) -> Any:
        return SimpleNamespace(remote=lambda *arguments: call.remote(index, *arguments))

    return SimpleNamespace(open=method(actor.open), do=method(actor.do))


class OverRay(engine_speed.Search):
    """The search of `engine_speed`, whose devices are in actors."""

    def share(self, other: engine_speed.Search) -> None:
        """Use the programs that another search of the same sizes has compiled."""
        self._steps = other._steps

    def executor(self, ledger: Ledger, folder: pathlib.Path) -> RemoteExecutor:
        """Devices of two actors."""
        import ray

        from jcenas.live.executors.ray import RemoteDevice

        each = -(-self.devices // ACTORS)
        actors = [ray.remote(max_concurrency=each, num_cpus=1)(Many).remote(self.problem, each) for _ in range(ACTORS)]
        cluster: Any = SimpleNamespace(joined=lambda numbers=None: {}, close=lambda: None)
        places = [RemoteDevice(cluster) for _ in range(self.devices)]
        ready: Any = SimpleNamespace(count=1, score_batch=8, chunk_steps=1)
        for number, place in enumerate(places):
            place.join(of_one(actors[number % ACTORS], number // ACTORS), ready)
        stage = stage_from_name(self.names[1])
        self.actors = actors  # kept alive
        return RemoteExecutor.of(
            Parts(SearchConfig(), RunFolder(folder, None), ledger, self.problem, places, stage, self.devices)
        )


def measure(smoke: bool) -> list[list[Any]]:
    """Rows of the table."""
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for repeat in ("first", "second"):  # the first compiles
            evaluations = 4 if smoke or repeat == "first" else 24
            for executor in ("local", "ray"):
                with timed_calls() as calls:
                    found[executor] = train(executor, evaluations, pathlib.Path(folder) / repeat)
                found[executor] |= calls
    for executor, one in found.items():
        calls_s = one["calls_s"] if executor == "ray" else None
        share = None if calls_s is None else calls_s / one["device_s"]
        rows.append([executor, ACTORS, one["evaluations"], one["device_s"], one["wall_s"], calls_s, share])
    import ray

    from jcenas.live.executors.ray import connect

    devices, evaluations = (4, 60) if smoke else (64, 10_000)
    connect(None)
    plain = engine_speed.Search(*CASE, devices=devices, evaluations=evaluations)
    plain.run(evaluations)  # compiles every size of the arrays
    rows.append(["virtual devices, no calls", devices, *plain.run(evaluations)])
    connect(None)
    many = OverRay(*CASE, devices=devices, evaluations=evaluations)
    many.share(plain)
    rows.append(["virtual devices, ray", devices, *many.run(evaluations)])
    ray.shutdown()
    return [[*row[:3], None, row[3], None, None] if len(row) == 4 else row for row in rows]


def verdict(rows: Sequence[Sequence[Any]]) -> str:
    """Whether the goals are met."""
    local, remote, _, many = rows
    longer = remote[4] / remote[3] / (local[4] / local[3]) - 1
    met = remote[6] <= MOST_SHARE and longer <= MOST_SHARE and many[4] <= MOST_S
    return (
        f"{'met' if met else 'missed'}: calls take {remote[6]:.1%} of the device time, a device-second lasts "
        f"{longer:+.1%} on the wall against the local executor (at most {MOST_SHARE:.0%}); {many[2]} evaluations on "
        f"{many[1]} devices in {many[4]:.0f} s (at most {MOST_S:.0f} s)"
    )


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="few devices and evaluations; records nothing")
    options = parser.parse_args(arguments)
    keep_compiled_programs()
    use_cpu_devices(work=ACTORS)
    rows = measure(options.smoke)
    print(verdict(rows))
    if not options.smoke:
        recording.record(
            NAME,
            title="The driver of a search over Ray: its calls, and 64 devices of a clock that jumps",
            command="python -m experiments.search.ray_speed",
            columns=COLUMNS,
            rows=rows,
            notes=[verdict(rows)],
            expected=f"calls at most {MOST_SHARE:.0%} of the work, and 10,000 evaluations within {MOST_S:.0f} s",
        )
    return rows


if __name__ == "__main__":
    main()
