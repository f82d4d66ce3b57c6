"""Three further measured tables: NAS-Bench-Macro, Accel-NASBench and 1,000 networks of the DARTS space.

NAS-Bench-Macro: Su et al. 2021 (arXiv 2103.11922). Accel-NASBench: Ahmad et al. 2024. The DARTS networks: SWAP-NAS
(Peng et al., ICLR 2024). Where a table has no training time or no cost, a modelled one stands in and says so.
"""

import functools
from typing import Any

import numpy as np
import pandas as pd

from jcenas.tables.measured import MEASURED, MODELLED, read
from jcenas.tables.table import Table

# Modelled training: forward and backward pass cost three forward passes; a device does 1e12 multiply-adds a second.
_PASSES, _MULTIPLY_ADDS_PER_S = 3, 1e12
_MACRO_EPOCHS, _CIFAR_IMAGES = 50, 50_000
_BLOCKS = 7
_CHANNELS = 16
DARTS_OPERATIONS = (
    "none",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


@functools.cache
def nas_bench_macro() -> Table:
    """All 6,561 networks of NAS-Bench-Macro on CIFAR-10: `error`, `noise`, `params`, `flops`, `train_seconds`."""
    frame = read("macro_benches/nas_bench_macro_cifar10.csv.gz", dtype={"arch": str})
    columns = pd.DataFrame(
        {
            "arch": frame["arch"],
            "error": 100 - frame["acc_mean"],
            "noise": frame["acc_std"],
            "params": frame["params"],
            "flops": frame["flops"],
            "train_seconds": _PASSES * frame["flops"] * _MACRO_EPOCHS * _CIFAR_IMAGES / _MULTIPLY_ADDS_PER_S,
        }
    )
    seconds = f"{MODELLED}: {_PASSES} x multiply-adds x {_MACRO_EPOCHS} epochs x {_CIFAR_IMAGES} images at 1e12/s"
    notes = dict.fromkeys(("error", "noise", "params", "flops"), MEASURED) | {"train_seconds": seconds}
    return Table.from_frame(columns, genome="arch", name="nas-bench-macro", notes=notes)


@functools.cache
def accel_nasbench() -> Table:
    """The 5,138 networks of Accel-NASBench on ImageNet: `error`, measured `train_seconds`, and costs on accelerators.

    A genome has 28 variables, for seven blocks each of: expansion, kernel, layers, squeeze-excite; a value is the place
    of the choice among those that occur. Latencies in ms; `*_ms_per_image` is 1000 over the measured throughput.
    """
    frame = read("macro_benches/accel_nasbench_imagenet_mnasnet.csv.gz")
    genes = {}
    for part in ("e", "k", "l", "se"):
        values = np.array([[int(v) for v in text.split()] for text in frame[f"arch_{part}"]])
        assert values.shape[1] == _BLOCKS
        choices = np.unique(values)
        genes |= {f"{part}{block}": np.searchsorted(choices, values[:, block]) for block in range(_BLOCKS)}
    columns = {
        "error": 100 - frame["val_top1"],
        "train_seconds": frame["train_time_s"],
        "params": 1e6 * frame["params_M"],
        "flops": 1e6 * frame["macs_M"],
        "zcu102_latency_ms": frame["latency_zcu102"],
        "vck190_latency_ms": frame["latency_vck190"],
    }
    for device in ("a100", "3090", "tpuv2", "tpuv3"):
        columns[f"{device}_ms_per_image"] = 1000 / frame[f"throughput_{device}"]
    notes = dict.fromkeys(columns, MEASURED)
    return _table(pd.DataFrame(genes | columns), list(genes), "accel-nasbench", notes)


def _table(frame: pd.DataFrame, genome: list[str], name: str, notes: dict[str, str]) -> Table:
    """The table of a frame, in which an architecture that was trained several times has the mean of its rows."""
    means: Any = frame.groupby(genome, as_index=False).mean()
    if len(means) < len(frame):
        said = f"{len(frame)} rows are of {len(means)} architectures; the mean of those of one counts"
        notes = notes | {"copies": said}
    return Table.from_frame(means, genome=genome, name=name, notes=notes)


def _cell_params(operation: str) -> int:
    """Weights of one DARTS operation with `_CHANNELS` channels; batch norms left out."""
    if operation.startswith(("sep_conv", "dil_conv")):
        k = int(operation[-1])
        once = k * k * _CHANNELS + _CHANNELS**2
        return 2 * once if operation.startswith("sep") else once
    return 0


@functools.cache
def darts_1000() -> Table:
    """1,000 networks of the DARTS space on CIFAR-10: `error`, and modelled `cell_params` and `train_seconds`.

    A genome has 16 variables: for each of the eight inputs of the cell, the operation and the node that it comes from.
    """
    frame = read("darts_space/darts_1000_cifar10_swap.csv.gz")
    genes = []
    params = []
    for text in frame["normal"]:
        pairs = [entry.split("~") for entry in text.split(";")]
        genes.append([number for name, node in pairs for number in (DARTS_OPERATIONS.index(name), int(node))])
        params.append(sum(_cell_params(name) for name, _ in pairs))
    names = [f"{part}{i}" for i in range(8) for part in ("operation", "input")]
    columns = pd.DataFrame(np.array(genes), columns=pd.Index(names))
    columns["error"] = 100 - frame["cifar10_val_acc_200ep"]
    columns["cell_params"] = np.array(params, float)
    columns["train_seconds"] = 600.0 + 0.3 * columns["cell_params"]
    notes = {
        "error": MEASURED,
        "cell_params": f"{MODELLED}: weights of one cell's convolutions with {_CHANNELS} channels",
        "train_seconds": f"{MODELLED}: 600 s + 0.3 s per weight of a cell",
    }
    return _table(columns, names, "darts-1000", notes)
