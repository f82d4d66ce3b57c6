"""A Ray cluster of several nodes on this machine, whose actors and nodes can be killed."""

import contextlib
import os
import pathlib
import random
import signal
from typing import Any

TRIES = 2  # to start a node, which Ray gives up after half a minute where the machine has much else to do
# Nothing that only a real cluster is worth: statistics, processes before anybody asks for them.
PLAIN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_prestart_worker_first_driver": "0",
}
STORE = 80 * 1024**2  # bytes of a node's object store, Ray's least
_ACTOR = "ray::DeviceActor"  # the title that Ray gives to the process of an actor


class Raylets:
    """A head without cores, and nodes of one core each."""

    def __init__(self, nodes: int):
        """Start them."""
        from ray.cluster_utils import Cluster

        for name, value in PLAIN.items():
            os.environ.setdefault(name, value)
        self._cluster = Cluster()
        self._add(num_cpus=0, include_dashboard=False)
        self._nodes = [self._add() for _ in range(nodes)]

    def _add(self, **options: Any) -> Any:
        """A node; the first one is the head."""
        settings = {"num_cpus": 1, "object_store_memory": STORE, **options}
        for _ in range(TRIES - 1):
            with contextlib.suppress(Exception):  # Ray raises just that
                return self._cluster.add_node(**settings)
        return self._cluster.add_node(**settings)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return self._cluster.address

    def kill(self, victim: str, draw: random.Random) -> bool:
        """Kill (SIGKILL) a random `actor`, or all processes of a random `node`, which another follows; whether any."""
        if victim == "node":
            node = self._nodes.pop(draw.randrange(len(self._nodes)))
            self._cluster.remove_node(node, allow_graceful=False)
            self._nodes.append(self._add())
            return True
        actors = self._actors()
        if not actors:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(actors), signal.SIGKILL)
        return True

    def _actors(self) -> list[int]:
        """Processes of actors on these nodes."""
        parents = {p.process.pid for node in self._nodes for ps in node.all_processes.values() for p in ps}
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                title = (folder / "cmdline").read_bytes().decode(errors="replace")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if title.startswith(_ACTOR) and parent in parents:
                    found.append(int(folder.name))
        return sorted(found)

    def close(self) -> None:
        """End everything."""
        self._cluster.shutdown()
