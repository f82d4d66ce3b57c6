"""The devices of many machines, by Ray: an actor a device, and the only file that imports it.

A call to an actor is a chunk of steps: genomes go one way, losses and device-seconds the other. Weights stay on the
device, and lie as checkpoints in the run folder, which all machines see.
"""

import contextlib
import dataclasses
import os
import signal
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jcenas.carbon.meters.metering import Metering
from jcenas.errors import InputError, one_line, without_breaks
from jcenas.live.config import ARRAYS, SearchConfig
from jcenas.live.device_work import DeviceLostError, Entered, Tested
from jcenas.live.executors.cluster import probe, shape_of
from jcenas.live.executors.device_actor import DeviceActor, Ready
from jcenas.live.images import RunImages
from jcenas.live.record import FILE
from jcenas.live.run_folder import RunFolder, versions
from jcenas.live.side_by_side import Genome
from jcenas.live.supernet_weights import SupernetChunk
from jcenas.runtime import process
from jcenas.runtime.running_time import Stopwatch, Took

try:
    import ray as _ray  # type checkers take this very file for it
    from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]
except ImportError as missing:
    raise InputError("--executor ray needs Ray: pip install 'jcenas[ray]'") from missing

ray: Any = _ray

ANSWER_S = 5.0  # in which a cluster is there at all
PLACING_S = 60.0  # in which Ray starts an actor where there is room for it
RETRY_S = 30.0  # after which an actor that could not join is followed by another
LEAST_STORE = 80 * 1024**2  # bytes of Ray's object store, which holds numbers only
SAME = ("jcenas", "jax", "jaxlib")  # packages whose versions must be those of the driver


