"""Training steps of 1, 8 and 64 small networks at once, beside one alone.

Member k is the same training in every row: the loss of the first one after a chunk is compared before a row is timed.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.table import LABEL, Table
from experiments.lib import recording
from experiments.networks.steps import trainer_of
from experiments.networks.training_speed import SMOKE, WORKLOADS, Workload, data_of
from jcenas.nets import CellNetwork
from jcenas.runtime import compilation
from jcenas.spaces import NasBench201
from jcenas.spaces.nasbench201 import EDGES
from jcenas.train.population import Within, make_population

COLUMNS = ("images/s", "ms a step", "ms, q1", "ms, q3", "compile s", "x one alone", "loss of the first member")
EXPECTED = "8 members >= 5 x the images/s of one alone, 64 members >= 20 x"
NOTES = (
    "Digits, 8 channels, 1 cell a stage, batch 64, float32: the default run's network. A step is one of each member.",
    "vmap: all members in every operation. map: one after another in one program.",
)
ROW_S, RISKY_S = 60.0, 100.0
ALONE = "1 member"
REPEATS = 10


def row(
    table: Table, name: str, workload: Workload, members: int, within: Within, *, repeats: int, limit_s: float
) -> None:
    """Time `members` members in one program."""

    def measured() -> dict[str, Any]:
        data = data_of(workload)
        network = CellNetwork(data.classes, channels=workload.channels, cells=workload.cells, choose="blend")
        trainer = trainer_of(network, workload, len(EDGES))
        population = make_population(trainer, within=within)
        genomes = NasBench201().sample(jax.random.key(3), 64)[:members]
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), jnp.arange(members))
        states = jax.jit(population.init)(keys, jnp.int32(1000))
        arguments = (states, jnp.repeat(genomes[:, None], trainer.chunk_steps, axis=1), data)
        compiled, compiling = recording.compile_timed(compilation.jit(population.chunk), *arguments)
        loss = float(compiled(*arguments)[1][0])
        for other in table.rows:
            message = f"the first member's loss is another than in {other[LABEL]!r}"
            np.testing.assert_allclose(loss, other[COLUMNS[-1]], rtol=0.1, err_msg=message)
        times = recording.time_calls(compiled, *arguments, repeats=repeats)
        seconds = [times[key] / trainer.chunk_steps for key in ("median_s", "q1_s", "q3_s")]
        speed, alone = members * workload.batch_size / seconds[0], table.find(ALONE)
        compile_s = compiling["trace_s"] + compiling["compile_s"]
        gain = speed / alone["images/s"] if alone else 1.0 if name == ALONE else None
        cells = [speed, *(1e3 * s for s in seconds), compile_s, gain, loss]
        return dict(zip(COLUMNS, cells, strict=True))

    table.row(name, measured, limit_s=limit_s)


def measure(table: Table, *, smoke: bool) -> None:
    """The rows; 64 members at once, which takes longest to compile, last."""
    if smoke:
        row(table, ALONE, SMOKE[0], 1, "map", repeats=2, limit_s=ROW_S)
        return
    workload, repeats = WORKLOADS[0], REPEATS
    row(table, ALONE, workload, 1, "map", repeats=repeats, limit_s=ROW_S)
    row(table, "8 members, vmap", workload, 8, "vmap", repeats=repeats, limit_s=ROW_S)
    row(table, "8 members, map", workload, 8, "map", repeats=repeats, limit_s=ROW_S)
    row(table, "64 members, vmap", workload, 64, "vmap", repeats=repeats, limit_s=RISKY_S)
    row(table, "64 members, map", workload, 64, "map", repeats=repeats, limit_s=RISKY_S)
