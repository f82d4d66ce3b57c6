"""Training steps of candidates and supernets, static and as data, in both precisions, beside PyTorch where it is.

The share is what of the device's own copying speed a step reaches, by the bytes that XLA counts for its program.
"""

import functools
import json
import pathlib
import tempfile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.machine import copy_gb_s
from experiments.accelerator.network_cases import ROW_S, Case, cases, compared, label, sizes_of
from experiments.accelerator.table import Table
from experiments.lib import recording
from experiments.moo import peers as moo_peers
from experiments.networks.speed import CELL_PEER, DARTS_PEER
from experiments.networks.steps import GENOME, Steps

COLUMNS = (
    "images/s",
    "ms a step",
    "ms, q1",
    "ms, q3",
    "compile s",
    "GB a step",
    "GB/s",
    "share of the copying speed",
)
EXPECTED = (
    "bfloat16, batch 256: static <= 3.5 ms, as data <= 1.2 x static; compilation <= 10 s, mixed and branching <= 20 s; "
    "static below PyTorch in every row"
)
NOTES = (
    f"NAS-Bench-201's macro at 32x32 (16 channels, 5 cells a stage), candidate {GENOME}; DARTS with 16 channels.",
    "Ours augments images on the device, PyTorch gets finished ones; both: forward, backward, clipping, SGD with "
    "Nesterov momentum and weight decay; four steps between two looks. PyTorch's bfloat16 is autocast.",
    "Logits equal ours within 1e-3 of the largest, both in full float32, before PyTorch is timed.",
    "GB a step: bytes accessed by the compiled program, as XLA counts them, not measured.",
    "Compile: traced and compiled, without a cache; PyTorch's: its first step.",
)
COMPILER_S = 90.0  # limit of a row with torch.compile
REPEATS = 10


def ours(table: Table, case: Case, dtype: str, batch: int, repeats: int) -> None:
    """A row of our own."""

    def measured() -> dict[str, Any]:
        workload = case.workload._replace(batch_size=batch)
        steps = Steps(case.make(workload), workload, case.shape, dtype=dtype)
        arguments = steps.arguments(case.architectures)
        compiled, compiling = recording.compile_timed(steps.function(), *arguments)
        times = steps.time(compiled, arguments, repeats)
        accessed = bytes_of(compiled)
        if accessed is not None and not loops_counted_once():
            accessed /= steps.trainer.chunk_steps
        traffic = traffic_cells(accessed, times["median_s"], copy_gb_s(table))
        return cells_of(batch, times, compiling["trace_s"] + compiling["compile_s"]) | traffic

    table.row(label(case, dtype, batch), measured, limit_s=case.limit_s)


def bytes_of(compiled: Any) -> float | None:
    """Bytes that a compiled program accesses, None where XLA does not say."""
    analysis = compiled.cost_analysis()
    found = (analysis[0] if isinstance(analysis, list) else analysis or {}).get("bytes accessed")
    return None if found is None else float(found)


@functools.cache
def loops_counted_once() -> bool:
    """Whether XLA counts the body of a loop once, however often it runs."""
    short, long = (
        bytes_of(jax.jit(lambda x, n=n: jax.lax.scan(lambda y, _: (jnp.tanh(y @ y), None), x, length=n)[0])
        .lower(jnp.ones((64, 64)))
        .compile())
        for n in (2, 32)
    )  # fmt: skip
    return short is None or long is None or long < 4 * short


def traffic_cells(accessed: float | None, seconds: float, copying: float | None) -> dict[str, Any]:
    """What of the copying speed (GB/s) a step reaches that accesses so many bytes."""
    if accessed is None:
        return {}
    speed = accessed / 1e9 / seconds
    share = speed / copying if copying else None
    return {"GB a step": accessed / 1e9, "GB/s": speed, "share of the copying speed": share}


