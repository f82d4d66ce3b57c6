"""Data-parallel training: which batches divide, and that two processes train what one does."""

import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.nets import CellNetwork
from jcenas.runtime import sharding
from jcenas.train import images
from jcenas.train.training import TrainConfig, make_trainer

CONFIG = {"batch_size": 128, "chunk_steps": 2}
GENOME = (3, 1, 2, 1, 3, 4)

# What each process runs; arguments: coordinator, number of processes, own number, file for the result.
PROCESS = f"""
import sys
import jax, jax.numpy as jnp, numpy as np
from jcenas.nets import CellNetwork
from jcenas.train import images
from jcenas.runtime import sharding
from jcenas.train.training import TrainConfig, make_trainer

devices = sharding.join(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
mesh = sharding.data_mesh(devices)
everywhere = sharding.replicated(mesh)
data = jax.device_put(images.load_images("digits", []), everywhere)
trainer = make_trainer(
    CellNetwork(10, channels=4, cells=1), TrainConfig(**{CONFIG}), data, batch_sharding=sharding.split(mesh)
)
state = jax.jit(trainer.init, out_shardings=everywhere)(jax.random.key(3), jnp.int32(16))
genomes = np.tile(np.array({GENOME}, np.int32), (trainer.chunk_steps, 1))
state, loss = jax.jit(trainer.chunk, out_shardings=everywhere)(state, genomes, data)
leaves = [np.asarray(x.addressable_data(0)) for x in jax.tree.leaves((state.params, state.batch_stats, loss))]
np.savez(sys.argv[4], *leaves)
print(len(devices), "devices in", jax.process_count(), "processes")
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_two_processes_train_what_one_does(compiled_soon, tmp_path):
    coordinator = f"localhost:{free_port()}"
    files = [tmp_path / f"{i}.npz" for i in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, coordinator, "2", str(i), str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=compiled_soon,  # as this process, which does the same alone
        )
        for i, file in enumerate(files)
    ]
    try:
        ends = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (out, err) in zip(processes, ends, strict=True):
        assert process.returncode == 0, err[-3000:]
        assert "2 devices in 2 processes" in out
    first, second = (np.load(file) for file in files)
    digits = images.load_images("digits", [])
    trainer = make_trainer(CellNetwork(10, channels=4, cells=1), TrainConfig(**CONFIG), digits)
    state = jax.jit(trainer.init)(jax.random.key(3), jnp.int32(16))
    state, loss = jax.jit(trainer.chunk)(state, jnp.tile(jnp.array(GENOME, jnp.int32), (2, 1)), digits)
    alone = jax.tree.leaves((state.params, state.batch_stats, loss))
    assert len(first.files) == len(alone)
    for name, value in zip(first.files, alone, strict=True):
        np.testing.assert_array_equal(first[name], second[name])  # the processes agree to the bit
        np.testing.assert_allclose(first[name], value, rtol=1e-3, atol=1e-5)  # sums in another order


def test_processes_are_numbered_from_zero():
    with pytest.raises(InputError, match="process 2 of 2: number the processes from 0 to 1"):
        sharding.join("localhost:1", 2, 2)


@pytest.mark.devices(4)
def test_a_batch_that_does_not_divide_is_refused_with_the_numbers():
    digits = images.load_images("digits", [])
    four = sharding.split(sharding.data_mesh(sharding.local_devices(4)))
    network = CellNetwork(10, channels=4, cells=1)
    with pytest.raises(InputError, match="batch_size 126 does not divide over 4 devices; use 124 or 128"):
        make_trainer(network, TrainConfig(batch_size=126), digits, batch_sharding=four)
    with pytest.raises(InputError, match="12 in 2 micro-batches does not divide over 4 devices; use 8 or 16"):
        make_trainer(network, TrainConfig(batch_size=12, accumulate=2), digits, batch_sharding=four)
    sharding.check_divides(128, 2, four)
