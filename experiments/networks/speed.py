"""Training steps: candidate, supernets and a population, as data and as programs, beside PyTorch eager.

Command:  python -m experiments.networks.speed [--smoke] [--parts cells darts population]
Expected: on 2 CPU cores a step of the NAS-Bench-201 candidate <= 423 ms (PyTorch's default layout), as data <= 1.1 x
          static, a single path of the supernet <= 1.3 x; all operations mixed <= 930 ms (goal 745); DARTS's supernet
          <= 330 ms; eight small candidates over the cores >= 1.5 x one after another; compilation: a candidate <= 5 s,
          a supernet <= 12 s (DARTS 15 s), from the cache <= 1.5 s.
Cost:     about five minutes a part on 2 CPU cores, most of it compilation; `--smoke` records nothing.

Before PyTorch is timed its logits are compared with ours, from the same weights and images. Every CPU core is a device
of its own for the population; a single training still uses all cores.
"""

import argparse
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from experiments.forecast.speed import TORCH
from experiments.lib import recording
from experiments.moo import peers as moo_peers
from experiments.networks.steps import GENOME, Architectures, Compared, Compiled, Static, Steps, candidate, trainer_of
from experiments.networks.training_speed import SMOKE, WORKLOADS, Workload, data_of
from jcenas.nets import CellNetwork, DartsSupernet, FixedNetwork, GenotypeSupernet
from jcenas.nets.darts.supernet import MIXTURE_SHAPE
from jcenas.runtime import compilation, sharding
from jcenas.runtime.process import start_with_huge_pages, use_cpu_devices
from jcenas.spaces import NasBench201
from jcenas.spaces.darts import Darts
from jcenas.spaces.nasbench201 import EDGES, OPERATIONS
from jcenas.train.population import make_population

NAME = "networks_speed"  # and the part
COLUMNS = ["what", "images/s", "ms per step", "ms, q1", "ms, q3", "trace + compile, s", "the same from the cache, s"]
DARTS = Workload("32x32, 16 channels, 2 cells (DARTS)", (32, 32, 3), 16, 2, 16, 4)
SMOKE_DARTS = Workload("smoke", (8, 8, 3), 2, 2, 16, 2)
CELL_PEER, DARTS_PEER = (pathlib.Path(__file__).with_name(f"{name}.py") for name in ("torch_peer", "darts_torch_peer"))


def compile_twice(make: Callable[[], Any], *arguments: Any) -> tuple[Compiled, list[float]]:
    """The executable, and seconds to trace and compile it: for the first time, and from JAX's persistent cache."""
    executables, seconds = [], []
    for _ in range(2):
        jax.clear_caches()  # what is traced and compiled in this process; the persistent cache stays
        compiled, parts = recording.compile_timed(make(), *arguments)
        executables.append(compiled)
        seconds.append(parts["trace_s"] + parts["compile_s"])
    return executables[0], seconds


def step_rows(
    network: nn.Module, workload: Workload, architectures: dict[str, Architectures], repeats: int, **recipe: Any
) -> list[list[Any]]:
    """Training steps of one program with each of some architectures, which are data."""
    shape = next(iter(architectures.values()))(1).shape[1:]
    steps, rows, compiled = Steps(network, workload, shape, **recipe), [], None
    cells: list[Any] = ["the same", "the same"]
    for name, of_steps in architectures.items():
        arguments = steps.arguments(of_steps)
        if compiled is None:
            compiled, cells = compile_twice(steps.function, *arguments)
        times = steps.time(compiled, arguments, repeats)
        rows.append(_row(f"{name}: {workload.name}", workload.batch_size, 1, times, cells))
        cells = ["the same", "the same"]
    return rows


def _row(name: str, images: int, steps: int, times: dict[str, float], compiling: Sequence[Any]) -> list:
    seconds = [times[key] / steps for key in ("median_s", "q1_s", "q3_s")]
    return [name, images / seconds[0], *(1e3 * s for s in seconds), *compiling]


def peer_rows(name: str, script: pathlib.Path, compared: Compared, repeats: int) -> list[list[Any]]:
    """The same network in PyTorch, in both layouts; nothing where it cannot be installed or the logits differ."""
    workload = compared.workload
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.npz"
        np.savez(path, **compared.arrays())
        found = moo_peers.run_script("PyTorch", script, TORCH, path, workload.channels, workload.cells, repeats)
    if found is None:
        return []
    rows, eager = [], [recording.NOT_APPLICABLE] * 2  # nothing is compiled
    for layout in ("default", "channels_last"):
        q1, median, q3 = found[layout]
        label = f"{name}, PyTorch {found['torch']} eager, {layout.replace('_', ' ')} layout: {workload.name}"
        rows.append([label, workload.batch_size / median, *(1e3 * s for s in (median, q1, q3)), *eager])
    return rows


