"""A candidate as data against the same candidate as a program of its own, PyTorch eager, and candidates at once.

Command:  python -m experiments.benchmark_networks [--smoke]
Expected: at NAS-Bench-201's macro (16 channels, 5 cells, batch 64) a step <= 423 ms on 2 CPU cores (PyTorch's default
          layout there), as data <= 1.1 x static; eight small candidates over the cores >= 1.5 x one after another.
Cost:     about five minutes on 2 CPU cores; `--smoke` under a minute, and records nothing.

Before PyTorch is timed its logits are compared with ours, from the same weights and images. Every CPU core is a device
of its own for the population; a single training still uses all cores.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments import moo_peers, recording
from experiments.benchmark_forecast import TORCH
from experiments.benchmark_training import SMOKE, WORKLOADS, Workload, data_of
from jcenas.live.terminal import start_with_huge_pages
from jcenas.nets import CellNetwork, FixedNetwork
from jcenas.spaces import NasBench201
from jcenas.train import sharding
from jcenas.train.population import make_population
from jcenas.train.training import TrainConfig, make_trainer

NAME = "networks_speed"
COLUMNS = ["what", "images/s", "ms per step", "ms, q1", "ms, q3", "compile, s"]
GENOME = (3, 2, 3, 1, 4, 3)
PEER = pathlib.Path(__file__).with_name("networks_torch_peer.py")


class Static(nn.Module):
    """A candidate whose operations are constants, called as a trainer calls a network."""

    network: FixedNetwork

    def __call__(self, images: jax.Array, genome: jax.Array, *, statistics: Any = "running") -> jax.Array:
        """Logits; the genome is that of the program."""
        del genome
        return self.network(images, statistics=statistics)


def candidate_rows(workload: Workload, repeats: int, *, with_peer: bool) -> list[list[Any]]:
    """One training step of the same cell: as data, as a program of its own, and in PyTorch."""
    data = data_of(workload)
    fixed = FixedNetwork(GENOME, data.classes, channels=workload.channels, cells=workload.cells)
    network = CellNetwork(data.classes, channels=workload.channels, cells=workload.cells)
    networks = {"as data": network, "static": Static(fixed)}
    config = TrainConfig(batch_size=workload.batch_size, chunk_steps=workload.chunk_steps)
    rows = []
    for name, network in networks.items():
        trainer = make_trainer(network, config, data)
        state = jax.jit(trainer.init)(jax.random.key(0), jnp.int32(1000))
        paths = jnp.tile(jnp.asarray(GENOME, jnp.int32), (trainer.chunk_steps, 1))
        arguments = (state, paths, data)
        compiled, compiling = recording.compile_timed(jax.jit(trainer.chunk, donate_argnums=0), *arguments)
        following = lambda args, outputs: (outputs[0], *args[1:])
        times = recording.time_calls(compiled, *arguments, repeats=repeats, next_args=following)
        seconds = [times[key] / trainer.chunk_steps for key in ("median_s", "q1_s", "q3_s")]
        compile_s = compiling["trace_s"] + compiling["compile_s"]
        rows.append(_row(f"candidate, {name}: {workload.name}", workload.batch_size, seconds, compile_s))
    found = _peer(fixed, workload, repeats) if with_peer else None
    if found is not None:
        for layout in ("default", "channels_last"):
            q1, median, q3 = found[layout]
            name = f"candidate, PyTorch {found['torch']} eager, {layout.replace('_', ' ')} layout: {workload.name}"
            rows.append(_row(name, workload.batch_size, [median, q1, q3], None))
    return rows


def _row(name: str, images: int, seconds: Sequence[float], compile_s: float | None) -> list[Any]:
    return [name, images / seconds[0], *(1e3 * s for s in seconds), compile_s]


def _peer(network: FixedNetwork, workload: Workload, repeats: int) -> dict[str, Any] | None:
    """What `networks_torch_peer` prints; None where PyTorch cannot be installed or the logits differ."""
    images = np.random.default_rng(0).normal(size=(workload.batch_size, *workload.image_shape)).astype(np.float32)
    variables = jax.jit(network.init)(jax.random.key(0, impl="rbg"), images)
    logits, _ = jax.jit(lambda v: network.apply(v, images, statistics="batch", mutable=["batch_stats"]))(variables)
    flat = {"/".join(str(k.key) for k in path): x for path, x in jax.tree.leaves_with_path(variables["params"])}
    try:
        moo_peers.install(*TORCH)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "network.npz"
            np.savez(path, images=images, logits=logits, genome=np.array(network.genome), **flat)
            numbers = (workload.channels, workload.cells, repeats)
            command = [sys.executable, str(PEER), str(path), *map(str, numbers)]
            environment = os.environ | {"PYTHONPATH": str(moo_peers.FOLDER)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.stderr.write(f"PyTorch is not measured: {error} {getattr(error, 'stderr', '')}\n")
        return None
    return json.loads(done.stdout)


def population_rows(workload: Workload, members: int, repeats: int) -> list[list[Any]]:
    """Training steps of different cells, one after another and over the devices; images times candidates a second."""
    data = data_of(workload)
    network = CellNetwork(data.classes, channels=workload.channels, cells=workload.cells)
    config = TrainConfig(batch_size=workload.batch_size, chunk_steps=workload.chunk_steps)
    trainer = make_trainer(network, config, data)
    genomes = _neighbours_of_like_cost(NasBench201().sample(jax.random.key(3), members))
    paths = jnp.repeat(genomes[:, None], trainer.chunk_steps, axis=1)
    keys = jax.random.split(jax.random.key(0), members)
    start = jax.jit(make_population(trainer).init)(keys, jnp.int32(1000))
    mesh = sharding.data_mesh(sharding.local_devices())
    spread = sharding.split(mesh)
    rows, losses = [], []
    for name, where in (("one after another", None), (f"over {spread.num_devices} devices", spread)):
        population = make_population(trainer, spread=where)
        arguments = (start, paths, data)
        if where is not None:
            arguments = (*jax.device_put(arguments[:2], where), jax.device_put(data, sharding.replicated(mesh)))
        compiled, compiling = recording.compile_timed(jax.jit(population.chunk), *arguments)
        losses.append(np.asarray(compiled(*arguments)[1]))
        times = recording.time_calls(compiled, *arguments, repeats=repeats)
        seconds = [times[key] / trainer.chunk_steps for key in ("median_s", "q1_s", "q3_s")]
        compile_s = compiling["trace_s"] + compiling["compile_s"]
        label = f"{members} different cells, {name}: {workload.name}"
        rows.append(_row(label, workload.batch_size * members, seconds, compile_s))
    if not np.allclose(*losses, rtol=5e-2):
        raise RuntimeError(f"the losses differ: {losses}")
    return rows


def _neighbours_of_like_cost(genomes: jax.Array) -> jax.Array:
    """Deal the cells to the devices from the dearest down, so that every device has a like share."""
    cost = jnp.sum(jnp.where(genomes == 3, 9, jnp.where(genomes == 2, 1, 0)), axis=1)
    ranked, devices = genomes[jnp.argsort(-cost)], len(sharding.local_devices())
    return jnp.concatenate([ranked[i::devices] for i in range(devices)])


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a tiny network, no PyTorch; records nothing")
    smoke = parser.parse_args(arguments).smoke
    small, large = (SMOKE[0], SMOKE[0]) if smoke else (WORKLOADS[0], WORKLOADS[1])
    repeats = 2 if smoke else 7
    rows = candidate_rows(large, repeats, with_peer=not smoke)
    rows += population_rows(small, len(sharding.local_devices()) if smoke else 8, repeats)
    if not smoke:
        recording.record(
            NAME,
            title="Networks: a candidate as data, as a program, in PyTorch; candidates at once",
            command="python -m experiments.benchmark_networks",
            columns=COLUMNS,
            rows=rows,
            expected="a step <= 423 ms, as data <= 1.1 x static; 8 cells over 2 cores >= 1.5 x one after another",
            notes=[
                f"Candidate: the cell {GENOME}. Ours augments images on the device, PyTorch gets finished ones; both: "
                "forward, backward, clipping, SGD with Nesterov momentum and weight decay, float32.",
                "PyTorch's logits equal ours within 1e-3 of the largest, from the same weights and images.",
                "A step of a population is one step of each of its members; images/s counts every member's images.",
                "Median and quartiles of 7 calls after a warm-up; glibc's huge pages on both sides.",
            ],
        )
    for row in rows:
        sys.stdout.write("  ".join(cell if isinstance(cell, str) else f"{cell or 0:.4g}" for cell in row) + "\n")
    return rows


if __name__ == "__main__":
    start_with_huge_pages()
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    main()
