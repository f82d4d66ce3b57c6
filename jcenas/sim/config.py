"""Everything that defines a batch of simulated searches; the flags of `jcenas simulate` are made from it; no JAX."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jcenas import registry
from jcenas.alloc.names import check_policy
from jcenas.carbon.power import PowerModel
from jcenas.errors import MOST_HOURS, MOST_SEED, InputError, check_integer
from jcenas.registry.cost_names import cost_names
from jcenas.runtime.paths import check_file
from jcenas.tables.names import FILES, check_table, is_file

if TYPE_CHECKING:
    from jcenas.tables.table import Table

    TableOrName = str | Table
else:
    TableOrName = str  # what the command line reads; a `Table` can be handed over in Python

Accounting = Literal["full", "released"]
MOST = 1_000_000  # of devices, searches, updates and the like
Forecast = Literal["model", "persistence", "none", "actual"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableChoice:
    """The table of simulated searches, and which of its columns they minimise.

    Attributes:
        table: FILE.csv or FILE.parquet of your own (see `--genome`), or a benchmark: toy (analytic, ships with the
            package), nasbench201, nasbench201-cifar100, nasbench201-imagenet16, nas-bench-macro, accel-nasbench,
            darts-1000 or another of `jcenas list table`.
        genome: of your own table, the columns of the variables, or one column that writes the whole genome.
        error: of your own table, the column of the first objective.
        cost: columns of the objectives beside the error, one to three; the table's own default if there are none.
        seconds: of your own table, the column of the seconds of a training; 3600 s each if there is none.
        maximise: of your own table, those columns of error and cost of which more is better.

    Raises:
        InputError: an unknown table, or flags that it does not take.
    """

    table: TableOrName = "digits"
    genome: tuple[str, ...] = ()
    error: str = ""
    cost: Sequence[str] = ()
    seconds: str = ""
    maximise: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "cost", cost_names(self.cost))
        self._check_table()

    def _check_table(self) -> None:
        """Whether the flags of a user's own table are given where they are needed, and only there."""
        if isinstance(self.table, os.PathLike):
            object.__setattr__(self, "table", os.fspath(self.table))
        file_only = [name for name in ("genome", "seconds", "maximise") if getattr(self, name)]
        if not isinstance(self.table, str):
            if file_only:
                raise InputError(
                    f"--{file_only[0]}: a table that is handed over has its columns; use `from_csv` for it"
                )
            return
        if not is_file(self.table):
            check_table(self.table)
            if odd := file_only or (["error"] if self.error else []):
                raise InputError(f"--{odd[0]}: only for a table of your own; {self.table} is one of the registry")
            return
        if not self.table.lower().endswith(FILES):
            raise InputError(f"--table {self.table}: the file's name must end in {', '.join(FILES)}")
        if not os.path.isfile(self.table):
            raise InputError(f"--table {self.table}: no such file")
        if missing := [name for name in ("genome", "error", "cost") if not getattr(self, name)]:
            raise InputError(
                f"--table {self.table}: say which of its columns are which: --{missing[0]} is missing (of --genome "
                "COL..., --error COL, --cost COL, and perhaps --seconds COL)"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulateConfig(TableChoice):
    """Carbon-aware searches on a simulated cluster: trace-driven, on a tabular benchmark, many seeds at once.

    Attributes:
        zone: grid zone whose typical year is followed, where no trace is given (US-CAL-CISO if empty); of a trace file
            with several zones, the one to take.
        trace: CSV file with UTC times and intensities in gCO2eq/kWh.
        column: column of the intensities, in a trace file with several.
        start: UTC time at which the searches begin, such as 2023-06-01T00:00Z.
        wrap: repeat the trace from its begin where it is too short.
        policy: who splits the devices: heuristic, threshold, price, plan, pace, oracle, ppo, static:SHARE,
            evaluate-all, sample-all, or a file FILE.npz of `jcenas train-policy`.
        optimizer: what proposes: lamoo, lamoo-ehvi, nsga2, random or another of `jcenas list optimizer`.
        stage: what scores proposals before they are trained: predictor (a Gaussian process fitted to the finished
            evaluations), one-shot or few-shot (the table's supernet estimates), zero-shot:NAME (a column), or none.
        forecast: what the policy is told of the coming day: model (quantiles of the forecaster that ships, adapted
            to the hours before; persistence while they are less than a week), persistence (as yesterday), none (nothing
            but now), or actual (the truth).
        hours: time budget.
        carbon_budget: stop when so many gCO2eq were emitted.
        devices: accelerators of the cluster.
        seeds: searches.
        accounting: full (training, scoring, idling, switching, PUE), or released (1 kW for each training device, all
            else free, and its columns on nasbench201: CE-NAS's own simulator).
        switch_s: seconds that a device loses when it changes between sampling and training.
        supernet_s: device-seconds of supernet training up front in the full accounting (NAS-Bench-201's time for a
            random search with shared weights), where the stage is a supernet.
        path_s: device-seconds to score one proposal with a supernet.
        score_s: device-seconds to compute a training-free score of one proposal in the full accounting (synflow: 28 ms
            on two CPU cores), where the stage has one.
        power: electric power of a device by state, and PUE, in the full accounting.
        seed: of the first search.
        plot: PNG file for the plots.

    Raises:
        InputError: a number outside its range, an unknown table, policy or optimiser, or a plot that cannot be written.
    """

    zone: str = ""
    trace: Path | None = None
    column: str = ""
    start: str = ""
    wrap: bool = False
    policy: str = "heuristic"
    optimizer: str = "lamoo"
    stage: str = "predictor"
    forecast: Forecast = "persistence"
    hours: int = 80
    carbon_budget: float | None = None
    devices: int = 8
    seeds: int = 8
    accounting: Accounting = "full"
    switch_s: float = 60.0
    supernet_s: float = 7587.0
    path_s: float = 5.0
    score_s: float = 0.03
    power: PowerModel = dataclasses.field(default_factory=PowerModel)
    seed: int = 0
    plot: Path | None = None

    def __post_init__(self):
        for name, most in {"hours": MOST_HOURS, "devices": MOST, "seeds": MOST}.items():
            check_integer(f"--{name}", getattr(self, name), 1, most)
        check_integer("--seed", self.seed, 0, MOST_SEED)
        if self.carbon_budget is not None and not 0 < self.carbon_budget < float("inf"):
            raise InputError(f"--carbon-budget {self.carbon_budget}: must be a positive number of grams")
        for name in ("switch_s", "supernet_s", "path_s", "score_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be a number of seconds >= 0")
        super().__post_init__()
        check_policy(self.policy)
        registry.check("optimizer", self.optimizer)
        registry.check("stage", self.stage)
        if self.plot is not None:
            check_file("--plot", self.plot, ".png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainPolicyConfig(TableChoice):
    """Train the PPO allocator; the searches of the table give the learning curves.

    Attributes:
        out: file to write.
        curves: searches that give the learning curves, at each of four widths.
        zones: grids to train on, drawn from the typical-year model without the test zones.
        updates: of PPO; each is `environments` x 80 hours.
        environments: side by side.
        action: whole levels (eighths of the devices) or a real number.
        reward: the paper's three terms, or the rise of -log(missing hypervolume).
        accounting: of the episodes: released (waiting is free), full (idling costs too), or both by turns.
        seed: of everything.

    Raises:
        InputError: a number outside its range, an unknown table, or a file that cannot be written.
    """

    out: Path = Path("policy.npz")
    table: TableOrName = "toy"
    curves: int = 8
    zones: int = 40
    updates: int = 200
    environments: int = 64
    action: Literal["discrete", "continuous"] = "discrete"
    reward: Literal["paper", "potential"] = "potential"
    accounting: Literal["released", "full", "both"] = "both"
    seed: int = 0

    def __post_init__(self):
        for name in ("curves", "zones", "updates", "environments"):
            check_integer(f"--{name}", getattr(self, name), 1, MOST)
        check_integer("--seed", self.seed, 0, MOST_SEED)
        super().__post_init__()
        check_file("--out", self.out, ".npz")
