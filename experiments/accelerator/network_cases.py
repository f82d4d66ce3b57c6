"""The networks that are timed: their programs, architectures and sizes, and what a peer gets of them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.networks.speed import DARTS
from experiments.networks.steps import GENOME, Architectures, Compared, Static, candidate
from experiments.networks.training_speed import WORKLOADS, Workload
from jcenas.nets import CellNetwork, DartsSupernet, FixedNetwork
from jcenas.nets.darts.supernet import MIXTURE_SHAPE
from jcenas.spaces.nasbench201 import EDGES, OPERATIONS

ROW_S, RISKY_S = 100.0, 80.0  # limits of a row
COMPARED = 32  # images of which the logits are compared
SHORT = {"bfloat16": "bf16", "float32": "f32"}


class Case(NamedTuple):
    """A program to time, and what it may cost to compile."""

    name: str
    make: Callable[[Workload], nn.Module]
    architectures: Architectures
    shape: tuple[int, ...]
    workload: Workload
    limit_s: float = ROW_S


def sizes_of(workload: Workload) -> dict[str, Any]:
    """Channels and cells, by the names of the networks' attributes."""
    return {"channels": workload.channels, "cells": workload.cells}


def static(workload: Workload) -> nn.Module:
    """The candidate as a program of its own."""
    return Static(FixedNetwork(GENOME, 10, **sizes_of(workload)))


def of_choice(choose: Any) -> Callable[[Workload], nn.Module]:
    """The network that has the candidate's operations as data."""
    return lambda workload: CellNetwork(10, **sizes_of(workload), choose=choose)


@functools.cache
def mixture(shape: tuple[int, ...]) -> jax.Array:
    """Random weights of all operations."""
    return jax.nn.softmax(jax.random.normal(jax.random.key(6), shape))


def mixtures(shape: tuple[int, ...]) -> Architectures:
    """The same mixture in every step."""
    return lambda steps: jnp.tile(mixture(shape), (steps, *[1] * len(shape)))


def cases(*, smoke: bool) -> dict[str, Case]:
    """Programs by name."""
    cells = WORKLOADS[1]._replace(channels=2, cells=1, image_shape=(8, 8, 3)) if smoke else WORKLOADS[1]
    darts = DARTS._replace(channels=2, image_shape=(8, 8, 3)) if smoke else DARTS
    mixed, shape = (len(EDGES), len(OPERATIONS)), (len(EDGES),)
    found = [
        Case("candidate, static", static, candidate, shape, cells),
        Case("candidate, as data", of_choice("blend"), candidate, shape, cells),
        Case("candidate, branching", of_choice("branch"), candidate, shape, cells, RISKY_S),
        Case("all operations mixed", of_choice("mix"), mixtures(mixed), mixed, cells, RISKY_S),
    ]
    for number in (2, 8):
        name, workload = f"DARTS, {number} cells, all operations mixed", darts._replace(cells=number)

        def make(w):
            return DartsSupernet(10, **sizes_of(w))

        found.append(Case(name, make, mixtures(MIXTURE_SHAPE), MIXTURE_SHAPE, workload, RISKY_S))
    return {case.name: case for case in found}


def label(case: Case, dtype: str, batch: int) -> str:
    """How a row is called."""
    return f"{case.name}, {SHORT[dtype]}, batch {batch}"


def compared(case: Case) -> Compared:
    """What the peer gets of a case."""
    workload = case.workload._replace(batch_size=COMPARED)
    if case.name.startswith("candidate"):
        network: nn.Module = FixedNetwork(GENOME, 10, **sizes_of(workload))
        return Compared(network, {"genome": np.array(GENOME)}, workload)
    return Compared(case.make(workload), {"mixture": mixture(case.shape)}, workload)