def cell_rows(workload: Workload, repeats: int, *, with_peer: bool) -> list[list[Any]]:
    """The NAS-Bench-201 macro: a candidate as data and alone, single paths, all operations mixed."""
    sizes: dict[str, Any] = {"channels": workload.channels, "cells": workload.cells}
    fixed = FixedNetwork(GENOME, 10, **sizes)
    network, mixed = (CellNetwork(10, **sizes, choose=choose) for choose in ("branch", "mix"))

    def paths(steps):
        return NasBench201().sample(jax.random.key(5), steps)

    mixture = jax.nn.softmax(jax.random.normal(jax.random.key(6), (len(EDGES), len(OPERATIONS))))
    both = {"candidate, as data": candidate, "supernet, a uniform path every step": paths}
    rows = step_rows(network, workload, both, repeats)
    rows += step_rows(Static(fixed), workload, {"candidate, static": candidate}, repeats)
    bf16 = {"candidate, as data, bfloat16": candidate}
    rows += step_rows(network, workload, bf16, repeats, dtype="bfloat16")
    if with_peer:
        rows += peer_rows("candidate", CELL_PEER, Compared(fixed, {"genome": np.array(GENOME)}, workload), repeats)
    every = {"supernet, all operations mixed": lambda steps: jnp.tile(mixture, (steps, 1, 1))}
    rows += step_rows(mixed, workload, every, repeats)
    if with_peer:
        compared = Compared(mixed, {"mixture": mixture}, workload)
        rows += peer_rows("supernet, all operations mixed", CELL_PEER, compared, repeats)
    return rows


def darts_rows(workload: Workload, repeats: int, *, with_peer: bool) -> list[list[Any]]:
    """DARTS cells: all operations mixed, and single paths."""
    sizes: dict[str, Any] = {"channels": workload.channels, "cells": workload.cells}
    mixture = jax.nn.softmax(jax.random.normal(jax.random.key(6), MIXTURE_SHAPE))
    mixed = DartsSupernet(10, **sizes)
    every = {"DARTS supernet, all operations mixed": lambda steps: jnp.tile(mixture, (steps, 1, 1, 1))}
    rows = step_rows(mixed, workload, every, repeats)
    if with_peer:
        name = "DARTS supernet, all operations mixed"
        rows += peer_rows(name, DARTS_PEER, Compared(mixed, {"mixture": mixture}, workload), repeats)
    paths = {"DARTS supernet, a uniform path every step": lambda steps: Darts().sample(jax.random.key(5), steps)}
    return rows + step_rows(GenotypeSupernet(Darts(), 10, **sizes), workload, paths, repeats)


def population_rows(workload: Workload, members: int, repeats: int) -> list[list[Any]]:
    """Training steps of different cells at once, in every way; images/s counts every member's images."""
    sizes: dict[str, Any] = {"channels": workload.channels, "cells": workload.cells}
    data = data_of(workload)
    genomes = _neighbours_of_like_cost(NasBench201().sample(jax.random.key(3), members))
    keys = jax.random.split(jax.random.key(0), members)
    mesh = sharding.data_mesh(sharding.local_devices())
    spread, whole = sharding.split(mesh), sharding.replicated(mesh)
    ways = {
        "one after another": ("branch", "map", None),
        "within a device, all in every operation": ("blend", "vmap", None),
        f"over {spread.num_devices} devices": ("branch", "map", spread),
        f"over {spread.num_devices} devices, all of one in every operation": ("blend", "vmap", spread),
    }
    rows, losses, start = [], [], None
    for name, (choose, within, where) in ways.items():
        trainer = trainer_of(CellNetwork(data.classes, **sizes, choose=choose), workload, len(EDGES))
        if start is None:
            start = jax.jit(make_population(trainer).init)(keys, jnp.int32(1000))
        arguments: tuple = (start, jnp.repeat(genomes[:, None], trainer.chunk_steps, axis=1), data)
        if where is not None:
            arguments = (*jax.device_put(arguments[:2], where), jax.device_put(data, whole))
        population = make_population(trainer, within=within, spread=where)
        compiled, compiling = compile_twice(lambda population=population: compilation.jit(population.chunk), *arguments)
        losses.append(np.asarray(compiled(*arguments)[1]))
        times = recording.time_calls(compiled, *arguments, repeats=repeats)
        label = f"{members} different cells, {name}: {workload.name}"
        rows.append(_row(label, workload.batch_size * members, trainer.chunk_steps, times, compiling))
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=0.1, err_msg="the losses differ between ways")
    return rows


