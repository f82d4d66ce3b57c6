"""Everything before the first write: images, compiled programs, what trainings take, the check of the budget."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jcenas.alloc.names import FILE_SUFFIX
from jcenas.alloc.policies import policy_from_name
from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.power import PowerModel
from jcenas.engine.grid import GridHours
from jcenas.engine.needs import check_needs
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.errors import InputError
from jcenas.live import functions
from jcenas.live import images as run_images
from jcenas.live.config import RAY, SearchConfig
from jcenas.live.device_work import DeviceWork, LocalDevice
from jcenas.live.images import RunImages
from jcenas.live.metering import of_devices, of_workers, open_metering
from jcenas.live.programs import DevicePrograms, make_problem
from jcenas.live.side_by_side import Slots, refusing_too_many, slots_of
from jcenas.live.steps import Steps
from jcenas.live.streamed import StreamedPrograms
from jcenas.live.supernet_weights import SupernetWeights
from jcenas.live.timing import measure
from jcenas.moo.types import Space
from jcenas.problems.function import FunctionProblem
from jcenas.problems.network import NetworkProblem
from jcenas.problems.problem import Problem
from jcenas.runtime import sharding
from jcenas.runtime.process import use_cpu_only
from jcenas.runtime.running_time import Stopwatch
from jcenas.train.host_set import HostSet
from jcenas.train.images import ImageSet

MOST_ROOM = 4096  # evaluations for which arrays are made at first; they grow where that does not suffice
_OF_PROBLEM = ("reference", "seconds_at", "latency_at", "energy_at")
MEASURED = (*_OF_PROBLEM, "supernet_s", "side_by_side", "at_once_s")  # of a run, at its first start
_COMPILED_IN = ("problem", "seed", "channels", "cells", "batch_size", "learning_rate", "stage")


class Prepared(NamedTuple):
    """What a run needs that is not in its folder. Where a function is searched: no images, and no devices at work."""

    images: RunImages | None
    at_work: Sequence[DeviceWork]  # every device
    problem: NetworkProblem | FunctionProblem
    supernet_s: float  # device-seconds that the stage's supernet is expected to take
    compiling_s: list[float]  # of each device
    timing_s: float  # of the first one
    at_once_s: dict[str, float]  # device-seconds of an epoch of one candidate by number at once, where measured
    device_names: list[str]
    meter: Metering
    joules: dict[str, list[float | None]]  # of "compiling" and "timing" by device, as far as they were measured
    shares: int | None = None  # devices that share what a whole one draws, as the cores of a CPU do; None: none do
    elsewhere: bool = False  # whether the devices are other processes'

    @property
    def devices(self) -> int:
        """How many."""
        return len(self.device_names)

    @property
    def side_by_side(self) -> int:
        """Candidates that a device trains at once."""
        return self.at_work[0].count if self.at_work else 1

    def close(self) -> None:
        """Close the meter, and give devices back that are elsewhere."""
        self.meter.close()
        for device in self.at_work:
            device.close()

    def measured(self) -> dict[str, Any]:
        """What the run database keeps of what was measured, by the names of `MEASURED`."""
        facts = {name: getattr(self.problem, name, None) for name in _OF_PROBLEM}
        return facts | {name: getattr(self, name) for name in ("supernet_s", "side_by_side", "at_once_s")}

    def record(self) -> dict[str, Any]:
        """What config.json says of what is learnt or called."""
        if isinstance(self.problem, FunctionProblem):
            return {"function": self.problem.record()}
        return {} if self.images is None else {"images": self.images.record}


def check(config: SearchConfig) -> None:
    """Refuse what cannot work before anything is loaded.

    Raises:
        InputError: unknown names, or a policy that needs what a live search does not know.
    """
    stage_from_name(config.stage)
    if config.executor == RAY:  # this machine's accelerators are for those who train
        use_cpu_only()
    told = {"forecast"} | (set() if config.carbon_budget is None else {"budget"})
    check_needs(policy_from_name(config.policy), told, where="jcenas search")


def load_images(config: SearchConfig, log: Callable[[str], None], given: ImageSet | None = None) -> RunImages:
    """Read the images.

    Args:
        config: of the run.
        log: told what the user should know of them.
        given: images that a program hands over.

    Raises:
        InputError: missing or unusable images, too few devices, or a batch larger than the training part.
    """
    if config.executor == RAY:
        use_cpu_only()
    devices = sharding.local_devices(None if config.executor == RAY else config.devices)
    images = run_images.load(config, devices[0], given)
    for note in images.notes:
        log(f"images: {note}")
    count = images.data.train.labels.shape[0]
    if config.batch_size > count:
        raise InputError(f"--batch-size {config.batch_size} is larger than the {count} training images")
    return images


def prepare_where(
    config: SearchConfig, images: RunImages, log: Callable[[str], None], folder: Path, known: dict | None = None
) -> Prepared:
    """`prepare` on the devices of the run's executor, which may be elsewhere.

    Args:
        config: of the run.
        images: to learn.
        log: told what takes long.
        folder: of the run, which other machines must see; it need not be there yet.
        known: see `prepare`.

    Raises:
        InputError: see `prepare`, and where there is no cluster or an unfit one.
    """
    if config.executor != RAY:
        return prepare(config, images, log, known)
    from jcenas.live.executors.cluster import prepare_cluster

    return prepare_cluster(config, images, log, folder, known)


def prepare(config: SearchConfig, images: RunImages, log: Callable[[str], None], known: dict | None = None) -> Prepared:
    """Compile for every device, and time a chunk of steps; where nobody says how many at once, of several numbers.

    Args:
        config: of the run.
        images: to learn.
        log: told what takes long.
        known: what an earlier start of the run found, by the names of `MEASURED`; None: measure it.

    Raises:
        InputError: too few devices, no meter, images that the networks do not take, or more at once than a device has
            room for.
    """
    devices = sharding.local_devices(config.devices)
    with contextlib.ExitStack() as undo:
        meter = open_metering(config, of_devices(devices), log, goes_on=known is not None)
        undo.callback(meter.close)
        every = range(len(devices))
        meter.begin(every)
        watch = Stopwatch()
        log(f"compiling for {len(devices)} {devices[0].platform} device(s) ...")
        essence = dataclasses.replace(SearchConfig(), **{name: getattr(config, name) for name in _COMPILED_IN})
        first = _programs(essence, images, devices[0])
        programs = [first, *(_copied(first, device) for device in devices[1:])]
        count = _at_once(config, devices, known)
        _slots(programs, count or 1)
        compiled_s = watch.read().ran
        joules = {"compiling": [meter.take(device) for device in every]}
        meter.end(every[1:])
        log(f"compiled in {compiled_s:.1f} s")
        timing = Stopwatch()  # begins when nothing more of the compiling is to be read
        problem = make_problem(config, images.data)
        found = measure(config, images, problem, programs, count, meter) if known is None else known
        timing_s, watch = timing.read().ran, Stopwatch()
        joules["timing"] = [meter.take(device) for device in every]
        slots = _slots(programs, count or found["side_by_side"])
        compiled_s += watch.read().ran  # of what was measured on the first device, for the others
        meter.end(every)
        undo.pop_all()
    if slots[0].count > 1:
        log(f"{slots[0].count} candidates train at once on each device")
    names = sharding.describe(devices)
    at_once_s, stage = found.get("at_once_s") or {}, stage_from_name(config.stage)
    supernet = SupernetWeights(config, programs, few_shot=stage.score == "few-shot") if stage.supernet else None
    at_work = [LocalDevice(config, *both, supernet) for both in zip(programs, slots, strict=True)]
    return Prepared(
        images=images,
        at_work=at_work,
        problem=problem_of(config, images, found),
        supernet_s=found["supernet_s"],
        compiling_s=[compiled_s] * len(devices),
        timing_s=timing_s,
        at_once_s=at_once_s,
        device_names=names,
        meter=meter,
        joules=joules,
        shares=len(devices) if sharding.on_cpu(devices) else None,
    )


def problem_of(config: SearchConfig, images: RunImages, measured: dict) -> NetworkProblem:
    """The problem of a run, with what was measured, by the names of `MEASURED`."""
    facts = {name: tuple(measured[name]) for name in _OF_PROBLEM if name in measured}
    return dataclasses.replace(make_problem(config, images.data), **facts)


def _at_once(config: SearchConfig, devices: list[sharding.Device], known: dict | None) -> int | None:
    """How many candidates a device trains at once; None: to be measured."""
    if config.side_by_side != "auto":
        return config.side_by_side
    if sharding.on_cpu(devices):
        return 1
    return None if known is None else known.get("side_by_side") or 1  # runs of older versions do not say


def _slots(programs: list[DevicePrograms], count: int) -> list[Slots]:
    """The slots of each device, compiled."""
    with refusing_too_many(count):
        first = slots_of(programs[0], count)
        slots = [first, *(first.on(of_device) for of_device in programs[1:])]
        for of_device in slots:
            of_device.wait()
        return slots


def prepare_function(
    config: SearchConfig, problem: FunctionProblem, log: Callable[[str], None], reference: list[float] | None = None
) -> Prepared:
    """Nothing to compile: the problem with its reference point, and as many workers as are wanted.

    Args:
        config: of the run.
        problem: of the user.
        log: told of the meter.
        reference: that an earlier start of the run found; None: choose it.

    Raises:
        InputError: a formula of a cost fails, or there is no meter.
    """
    problem = functions.prepared_problem(config, problem, reference)
    names = functions.device_names(config)
    meter = open_metering(config, of_workers(names), log, goes_on=reference is not None)
    nothing: list[float | None] = [0.0] * len(names)
    joules = {"compiling": nothing, "timing": nothing}
    return Prepared(None, [], problem, 0.0, [0.0] * len(names), 0.0, {}, names, meter, joules)


def power_of_each(power: PowerModel, devices: Sequence[sharding.Device], *, shared_by: int = 1) -> PowerModel:
    """Power of each of these devices, see `shared_power`."""
    return shared_power(power, len(devices) if sharding.on_cpu(devices) else None, shared_by=shared_by)


def shared_power(power: PowerModel, shares: int | None, *, shared_by: int = 1) -> PowerModel:
    """Power of each device: the usual one is of a whole device, of which a CPU's cores are parts.

    Args:
        power: as the user gave it; where a run goes on, of each of its devices at its start.
        shares: devices in use now that are parts of one; None where each is whole.
        shared_by: how many there were at the start.
    """
    usual = PowerModel()
    return power if shares is None or power != usual.shared_by(shared_by) else usual.shared_by(shares)


@functools.lru_cache(maxsize=16)
def _programs(essence: SearchConfig, images: RunImages, device: sharding.Device) -> DevicePrograms:
    """Kept from one search of a process to the next: `_COMPILED_IN` and the images decide the programs."""
    kind = StreamedPrograms if isinstance(images.data, HostSet) else DevicePrograms
    with run_images.fitting(essence.problem, images):
        return kind(essence, make_problem(essence, images.data), images.data, device)


@functools.lru_cache(maxsize=64)
def _copied(programs: DevicePrograms, device: sharding.Device) -> DevicePrograms:
    """The same on another device."""
    return programs.on(device)


def room_of(config: SearchConfig, problem: Problem, devices: int) -> int:
    """Evaluations to make arrays for: as many as the time pays if all were the shortest, a power of two."""
    shortest = float(problem.seconds(problem.population).min())
    most = devices * config.hours * config.hour_s / shortest
    if config.evaluations is not None:
        most = min(most, 2 * config.evaluations)
    return 2 ** math.ceil(math.log2(min(max(most, 64), MOST_ROOM)))


def make_steps(config: SearchConfig, problem: Problem, slots: int, room: int) -> Steps:
    """The engine's functions for a run; in this process kept for another run like it.

    Args:
        config: of the run.
        problem: what is searched.
        slots: trainings that run at once, on all devices together.
        room: evaluations to remember.
    """
    stage = stage_from_name(config.stage)
    sizes = SearchSizes.of_stage(stage, devices=slots, room=room, proposals=config.proposals, initial=0)
    if sizes.unscored and math.prod(problem.space.cardinalities) < room + config.proposals:
        # The search may come to the space's last architectures: then only the first proposals of an hour are new.
        sizes = dataclasses.replace(sizes, unscored=sizes.proposals)
    policy = Path(config.policy)
    changed = policy.stat().st_mtime_ns if policy.suffix == FILE_SUFFIX else 0
    names = config.stage, config.policy, config.optimizer
    return _steps(names, problem.space, sizes, problem.reference, config.hour_s, changed)


@functools.lru_cache(maxsize=8)
def _steps(
    names: tuple[str, str, str],
    space: Space,
    sizes: SearchSizes,
    reference: tuple[float, ...],
    hour_s: float,
    changed: int,
) -> Steps:
    """Of a stage, a policy and an optimiser by name; `changed` tells versions of a policy file apart."""
    del changed
    stage, policy, optimizer = names
    make = optimizer_maker(optimizer, space, batch=sizes.proposals, reference=reference)
    return Steps(
        sizes,
        stage_from_name(stage),
        policy_from_name(policy),
        make(sizes.room),
        space=space,
        reference=reference,
        hour_s=hour_s,
    )


def check_budget(config: SearchConfig, prepared: Prepared, grid: GridHours) -> None:
    """Refuse a budget that cannot pay what the stage prepares and one evaluation.

    Raises:
        InputError: says what is needed and what there is.
    """
    if isinstance(prepared.problem, FunctionProblem) and prepared.problem.expected_s is None:
        return  # nobody knows what an evaluation takes
    # Those that train at once end together.
    candidate_s = prepared.side_by_side * float(np.median(prepared.problem.seconds(prepared.problem.population)))
    supernet_s, supernet = prepared.supernet_s, ""
    if supernet_s:
        supernet = f"the supernet needs about {supernet_s:.1f} s and "
    hours = (supernet_s / prepared.devices + candidate_s) / config.hour_s
    if hours > config.hours:
        raise InputError(
            f"--hours {config.hours} of {config.hour_s:g} s cannot pay one evaluation: {supernet}one training "
            f"{candidate_s:.1f} s; raise --hours to {math.ceil(hours)} or more, or lower --epochs"
        )
    if config.carbon_budget is not None:
        energy = config.power.interval_energy_kwh(training_s=supernet_s + candidate_s)
        # Of a live grid the first hour and those before the start are known.
        known = grid.intensity(config.hours) if grid.trace.hours >= config.hours else grid.series
        least = energy * float(known.min())
        if least > config.carbon_budget:
            raise InputError(
                f"--carbon-budget {config.carbon_budget:g} g cannot pay one evaluation: {supernet}one training and "
                f"what comes before it emit at least {least:.3g} g in the cleanest hour; raise it or lower --epochs"
            )
