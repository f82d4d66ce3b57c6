"""What a run on a cluster is made of: the shape of a device, the folder that all machines see, and the preparation."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.meters.none import NoMeter
from jcenas.errors import InputError
from jcenas.live.config import AUTO, SearchConfig
from jcenas.live.images import RunImages
from jcenas.live.prepare import Prepared, problem_of
from jcenas.live.record import FILE
from jcenas.runtime.paths import is_writable, nearest_above

GROUPS = 4  # of a machine's cores, each a device: as many as a search on one machine makes of a CPU


class Shape(NamedTuple):
    """What an actor asks Ray for."""

    options: dict[str, Any]
    threads: int  # of a CPU; 0 on an accelerator
    room: int  # actors that the cluster has room for if nobody else uses it


def shape_of(nodes: Sequence[dict[str, Any]]) -> Shape:
    """An accelerator an actor where there are any, else a group of a node's cores.

    Args:
        nodes: as `ray.nodes()` gives them.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    for name, options in (("GPU", {"num_gpus": 1}), ("TPU", {"resources": {"TPU": 1}})):
        if room := sum(int(resources.get(name, 0)) for resources in there):
            return Shape({**options, "num_cpus": 1}, 0, room)
    cores = [int(resources.get("CPU", 0)) for resources in there if resources.get("CPU", 0) >= 1]
    group = max(1, min(cores, default=1) // GROUPS)
    return Shape({"num_cpus": group}, group, sum(many // group for many in cores))


@contextlib.contextmanager
def probe(folder: Path) -> Iterator[Path]:
    """A file where a run's folder is or will be, to see who sees it."""
    if (folder / FILE).exists():
        yield folder / FILE
        return
    above = nearest_above(folder)
    if not is_writable(above):
        raise InputError(f"{above} cannot be written; choose another folder with --runs")
    file = above / f".jcenas-{secrets.token_hex(4)}"
    file.touch()
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def prepare_cluster(
    config: SearchConfig, images: RunImages, log: Callable[[str], None], folder: Path, known: dict | None
) -> Prepared:
    """What `jcenas.live.prepare.prepare` does, on the devices of a cluster.

    Args:
        config: of the run.
        images: as this process has read them.
        log: told what takes long.
        folder: of the run.
        known: what an earlier start of the run found.

    Raises:
        InputError: a meter, no cluster, no device, or a machine that does not fit.
    """
    if config.meter not in ("none", AUTO):
        raise InputError(f"--meter {config.meter}: the counters of other machines are not read; leave --meter out")
    if config.metered_costs:
        raise InputError(f"--cost {config.metered_costs[0]} needs a meter, and --executor ray reads none; leave it out")
    from jcenas.live.executors.ray import Cluster

    cluster = Cluster(config, images, log, folder)
    try:
        ready = cluster.begin(known)
    except BaseException:
        cluster.close()
        raise
    first, every, missing = ready[0], cluster.devices, len(cluster.devices) - len(ready)
    return Prepared(
        images=images,
        at_work=cluster.devices,
        problem=problem_of(config, images, first.measured),
        supernet_s=first.measured["supernet_s"],
        compiling_s=[*(one.compiling_s for one in ready), *[0.0] * missing],
        timing_s=first.timing_s,
        at_once_s=first.measured["at_once_s"],
        device_names=[*(one.name for one in ready), *["not there at the start"] * missing],
        meter=Metering(NoMeter(), ()),
        joules={"compiling": [0.0 for _ in every], "timing": [0.0 for _ in every]},
        shares=cluster.shares,
        elsewhere=True,
    )
