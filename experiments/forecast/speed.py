"""Milliseconds of a training step of the forecaster and of one forecast, beside the same network in PyTorch eager.

Command:  python -m experiments.forecast.speed [--smoke]
Expected: a step (window 168 x 16, d_model 64, 3 layers, batch 256) at most as long as PyTorch's; a forecast <= 20 ms.
Cost:     about two minutes on 2 CPU cores; `--smoke` some seconds, and records nothing.

PyTorch is installed beside the project as the other peers are (`experiments/moo/peers.py`); where it cannot be, that
side is not measured. It runs in a process of its own, `experiments/forecast/torch_peer.py`, after ours. Two patch
lengths: 24 h, which the forecaster uses, and 1 h, attention over every hour, the layout that published transformers of
this size have. Checked before anything is timed: the loss falls.
"""

import argparse
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast.toy import toy_trace
from experiments.lib import recording
from experiments.moo import peers as moo_peers
from jcenas.carbon.forecast import windows
from jcenas.carbon.forecast.forecaster import forecast
from jcenas.carbon.forecast.network import ForecastNetwork
from jcenas.carbon.forecast.training import ForecastTraining, make_trainer
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.runtime.process import start_with_huge_pages

NAME = "forecast_speed"
_TORCH_NEEDS = {"sympy", "mpmath", "networkx", "jinja2", "MarkupSafe", "fsspec", "filelock", "typing_extensions"}
COLUMNS = ["what", "parameters", "ms", "ms, q1", "ms, q3", "PyTorch eager, ms", "PyTorch / jcenas", "compile, s"]
TORCH = tuple(p for p in moo_peers.PACKAGES["botorch"] if "torch=" in p or p in _TORCH_NEEDS)
PEER = pathlib.Path(__file__).with_name("torch_peer.py")


Peer = Callable[..., dict[str, Any] | None]  # (sizes ...) -> what `torch_peer.py` prints


def installed_peer(*sizes: object) -> dict[str, Any] | None:
    """PyTorch's step, after it is installed apart; None where it cannot be."""
    return moo_peers.run_script("PyTorch", PEER, TORCH, *sizes)


def step_row(patch_h: int, batch: int, repeats: int, *, peer_of: Peer | None) -> list[Any]:
    """Time one training step of the network with this patch length."""
    network = ForecastNetwork(patch_h=patch_h)
    config = ForecastTraining(steps=10_000, chunk_steps=1, batch_size=batch)
    trainer = make_trainer(network, config)
    table, (span,) = windows.make_table([toy_trace()], [0])
    rows = jnp.asarray(windows.origins(span, None, None))
    state = jax.jit(trainer.init)(jax.random.key(0))
    count = sum(x.size for x in jax.tree.leaves(state.params))
    compiled, compiling = recording.compile_timed(jax.jit(trainer.chunk, donate_argnums=0), state, table, rows)
    losses = []
    for _ in range(8):
        state, loss = compiled(state, table, rows)
        losses.append(float(loss[0]))
    if not np.isfinite(losses).all() or min(losses[4:]) >= losses[0]:
        raise RuntimeError(f"the network does not learn ({losses}): nothing to time")

    def following(args, outputs):
        return outputs[0], *args[1:]

    times = recording.time_calls(compiled, state, table, rows, repeats=repeats, next_args=following)
    sizes = (network.width, network.layers, network.heads, network.patch_h, batch, repeats)
    peer = None if peer_of is None else peer_of(*sizes)
    ratio = None if peer is None else peer["median_s"] / times["median_s"]
    seconds = [1e3 * times[key] for key in ("median_s", "q1_s", "q3_s")]
    torch_ms = None if peer is None else 1e3 * peer["median_s"]
    compile_s = compiling["trace_s"] + compiling["compile_s"]
    return [f"training step, {patch_h} h patches, batch {batch}", count, *seconds, torch_ms, ratio, compile_s]


def forecast_row(repeats: int) -> list[Any]:
    """Time one forecast of the shipped forecaster: one window, quantiles back on the host."""
    forecaster = default_forecaster()
    table, (span,) = windows.make_table([toy_trace()], [0])
    window = jax.tree.map(lambda x: x[0], windows.cut(table, jnp.asarray([span.first + 500])))
    arguments = (forecaster, window.history, window.known)
    compiled, compiling = recording.compile_timed(forecast, *arguments)
    if not (np.diff(np.asarray(compiled(*arguments))) >= 0).all():
        raise RuntimeError("quantiles cross: nothing to time")
    times = recording.time_calls(compiled, *arguments, repeats=repeats)
    count = sum(x.size for x in jax.tree.leaves(forecaster.params))
    seconds = [1e3 * times[key] for key in ("median_s", "q1_s", "q3_s")]
    return ["one forecast", count, *seconds, None, None, compiling["trace_s"] + compiling["compile_s"]]


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a small batch, few repeats; records nothing")
    given = parser.parse_args(arguments)
    patches, batch, repeats = ((24,), 16, 3) if given.smoke else ((24, 1), 256, 15)
    rows = [step_row(patch, batch, repeats, peer_of=None if given.smoke else installed_peer) for patch in patches]
    rows.append(forecast_row(repeats))
    if not given.smoke:
        recording.record(
            NAME,
            title="Forecaster: training step and forecast",
            command="python -m experiments.forecast.speed",
            columns=COLUMNS,
            rows=rows,
            expected="a step at most as long as PyTorch eager's; a forecast <= 20 ms",
            notes=[
                "Window 168 x 16, 96 h ahead, d_model 64, 3 layers, 4 heads, float32, AdamW; 15 repeats.",
                "A step of ours also draws its windows from the table, drops inputs and prepares features; PyTorch's "
                "has prepared inputs, and pinball loss only.",
                "Both sides with glibc's huge pages, as `jcenas forecast` starts itself.",
                "Batch 256 on the cores of the machine named below; other processes were not running.",
            ],
        )
    for row in rows:
        sys.stdout.write("  ".join(str(cell) for cell in row) + "\n")
    return rows


if __name__ == "__main__":
    start_with_huge_pages()
    main()
