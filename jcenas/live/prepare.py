"""Everything before the first write: data, devices, compiled programs, the optimiser, and the check of the budget."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax

from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig
from jcenas.live.objectives import CostObjective
from jcenas.live.programs import DevicePrograms, macro_of
from jcenas.moo import LamooConfig, Optimizer, lamoo, nsga2, random_search
from jcenas.runtime import sharding
from jcenas.spaces import NasBench201
from jcenas.tables.store import locate
from jcenas.train import images
from jcenas.train.images import ImageSet

_COMPILED_IN = ("dataset", "seed", "channels", "cells", "batch_size", "learning_rate", "proposals")


class Prepared(NamedTuple):
    """What a run needs that is not in its folder."""

    data: ImageSet
    programs: list[DevicePrograms]
    objective: CostObjective
    device_names: list[str]


def prepare(config: SearchConfig, log: Callable[[str], None]) -> Prepared:
    """Read the images and compile for every device.

    Raises:
        InputError: missing data, too few devices, or a batch larger than the training part.
    """
    devices = sharding.local_devices(config.devices)
    data = _images(config.dataset, config.seed)
    if config.batch_size > data.train.labels.shape[0]:
        raise InputError(
            f"--batch-size {config.batch_size} is larger than the {data.train.labels.shape[0]} training images"
        )
    began = time.perf_counter()
    log(f"compiling for {len(devices)} {devices[0].platform} device(s) ...")
    essence = dataclasses.replace(SearchConfig(), **{name: getattr(config, name) for name in _COMPILED_IN})
    programs = [_programs(essence, device) for device in devices]
    log(f"compiled in {time.perf_counter() - began:.1f} s")
    objective = CostObjective(config, macro_of(config, data))
    return Prepared(data, programs, objective, sharding.describe(devices))


@functools.lru_cache(maxsize=2)
def _images(dataset: str, seed: int) -> ImageSet:
    return images.load_images(dataset, [locate(name) for name in images.SOURCES[dataset].files], seed=seed)


@functools.lru_cache(maxsize=16)
def _programs(essence: SearchConfig, device: sharding.Device) -> DevicePrograms:
    """Kept from one search of a process to the next: only what `_COMPILED_IN` names decides the programs."""
    return DevicePrograms(essence, _images(essence.dataset, essence.seed), device)


@functools.lru_cache(maxsize=8)
def make_optimizer(name: str, *, batch: int, capacity: int, reference: tuple[float, float]) -> Optimizer:
    """The optimiser of that name, jitted; it never proposes a cell without a path from input to output."""
    space = NasBench201(connected_only=True)
    if name == "random":
        optimizer = random_search(space, capacity=capacity, batch=batch)
    elif name == "nsga2":
        optimizer = nsga2(space, capacity=capacity, batch=batch)
    else:
        settings = LamooConfig(sampler="ehvi" if name == "lamoo-ehvi" else "uniform")
        optimizer = lamoo(space, settings, capacity=capacity, batch=batch, reference=reference)
    return Optimizer(*(jax.jit(function) for function in optimizer))


def check_budget(config: SearchConfig, prepared: Prepared, trace: CarbonTrace) -> None:
    """Time one chunk of steps and refuse a budget that cannot pay the supernet and one evaluation.

    Raises:
        InputError: says what is needed and what there is.
    """
    programs = prepared.programs[0]
    candidate_s, supernet_s = programs.seconds_per_epoch()
    candidate_s, supernet_s = candidate_s * config.epochs, supernet_s * config.supernet_epochs
    hours = (supernet_s / len(prepared.programs) + candidate_s) / config.hour_seconds
    if hours > config.hours:
        raise InputError(
            f"--hours {config.hours} of {config.hour_seconds:g} s cannot pay one evaluation: the supernet needs about "
            f"{supernet_s:.1f} s and one training {candidate_s:.1f} s; raise --hours to {math.ceil(hours)} or more, "
            "or lower --epochs and --supernet-epochs"
        )
    if config.carbon_budget is not None:
        energy = config.power.interval_energy_kwh(training_s=supernet_s + candidate_s)
        least = energy * float(trace.window(0, min(trace.hours, config.hours)).min())
        if least > config.carbon_budget:
            raise InputError(
                f"--carbon-budget {config.carbon_budget:g} g cannot pay one evaluation: supernet and one training emit "
                f"at least {least:.3g} g even in the cleanest hour; raise it or lower --epochs and --supernet-epochs"
            )
