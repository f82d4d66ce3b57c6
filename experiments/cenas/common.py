"""What the simulated studies share: held-out grids and months, the two accountings, the methods.

Grids: Electricity Maps 2023 (life-cycle) of California, PJM, Texas and Germany, from starts in July to December. The
PPO policy that ships was trained on January to June of other grids (`jcenas.sim.train_policy.TEST_ZONES`), some of
which neighbour the three of the United States. The forecaster that ships was trained on all years of all zones, so the
forecasts here are of the same network trained without July to December of 2021 to 2023 (`HELD_OUT_WEIGHTS`).
"""

import argparse
import datetime
import functools
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.generalise.tables import is_synthetic, synthetic_of
from experiments.lib import recording, write_benchmarks
from jcenas.alloc.policies import policy_from_name
from jcenas.carbon.forecast import Forecaster, weights
from jcenas.carbon.prepared import read_prepared
from jcenas.carbon.trace import CarbonTrace
from jcenas.engine.grid import HISTORY_H, LEAD_H, Forecast, GridHours
from jcenas.engine.optimizers import optimizer_maker
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.runtime import process, sharding
from jcenas.sim.config import Accounting
from jcenas.sim.inputs import estimates
from jcenas.sim.many import concatenate, make_many, stack
from jcenas.sim.problem import (
    ScenarioConfig,
    full_power,
    make_benchmark,
    make_scenario,
    most_evaluations,
    released_power,
)
from jcenas.sim.run import given_evaluations, sizes_for
from jcenas.sim.search import make_search
from jcenas.tables.names import check_table, load_table
from jcenas.tables.store import locate

GRIDS = ("US-CAL-CISO", "US-MIDA-PJM", "US-TEX-ERCO", "DE-LU")
JULY_2023_H = (365 + 365 + 181) * 24  # the files begin in January 2021
HALF_YEAR_H = 184 * 24
DEVICES = 8
# Of an hour. For the predictor uniform ones do as well as LaMOO's, which cost twice the time.
PROPOSALS = {"none": 24, "one-shot": 128, "few-shot": 128, "predictor": 2048}
SUPERNET_S = 7587.0  # random search with shared weights on NAS-Bench-201: Dong and Yang 2020
PATH_S = 5.0  # device-seconds to score a proposal with a supernet
SCORE_S = 0.03  # synflow of a cell: experiments/proxies/table.py


HELD_OUT = "California, PJM, Texas and Germany in turn, starts in July to December 2023."
NOT_SEEN = "Forecasts of the model are of weights that were trained without July to December of 2021 to 2023."
HELD_OUT_WEIGHTS = pathlib.Path(__file__).parents[1] / "forecast" / "held_out.npz"


SEEDS = 52


class Study(NamedTuple):
    """A study's command line, and the table that it makes."""

    name: str
    options: argparse.Namespace
    seeds: int
    hours: int
    table: str
    rows: list[list]

    @classmethod
    def begin(cls, name: str, doc: str | None, arguments, smoke_hours: int, **flags: Sequence[Any]) -> "Study":
        """Parse the command line; `flags` are the defaults of the flags of many values that the study has for itself.

        Its smoke size has the toy table, two searches and few hours, and records nothing. Rows of different numbers of
        searches never stand in one table: `--update` with other `--seeds` than the record's ends here.
        """
        parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
        smoke = f"the toy table, two searches, {smoke_hours} hours, nothing recorded"
        parser.add_argument("--smoke", action="store_true", help=smoke)
        parser.add_argument("--seeds", type=int, default=SEEDS)
        parser.add_argument("--dry", action="store_true", help="print, but record nothing")
        parser.add_argument("--update", action="store_true", help="leave the recorded rows that do not run again")
        for flag, values in flags.items():
            parser.add_argument(f"--{flag}", nargs="+", type=type(values[0]), default=list(values))
        options = parser.parse_args(arguments)
        if options.update and not (options.smoke or options.dry) and (other := _searches(name) - {options.seeds}):
            parser.error(
                f"--update: rows of {name} have {sorted(other)} searches; give --seeds, or record all rows again"
            )
        use_all_cores()
        sizes = (2, smoke_hours, "toy") if options.smoke else (options.seeds, 80, "nasbench201")
        return cls(name, options, *sizes, rows=[])

    def add(self, *cells) -> None:
        """Print a row and keep it."""
        self.rows.append(list(cells))
        print(*(f"{c:.4g}" if isinstance(c, float) else c for c in cells), sep="\t", flush=True)

    def end(self, finish: Callable[[list[list]], None] | None = None, **record: Any) -> list[list]:
        """Record the table, with what `recording.record` wants.

        Args:
          finish: fills, in place, the cells that depend on other rows, among them those of an older record.
          **record: fields of the record.

        Returns:
          The rows.
        """
        more = "" if self.options.seeds == SEEDS else f" --seeds {self.options.seeds}"
        module = f"experiments.cenas.{self.name.removeprefix('simulate_')}"
        record |= {"command": f"OPENBLAS_NUM_THREADS=1 python -m {module}{more}", "rows": self.rows}
        recorded = not self.options.smoke and not self.options.dry
        if recorded and self.options.update:
            record = updated(_recorded(self.name), record)
        if finish is not None:
            finish(record["rows"])
        if recorded:
            recording.record(self.name, **record)
        return self.rows


