"""The measured tables that the prepared data folder holds: NAS-Bench-201 with hardware costs.

NAS-Bench-201 / NATS-Bench (Dong and Yang, arXiv 2001.00326; Dong et al., arXiv 2009.00437), HW-NAS-Bench (Li et al.,
arXiv 2103.10584), HELP latencies (Lee et al., arXiv 2106.08630), HW-NAS-Bench-360, and supernet estimates of few-shot
NAS (Zhao et al., ICML 2021). Accuracies become errors: 100 - accuracy, in %.
"""

import functools

import numpy as np
import pandas as pd

from jcenas.errors import InputError
from jcenas.spaces import NasBench201
from jcenas.tables.store import locate
from jcenas.tables.table import Table

DATA_SETS = {"cifar10": "c10", "cifar100": "c100", "imagenet16": "in16"}
EPOCHS = 200
RASPBERRY_PI_5 = "hw_nb201/hw_nas_bench_360.parquet"
_PI_DEVICE, _PI_FRAMEWORK, _PI_TASK = "pi5", "torchmobile", "cifar100"
_LATENCIES = ("raspi4_latency_ms", "pixel3_latency_ms", "eyeriss_latency_ms", "fpga_latency_ms")
_SEEDS = {"cifar10": "c10_valid_acc", "cifar100": "c100_valtest_acc", "imagenet16": "in16_valtest_acc"}

MEASURED = "measured"
MODELLED = "MODELLED, not measured"


def read(name: str, **options) -> pd.DataFrame:
    """A prepared CSV file as a frame; see `jcenas.tables.store.locate` for the errors."""
    return pd.read_csv(locate(name), **options)


@functools.cache
def nasbench201(data_set: str = "cifar10", *, raspberry_pi: bool = False) -> Table:
    """All 15,625 cells of NAS-Bench-201 with errors, costs, training times and cheap estimates.

    Columns: `error` (test, mean over seeds, 200 epochs), `validation_error`, `noise`, `train_seconds`, `params`,
    `flops`, `log_synflow` (of the untrained network), `fpga_energy_mj` (measured: 7 W times the measured latency),
    `edge_gpu_energy_mj` (modelled), latencies `*_ms` of HW-NAS-Bench and of HELP, `released_error` (CIFAR-10 only: 100
    minus the accuracy column of CE-NAS's own table, which counts missing seeds as 0), `oneshot_error` and
    `fewshot_error` (CIFAR-10 only).

    Args:
      data_set: 'cifar10', 'cifar100' or 'imagenet16'.
      raspberry_pi: also `raspberry_pi_5_energy_mj`, measured; reading it needs pyarrow (the extra `parquet`).

    Raises:
      InputError: the data set is unknown, or a file is missing or damaged.
    """
    if data_set not in DATA_SETS:
        raise InputError(f"NAS-Bench-201 has no data set {data_set!r}; it has {', '.join(DATA_SETS)}")
    short = DATA_SETS[data_set]
    own = read("nasbench201/nb201_accuracy_cost.csv.gz", dtype={"ops": str}).set_index("idx").sort_index()
    hardware = read("hw_nb201/hw_nas_bench_cifar10.csv.gz").set_index("idx").sort_index()
    seeds = read("nasbench201/nb201_per_seed_200ep.csv.gz")
    columns = {
        "ops": own["ops"],
        "error": 100 - own[f"{short}_test200"],
        "validation_error": 100 - own[f"{short}_val200_v11"],
        "noise": seeds.groupby("idx")[_SEEDS[data_set]].std(),
        "train_seconds": EPOCHS * own[f"{short}_time_per_epoch_s"],
        "params": own[f"{short}_params"],
        "flops": own[f"{short}_flops"],
        "log_synflow": np.log1p(own[f"{short}_synflow"]),
        "fpga_energy_mj": hardware["fpga_energy_mJ"],
        "edge_gpu_energy_mj": hardware["edgegpu_energy_mJ_best_estimate"],
    }
    columns |= {name: hardware[name] for name in _LATENCIES}
    columns |= dict(read("hw_nb201/help_latency.csv.gz").set_index("idx").sort_index().items())
    if data_set == "cifar10":
        estimates = read("nasbench201_supernet/nb201_supernet_estimates.csv.gz").set_index("idx").sort_index()
        columns |= {f"{kind}_error": 100 - estimates[f"{kind}_acc"] for kind in ("oneshot", "fewshot")}
        columns["released_error"] = 100 - own["cenas_acc"]
    if raspberry_pi:
        columns["raspberry_pi_5_energy_mj"] = _raspberry_pi_5()
    notes = dict.fromkeys(columns, MEASURED) | {
        "flops": "computed: multiply-adds by the benchmark's own counting",
        "log_synflow": "log(1 + synflow) of the network before training, as published",
        "noise": "standard deviation over the two or three seeds",
        "fpga_energy_mj": "measured latency times the benchmark's 7 W",
        "edge_gpu_energy_mj": f"{MODELLED}: 45 published values, a regression elsewhere (leave-one-out RMSE 1.6 mJ)",
        "released_error": "100 minus the accuracy of CE-NAS's table, rebuilt: sum over the trained seeds divided by 3",
    }
    del notes["ops"]
    known = {str(column): note for column, note in notes.items() if column in columns}
    frame = pd.DataFrame(columns)
    return Table.from_frame(frame, genome="ops", name=f"nasbench201-{data_set}", space=NasBench201(), notes=known)


def _raspberry_pi_5() -> pd.Series:
    """Measured energy of one inference on a Raspberry Pi 5, mJ, by cell index."""
    path = locate(RASPBERRY_PI_5)
    try:
        wanted = ["arch_idx", "device", "framework", "task", "energy_mj"]
        frame = pd.read_parquet(path, columns=wanted)
    except ImportError as error:
        raise InputError(
            f"{path} is a Parquet file, which needs pyarrow; install it with `pip install 'jcenas[parquet]'`"
        ) from error
    chosen = (frame["device"] == _PI_DEVICE) & (frame["framework"] == _PI_FRAMEWORK) & (frame["task"] == _PI_TASK)
    return frame.loc[chosen].set_index("arch_idx")["energy_mj"].sort_index()