def _neighbours_of_like_cost(genomes: jax.Array) -> jax.Array:
    """Deal the cells to the devices from the dearest down, so that every device has a like share."""
    cost = jnp.sum(jnp.where(genomes == 3, 9, jnp.where(genomes == 2, 1, 0)), axis=1)
    ranked, devices = genomes[jnp.argsort(-cost)], len(sharding.local_devices())
    return jnp.concatenate([ranked[i::devices] for i in range(devices)])


def measure(part: str, *, smoke: bool) -> list[list[Any]]:
    """The rows of a part, with a compilation cache of its own."""
    small, large, darts = (SMOKE[0], SMOKE[0], SMOKE_DARTS) if smoke else (WORKLOADS[0], WORKLOADS[1], DARTS)
    repeats, members = (2, len(sharding.local_devices())) if smoke else (7, 8)
    before = {name: getattr(jax.config, name) for name in _CACHE_OPTIONS}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, value in _CACHE_OPTIONS.items():
                jax.config.update(name, folder if value is None else value)
            compilation_cache.reset_cache()  # JAX opens the folder once
            if part == "cells":
                return cell_rows(large, repeats, with_peer=not smoke)
            if part == "darts":
                return darts_rows(darts, repeats, with_peer=not smoke)
            return population_rows(small, members, repeats)
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()


_CACHE_OPTIONS = {
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


_PEER_NOTES = (
    "Ours augments images on the device, PyTorch gets finished ones; both: forward, backward, clipping, SGD with "
    "Nesterov momentum and weight decay, float32 unless said.",
    "PyTorch's logits equal ours within 1e-3 of the largest, from the same weights and images.",
)
_TIMING_NOTE = (
    "Median and quartiles of 7 calls after 12 steps of warm-up; huge pages on both sides. From the cache: traced anew, "
    "the executable read from JAX's persistent cache."
)
_ON_CPU_NOTE = "On accelerators (bfloat16, batch 256, beside torch.compile; 8 cells at once): not measured."


class Part(NamedTuple):
    """How a table is recorded."""

    title: str
    expected: str
    notes: tuple[str, ...]


PARTS = {
    "cells": Part(
        "NAS-Bench-201: candidate and supernets beside PyTorch",
        "candidate <= 423 ms, as data <= 1.1 x static, single path <= 1.3 x candidate, all mixed <= 745 ms (owed 930); "
        "compilation: candidate <= 5 s, supernet <= 12 s, from the cache <= 1.5 s",
        (
            f"Candidate: the cell {GENOME}. Operations, paths and mixtures are data but for the static row.",
            *_PEER_NOTES,
            _TIMING_NOTE,
        ),
    ),
    "darts": Part(
        "DARTS: supernets beside PyTorch",
        "all operations mixed <= 330 ms; compilation <= 15 s, from the cache <= 1.5 s",
        (
            "The mixed supernet is the published one: both of its two cells reduce. A single path costs what its "
            "operations cost.",
            *_PEER_NOTES,
            _TIMING_NOTE,
        ),
    ),
    "population": Part(
        "Several different small cells at once",
        "8 cells over 2 cores >= 1.5 x images/s of one by one",
        ("A step is one step of each member; images/s counts every member's images.", _TIMING_NOTE),
    ),
}


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny network, no PyTorch; records nothing")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure part after part, record each unless `--smoke`, and return all rows."""
    options, every = options_of(arguments), []
    for part in options.parts:
        rows = measure(part, smoke=options.smoke)
        for row in rows:
            print("  ".join(cell if isinstance(cell, str) else f"{cell or 0:.4g}" for cell in row), flush=True)
        if not options.smoke:
            recording.record(
                f"{NAME}_{part}",
                title=PARTS[part].title,
                command=f"python -m experiments.networks.speed --parts {part}",
                columns=COLUMNS,
                rows=rows,
                expected=PARTS[part].expected,
                notes=(*PARTS[part].notes, *[_ON_CPU_NOTE] * sharding.on_cpu(sharding.local_devices())),
            )
        every += rows
    return every


if __name__ == "__main__":
    start_with_huge_pages()
    if "population" in options_of(None).parts:  # the others are what one device does
        use_cpu_devices()
    main()