def cells_of(batch: int, times: dict[str, float], compile_s: float) -> dict[str, Any]:
    """The cells that every row has."""
    median, q1, q3 = (1e3 * times[name] for name in ("median_s", "q1_s", "q3_s"))
    speed = batch / times["median_s"]
    return {"images/s": speed, "ms a step": median, "ms, q1": q1, "ms, q3": q3, "compile s": compile_s}


class Peer(NamedTuple):
    """How PyTorch runs a row."""

    dtype: str
    batch: int
    layout: str = "channels_last"
    compiled: bool = False


def peer(table: Table, case: Case, how: Peer, repeats: int, folder: pathlib.Path) -> None:
    """A row of PyTorch's."""
    kind = "torch.compile" if how.compiled else "PyTorch eager"
    layout = how.layout.replace("_", " ")

    def measured() -> dict[str, Any]:
        if not moo_peers.has("torch"):
            raise ModuleNotFoundError("there is no torch in this Python")
        file = folder / f"{case.name}.npz"
        if not file.exists():
            np.savez(file, **compared(case).arrays())
        options = {"device": "auto", "dtype": how.dtype, "batch": how.batch, "steps": case.workload.chunk_steps}
        options |= {"layouts": [how.layout], "compile": how.compiled}
        script, sizes = DARTS_PEER if case.name.startswith("DARTS") else CELL_PEER, sizes_of(case.workload)
        found = moo_peers.run_here(script, file, *sizes.values(), repeats, json.dumps(options))
        q1, median, q3 = found[how.layout]
        first = found[f"first_{how.layout}"] if how.compiled else None
        return cells_of(how.batch, {"median_s": median, "q1_s": q1, "q3_s": q3}, first or 0.0) | {
            "compile s": first if how.compiled else recording.NOT_APPLICABLE
        }

    name = f"{kind}, {layout}: {label(case, how.dtype, how.batch)}"
    table.row(name, measured, limit_s=COMPILER_S if how.compiled else ROW_S)


def measure(table: Table, *, smoke: bool) -> None:
    """The rows, the most telling first, those that take long to compile last."""
    of, repeats = cases(smoke=smoke), 2 if smoke else REPEATS
    small, middle, large = (4, 8, 16) if smoke else (64, 256, 1024)
    fixed, blend, mixed = (of[n] for n in ("candidate, static", "candidate, as data", "all operations mixed"))
    darts, deep = (of[f"DARTS, {number} cells, all operations mixed"] for number in (2, 8))
    half, full = "bfloat16", "float32"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ours(table, fixed, half, middle, repeats)
        peer(table, fixed, Peer(half, middle), repeats, folder)
        if smoke:
            return
        ours(table, blend, half, middle, repeats)
        ours(table, fixed, full, middle, repeats)
        peer(table, fixed, Peer(full, middle), repeats, folder)
        for batch in (large, small):
            ours(table, fixed, half, batch, repeats)
            peer(table, fixed, Peer(half, batch), repeats, folder)
        peer(table, fixed, Peer(half, middle, "default"), repeats, folder)
        ours(table, darts, half, small, repeats)
        peer(table, darts, Peer(half, small), repeats, folder)
        ours(table, mixed, half, small, repeats)
        peer(table, mixed, Peer(half, small), repeats, folder)
        peer(table, fixed, Peer(half, middle, compiled=True), repeats, folder)
        for dtype, batch in ((half, large), (half, small), (full, middle)):
            ours(table, blend, dtype, batch, repeats)
        for dtype, batch in ((full, small), (full, large)):
            ours(table, fixed, dtype, batch, repeats)
            peer(table, fixed, Peer(dtype, batch), repeats, folder)
        for case, dtype, batch in (
            (blend, full, large),
            (blend, full, small),
            (darts, full, small),
            (mixed, half, middle),
            (of["candidate, branching"], half, middle),
            (deep, half, small),
        ):
            ours(table, case, dtype, batch, repeats)