class RemoteDevice:
    """A device in an actor, or the place for one, as `DeviceWork`."""

    def __init__(self, cluster: "Cluster", count: int = 1):
        """There is no actor yet."""
        self.cluster, self.actor = cluster, None
        self.count, self.score_batch, self.chunk_steps = count, 1, 1

    def join(self, actor: Any, ready: Ready) -> None:
        """An actor takes the place."""
        self.actor = actor
        self.count, self.score_batch, self.chunk_steps = ready.count, ready.score_batch, ready.chunk_steps

    @property
    def there(self) -> bool:
        """Whether an actor has the place."""
        return self.actor is not None

    def close(self) -> None:
        """The run is over."""
        self.cluster.close()

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Call the actor and wait.

        Raises:
            DeviceLostError: there is none, or it died meanwhile.
        """
        if self.actor is None:
            raise DeviceLostError("it is not there")
        try:
            return ray.get(getattr(self.actor, method).remote(*arguments))
        except RayTaskError as error:  # the device is there, and something else is wrong
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except RayError as error:
            actor, self.actor = self.actor, None
            ray.kill(actor)
            raise DeviceLostError(one_line(without_breaks(error), 200)) from error

    def _timed(self, what: str, *arguments: Any) -> tuple[Any, Took]:
        """Call a method that says what it took; a driver that stood still meanwhile let the device wait."""
        watch = Stopwatch()
        found, took = self._ask("do", what, *arguments)
        return found, Took(took.ran, max(took.stood, watch.read().stood - took.ran))

    def open(self, folder: RunFolder) -> None:
        """The run has a folder."""
        self._ask("open", folder.path.absolute())

    def enter(self, slot: int, proposal: int) -> Entered:
        """Put a training into a slot."""
        return self._ask("do", "enter", slot, proposal)

    def train(self, genomes: Sequence[Genome | None]) -> tuple[list[float], Took]:
        """Train a chunk in every slot."""
        return self._timed("train", genomes)

    def save(self, slot: int, proposal: int) -> None:
        """Write the checkpoint of a training."""
        self._ask("do", "save", slot, proposal)

    def validation_error(self, slot: int, genome: Genome) -> tuple[float, Took]:
        """Share of wrong answers on the validation part."""
        return self._timed("validation_error", slot, genome)

    def latencies_s(self, genome: Genome) -> tuple[dict[int, float], Took]:
        """Seconds of an inference by batch size."""
        return self._timed("latencies_s", genome)

    def inference_energy_j(self, genome: Genome, meter: Metering, device: int) -> tuple[float, Took]:
        """Refused before the run begins."""
        raise NotImplementedError("no meter reads the counters of other machines")

    def training_free(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Training-free scores."""
        return self._timed("training_free", genomes)

    def begin_supernet(self) -> tuple[bool, tuple[str, ...]]:
        """Read the supernets as far as they were trained."""
        return self._ask("do", "begin_supernet")

    def train_supernet(self) -> SupernetChunk:
        """Train the next chunk of the supernets."""
        return self._ask("do", "train_supernet")

    def save_supernet(self) -> None:
        """Write the checkpoint of the supernet in training."""
        self._ask("do", "save_supernet")

    def supernet_errors(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Validation errors of paths."""
        return self._timed("supernet_errors", genomes)

    def test(self, proposal: int, genome: Genome, recorded: float) -> tuple[Tested, Took]:
        """Errors with the saved weights of a proposal."""
        return self._timed("test", proposal, genome, recorded)


class Cluster:
    """The actors of a run, by the number of the device. Who is gone is replaced where and when there is room."""

    kind: type = DeviceActor

    def __init__(self, config: SearchConfig, images: RunImages, log: Callable[[str], None], folder: Path):
        """Connect, and ask for an actor for every device.

        Args:
            config: of the run.
            images: that every machine has to read.
            log: told who comes.
            folder: of the run.

        Raises:
            InputError: no cluster, or one without a free device.
        """
        self._config, self._images, self._log, self._folder = config, images, log, folder.absolute()
        self._lock, self._known, self._closed = threading.Lock(), None, False
        self._connected = connect(config.address)
        self.shape = shape_of(ray.nodes())
        self._given = None
        if config.images == ARRAYS:
            self._given = ray.put(jax.tree.map(np.asarray, images.data))
        self.devices = [RemoteDevice(self) for _ in range(config.devices or self.shape.room)]
        self._coming: dict[int, tuple[Any, Any]] = {}  # device -> actor, and what it was asked last
        self._hosts: dict[int, str] = {}
        self._not_before: dict[int, float] = {}  # device -> time of the next try

    # --- before the first hour ---------------------------------------------------------------------------------------

    def begin(self, known: dict | None) -> list[Ready]:
        """Wait for the devices that are there, which get the first numbers: one measures, then the others compile.

        Args:
            known: see `jcenas.live.prepare.prepare`.

        Raises:
            InputError: there is none, or one that does not fit.
        """
        if not self.devices:
            raise InputError(f"the cluster{self._where} has no free device; add machines by: ray start --address ...")
        actors = [self._start() for _ in self.devices]
        places = {actor: actor.place.remote() for actor in actors}
        wanted = min(self.shape.room, len(actors))
        there, _ = ray.wait(list(places.values()), num_returns=max(wanted, 1), timeout=PLACING_S)
        if not there:
            raise InputError(
                f"the cluster{self._where} has no free device ({self.shape.options} each); end what else runs there, "
                "or add machines by: ray start --address ..."
            )
        waiting = [(actor, place) for actor, place in places.items() if place not in there]
        if waiting:
            self._log(f"{len(there)} of {len(self.devices)} devices are there; the others may join later")
        hosts = []
        with probe(self._folder) as file:
            for actor, place in places.items():
                if place in there and (host := self._checked(actor, place, file)) is not None:
                    hosts.append((actor, host))
        hosts.sort(key=lambda one: one[1])
        self._log(f"compiling on {len(hosts)} device(s) of {len({host for _, host in hosts})} machine(s) ...")
        ready = self._prepare(hosts, known)
        for number, (actor, host, of_device) in enumerate(ready):
            self._take(number, actor, of_device, host)
        self._coming = dict(zip(range(len(ready), len(self.devices)), waiting, strict=False))
        for place in self.devices:
            place.count = self.devices[0].count
        return [of_device for _, _, of_device in ready]

    def _prepare(self, hosts: Sequence[tuple[Any, str]], known: dict | None) -> list[tuple[Any, str, Ready]]:
        """Let actors on some machines compile, the first of them alone; those that are not lost meanwhile.

        Raises:
            InputError: all are lost, or one does not fit.
        """
        ready, left, lost = [], list(hosts), ""
        while left:
            # Once one has measured, all others compile at the same time.
            now, left = (left, []) if ready else (left[:1], left[1:])
            asked = [self._ask_to_prepare(actor, self._known or known) for actor, _ in now]
            for (actor, host), answer in zip(now, asked, strict=True):
                try:
                    ready.append((actor, host, self._answer(answer)))
                except DeviceLostError as error:
                    self._log(lost := f"a device on machine {host} is lost: {error}")
            if ready:
                self._known = ready[0][2].measured
        if not ready:
            raise InputError(f"the cluster{self._where} lost every device: {lost}")
        return ready

    def _start(self) -> Any:
        """An actor, as soon as there is room for it."""
        make = ray.remote(**self.shape.options, max_restarts=0)(self.kind)
        return make.remote(os.environ.get(process.CACHE_VARIABLE), self.shape.threads)

    def _answer(self, asked: Any) -> Any:
        """What an actor says.

        Raises:
            InputError: what does not fit, or its machine cannot start it.
            DeviceLostError: it died.
        """
        try:
            return ray.get(asked)
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except RayError as error:
            said, ours = without_breaks(error), versions()["jcenas"]
            if "ModuleNotFoundError" in said or "ImportError" in said:
                raise InputError(
                    f"a machine of the cluster{self._where} cannot load jcenas {ours}; install it there: "
                    f"pip install 'jcenas[ray]=={ours}' ({one_line(said, 200)})"
                ) from error
            raise DeviceLostError(one_line(said, 200)) from error

    def _checked(self, actor: Any, place: Any, file: Path) -> str | None:
        """The machine of an actor, None where it was lost meanwhile.

        Raises:
            InputError: it has other versions than this one, or does not see a file of the run.
        """
        try:
            host, found = self._answer(place)
            self._check_versions(host, found)
            seen = self._answer(actor.sees.remote(file))
        except DeviceLostError as error:
            self._log(f"a device is lost: {error}")
            return None
        if not seen:
            raise InputError(
                f"machine {host} of the cluster{self._where} does not see {file.parent}, where the checkpoints would "
                "lie; give a folder that all machines share with --runs"
            )
        return host

    def _check_versions(self, host: str, found: dict[str, str]) -> None:
        ours = versions()
        if other := [name for name in SAME if found[name] != ours[name]]:
            name = other[0]
            raise InputError(
                f"machine {host} of the cluster{self._where} has {name} {found[name]}, and this one {ours[name]}; "
                f"install the same there: pip install '{name}=={ours[name]}'"
            )

    def _ask_to_prepare(self, actor: Any, known: dict | None) -> Any:
        """Ask an actor to compile, as one of so many."""
        many, config = len(self.devices), self._config
        few = {"proposals": max(1, config.proposals // many)}  # what one device gets of them, where it chooses how
        if config.evaluations is not None:  # many it trains at once
            few["evaluations"] = max(1, config.evaluations // many)
        alone = dataclasses.replace(config, devices=1, executor="local", address=None, meter="none", **few)
        return actor.prepare.remote(alone, self._given, self._images.record, known)

    def _take(self, number: int, actor: Any, ready: Ready, host: str) -> None:
        """An actor takes its place."""
        self._hosts[number] = host
        self.devices[number].join(actor, ready)
        for line in ready.said:
            self._log(f"device {number}: {line}")

    @property
    def shares(self) -> int | None:
        """Devices that share a machine's CPU; None of accelerators."""
        return max(Counter(self._hosts.values()).values(), default=1) if self.shape.threads else None

    @property
    def _where(self) -> str:
        return f" at {self._config.address}" if self._config.address else ""

    # --- while the search goes on ------------------------------------------------------------------------------------

    def joined(self, numbers: Sequence[int] | None = None) -> dict[int, Ready]:
        """Devices that can begin since the last call, of these numbers or of all; asks for those that are gone."""
        with self._lock:
            ready = {}
            for number in range(len(self.devices)) if numbers is None else numbers:
                if self.devices[number].actor is None:
                    try:
                        if (found := self._look(number)) is not None:
                            ready[number] = found
                    except (InputError, DeviceLostError) as error:
                        actor, _ = self._coming.pop(number)
                        ray.kill(actor)
                        self._not_before[number] = time.monotonic() + RETRY_S * isinstance(error, InputError)
                        self._log(f"device {number} cannot join: {error}")
            return ready

    def _look(self, number: int) -> Ready | None:
        """How far an actor is that comes; it is taken where it is ready."""
        if number not in self._coming:
            if time.monotonic() < self._not_before.get(number, 0.0):
                return None
            actor = self._start()
            self._coming[number] = actor, actor.place.remote()
        actor, asked = self._coming[number]
        if not ray.wait([asked], timeout=0)[0]:
            return None
        answer = self._answer(asked)
        if isinstance(answer, Ready):
            del self._coming[number]
            self._take(number, actor, answer, self._hosts[number])
            return answer
        host = self._checked(actor, asked, self._folder / FILE)
        if host is None:
            raise DeviceLostError("it was there for a moment")
        self._hosts[number] = host
        self._coming[number] = actor, self._ask_to_prepare(actor, self._known)
        return None

    def close(self) -> None:
        """Give all devices back; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(RayError):
            for actor in [*(device.actor for device in self.devices), *(actor for actor, _ in self._coming.values())]:
                if actor is not None:
                    ray.kill(actor)
        if self._connected:
            ray.shutdown()


def connect(address: str | None) -> bool:
    """Join the cluster, or start Ray on this machine; whether that was done here, and not by the calling program.

    Raises:
        InputError: nobody answers there.
    """
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    alone = {"num_cpus": process.cpu_count(), "include_dashboard": False, "object_store_memory": LEAST_STORE}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    stops = signal.getsignal(signal.SIGTERM)
    try:
        if address is not None and address.count(":") == 1:  # Ray itself waits for a minute
            host, _, port = address.partition(":")
            socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
        with warnings.catch_warnings():  # JAX warns of forks; Ray's are followed by another program at once
            warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)
            ray.init(**({"address": "local", **alone} if address is None else {"address": address}), **quiet)
    except Exception as error:  # of many kinds, plain ones too
        where = f"--address {address}" if address else "--executor ray"
        raise InputError(
            f"{where}: no Ray cluster answers ({one_line(without_breaks(error), 200)}); start one with ray start "
            "--head, and give its HOST:PORT, or auto on a machine that is part of it"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stops)  # Ray has put its own there, which ends the process at once
    return True