def _recorded(name: str) -> dict:
    return json.loads((write_benchmarks.RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _searches(name: str) -> set[int]:
    """Of how many searches the recorded rows of a table are."""
    old = _recorded(name)
    return {row[old["columns"].index("searches")] for row in old["rows"]}


def updated(old: dict, record: dict) -> dict:
    """The record with the new rows in the places of those with the same labels (the cells before "searches").

    Raises:
      ValueError: rows of different numbers of searches, or of other columns.
    """
    labels, rows = record["columns"].index("searches"), record["rows"]
    if list(record["columns"]) != old["columns"] or len({row[labels] for row in [*old["rows"], *rows]}) > 1:
        raise ValueError(
            "rows of other columns, or of other numbers of searches, do not compare; record all of them again"
        )
    fresh = {tuple(row[:labels]): row for row in rows}
    kept = []
    for i, row in enumerate(old["rows"]):
        new = fresh.pop(tuple(row[:labels]), None)
        kept.append((row, recording.origin(old, i)) if new is None else (new, None))
    for row in fresh.values():  # new ones, behind their like
        like = [i for i, (other, _) in enumerate(kept) if other[0] == row[0]]
        kept.insert(like[-1] + 1 if like else len(kept), (row, None))
    return {**record, "rows": [row for row, _ in kept], "older": [made for _, made in kept]}


class Method(NamedTuple):
    """Who proposes, cheap stage and policy."""

    optimizer: str
    stage: str
    policy: str


def ours(policy: str) -> Method:
    """The predictor over uniform proposals, and a policy."""
    return Method("random", "predictor", policy)


METHODS = {
    "random search": Method("random", "none", "evaluate-all"),
    "vanilla LaMOO": Method("lamoo", "none", "evaluate-all"),
    "one-shot LaMOO": Method("lamoo", "few-shot", "sample-all:0.5"),
    "CE-NAS heuristic": Method("lamoo", "few-shot", "heuristic"),
    "jcenas, always": ours("evaluate-all"),
    "jcenas, heuristic": ours("heuristic"),
    "jcenas, static:0.5": ours("static:0.5"),
    "jcenas, plan": ours("plan:0.35"),
    "jcenas, oracle": ours("oracle:0.35"),
    "jcenas, PPO": ours("ppo"),
}


def on_table(method: Method, name: str) -> Method:
    """The method as a table can pay it: the toy one has estimates of one supernet only."""
    return method._replace(stage="one-shot") if name == "toy" and method.stage == "few-shot" else method


@functools.cache
def hourly(grid: str) -> np.ndarray:
    """Hourly intensities of a grid, 2021-2024."""
    return read_prepared(locate(f"carbon/emaps_2021-2024/{grid}.csv.gz"), zone=grid).hourly()


@functools.cache
def benchmark_of(accounting: str, stage: str, name: str = "nasbench201"):
    """Table and benchmark: in the released accounting CE-NAS's own columns, else true errors and measured energy."""
    if is_synthetic(name):
        table, columns = synthetic_of(name)
    else:
        table, columns = load_table(name), check_table(name).objectives(accounting)._asdict()
    return table, make_benchmark(table, **columns, estimate=estimates(table, stage_from_name(stage)))


@functools.cache
def forecaster() -> Forecaster:
    """The network of the forecasts, trained without July to December of 2021 to 2023."""
    return weights.load(HELD_OUT_WEIGHTS)


@functools.cache
def grid_of(grid: str, first: int, hours: int) -> GridHours:
    """The hours of a search that begins in hour `first` of the files, with those before and the day behind."""
    values, start = hourly(grid), datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
    trace = CarbonTrace(
        start=start + datetime.timedelta(hours=first),
        intensity_g_per_kwh=values[first : first + hours + LEAD_H],
        step_seconds=3600,
        zone=grid,
    )
    before = values[max(0, first - HISTORY_H) : first]
    return GridHours(trace, before, float(values.mean()), forecaster())


@functools.cache
def forecasts(grid: str, first: int, hours: int, kind: Forecast) -> np.ndarray:
    """What a policy is told in each hour of such a search, (hours, LEAD_H, 3)."""
    return np.stack([grid_of(grid, first, hours).forecast(kind, hour) for hour in range(hours)])


def scenarios(
    method: Method,
    accounting: str,
    seeds: int,
    hours: int,
    *,
    forecast: Forecast = "actual",
    budget_g=np.inf,
    **numbers,
):
    """One scenario a seed: the grids in turn, starts drawn in July to December 2023; the same for every method."""
    rng, released = np.random.default_rng(2023), accounting == "released"
    stage, rows = stage_from_name(method.stage), []
    config = ScenarioConfig(
        carbon_budget_g=budget_g,
        prepare_s=SUPERNET_S if stage.supernet and not released else 0.0,
        score_s=PATH_S if stage.supernet else 0.0 if released else SCORE_S,
        **{"switch_s": 0.0 if released else 60.0, **numbers},
    )
    for i in range(seeds):
        first = JULY_2023_H + int(rng.integers(HALF_YEAR_H - hours - LEAD_H))
        name = GRIDS[i % len(GRIDS)]
        grid = grid_of(name, first, hours)
        past, known = grid.past()
        rows.append(
            make_scenario(
                grid.intensity(hours),
                config,
                past=past,
                past_known=known,
                forecast=forecasts(name, first, hours, forecast),
                power=released_power() if released else full_power(),
            )
        )
    return stack(rows)


@functools.cache
def runner(method: Method, accounting: Accounting, hours: int, name: str = "nasbench201", together: int = 1):
    """The compiled searches of one method, `together` side by side on a device, and its policy."""
    table, benchmark = benchmark_of(accounting, method.stage, name)
    stage, initial = stage_from_name(method.stage), given_evaluations(accounting)
    room = min(initial + most_evaluations(benchmark, DEVICES * hours * 3600.0), table.size)
    sizes = SearchSizes.of_stage(stage, devices=DEVICES, room=room, proposals=PROPOSALS[method.stage], initial=initial)
    policy = policy_from_name(method.policy)
    make = optimizer_maker(method.optimizer, table.space, batch=sizes.proposals, reference=benchmark.reference)
    rooms = sizes_for(sizes.room) if stage.refits else (sizes.room,)
    return (
        make_many(make_search(sizes, table, make, policy, stage=stage, rooms=rooms), together=together),
        policy,
        benchmark,
    )


def run(method: Method, accounting: str, seeds: int, hours: int, *, name="nasbench201", **scenario):
    """All searches of a method, on the host, and the benchmark."""
    method = on_table(method, name)
    many, policy, benchmark = runner(method, accounting, hours, name)
    params = policy.init_params(jax.random.key(0))
    keys, rows = jax.random.split(jax.random.key(1), seeds), scenarios(method, accounting, seeds, hours, **scenario)
    part, parts = 8 * len(sharding.local_devices()), []
    for begin in range(0, seeds, part):
        some = jax.tree.map(lambda x, b=begin: x[b : b + part], (keys, rows))
        parts.append(jax.device_get(many(some[0], params, benchmark, some[1])))
    return concatenate(parts), benchmark


def quartiles(values) -> list[float]:
    """Median, first and third quartile."""
    q1, median, q3 = np.nanquantile(np.asarray(values, float), [0.25, 0.5, 0.75])
    return [float(median), float(q1), float(q3)]


def use_all_cores() -> None:
    """One CPU device a core, so that searches share them; before JAX starts."""
    process.use_cpu_devices()
