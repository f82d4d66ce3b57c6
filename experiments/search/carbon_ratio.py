"""Carbon of live searches on digits to reach what LaMOO without a cheap stage has at the end, by configuration.

Command:  python -m experiments.search.carbon_ratio --runs FOLDER [--seeds 10] [--smoke]
          [--measured-in FILE --note TEXT]   where FOLDER was filled on another machine
Expected: with the default configuration at least 3 times less carbon than the baseline at the median of 10 seeds,
          everything charged.
Cost:     about three minutes a search on 2 CPU cores, which must be quiet: 19 configurations of 10 seeds take ten
          hours, `--optimizers lamoo --stages predictor --policies heuristic` one hour; `--smoke` about a minute
          on a quiet machine, and records nothing.

The baseline is `evaluate-all` with LaMOO and stage none, for 48 hours from the same start with the same seed. The ratio
is its emissions over those at which another search has reached its final hypervolume; a search that never does counts
as 0. Everything is charged, and the final test on both sides: who stops there would test its front as well. Set-up
(compiling and timing) is a fixed cost that looms large in searches of two minutes, so the ratio without it, on both
sides, stands beside the full one. A supernet is no set-up but part of its stage.

Every search is a process of its own, one after the other; FOLDER keeps the run folders. The same command goes on where
it was stopped, and what is finished is not run again.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.lib import recording
from jcenas.live.config import SearchConfig
from jcenas.report.run import Run, evaluated, read_run

NAME = "live_carbon_ratio"
GOAL = 3.0
SET_UP = ("compiling", "timing")
AFTER = "test"
ROUNDING = 1e-6  # hypervolumes that differ by less are the same: float32
# With a reference error of 1 every network counts. All else is as by default, so that its compiled programs serve.
SMOKE = ["--epochs", "1", "--hour-seconds", "1", "--reference-error", "1"]
COLUMNS = [
    "optimizer",
    "stage",
    "policy",
    "searches",
    "hypervolume, median",
    "hypervolume, q1",
    "hypervolume, q3",
    "gCO2eq, median",
    "of it set-up",
    "reach it, %",
    "carbon ratio, median",
    "q1",
    "q3",
    "ratio without set-up, median",
    "without set-up, q1",
    "without set-up, q3",
]


class Configuration(NamedTuple):
    """Who proposes, cheap stage and policy."""

    optimizer: str
    stage: str
    policy: str


BASELINE = Configuration("lamoo", "none", "evaluate-all")
GRID = {
    "optimizers": ["lamoo", "lamoo-ehvi", "random"],
    "stages": ["predictor", "none"],
    "policies": ["heuristic", "plan", "evaluate-all"],
}
DEFAULT = Configuration(SearchConfig.optimizer, SearchConfig.stage, SearchConfig.policy)


class Outcome(NamedTuple):
    """One run over time: arrays of one entry a finished training, in their order, and what holds for its end."""

    hypervolume: np.ndarray  # (n,) after each
    emissions_g: np.ndarray  # (n,) of the whole run at its end, set-up and final test included
    total_g: float
    set_up_g: float
    test_g: float

    @property
    def final(self) -> float:
        """Hypervolume at the end."""
        return float(self.hypervolume[-1]) if len(self.hypervolume) else 0.0


def outcome(run: Run) -> Outcome:
    """Read a finished run; an interval in progress at the end of a training counts by how much of it has passed."""
    done, spans = evaluated(run), run.intervals
    begin, end, grams = (spans[name].to_numpy(float) for name in ("start_hour", "end_hour", "emissions_g"))
    after = (spans["purpose"] == AFTER).to_numpy()
    standing = end <= begin
    width = np.where(standing, 1.0, end - begin)
    moments = done["hour"].to_numpy(float)[:, None]
    passed = np.where(standing, moments >= begin, np.clip((moments - begin) / width, 0.0, 1.0))
    test_g = float(grams[after].sum())
    return Outcome(
        hypervolume=done["hypervolume"].to_numpy(float),
        emissions_g=(passed * np.where(after, 0.0, grams)).sum(axis=1) + test_g,
        total_g=float(grams.sum()),
        set_up_g=float(grams[spans["purpose"].isin(SET_UP).to_numpy()].sum()),
        test_g=test_g,
    )


def ratios(baseline: Outcome, other: Outcome) -> tuple[float, float]:
    """Baseline's emissions over those at which the other has its hypervolume, with and without set-up; else zeros.

    A baseline that found nothing is nothing to reach: zeros too.
    """
    if baseline.final <= 0:
        return 0.0, 0.0
    reached = np.flatnonzero(other.hypervolume >= baseline.final * (1 - ROUNDING))
    if not len(reached):
        return 0.0, 0.0
    grams = float(other.emissions_g[reached[0]])
    return baseline.total_g / grams, (baseline.total_g - baseline.set_up_g) / (grams - other.set_up_g)


def row(configuration: Configuration, outcomes: Sequence[Outcome], baselines: Sequence[Outcome]) -> list[Any]:
    """A row of the table; searches and baselines are paired by seed."""
    pairs = [ratios(baseline, other) for baseline, other in zip(baselines, outcomes, strict=True)]
    full, without = np.array(pairs).T
    totals = [float(np.median([getattr(one, name) for one in outcomes])) for name in ("total_g", "set_up_g")]
    found = quartiles([one.final for one in outcomes])
    reach = float(100 * np.mean(full > 0))
    return [*configuration, len(outcomes), *found, *totals, reach, *quartiles(full), *quartiles(without)]


def quartiles(values: Sequence[float] | np.ndarray) -> list[float]:
    """Median, first and third quartile."""
    return [float(np.quantile(values, q)) for q in (0.5, 0.25, 0.75)]


def verdict(rows: Sequence[Sequence[Any]]) -> str:
    """Whether the default configuration meets the goal, and which one does best."""
    place = COLUMNS.index("carbon ratio, median")
    others = [r for r in rows if tuple(r[:3]) != BASELINE]
    if not others:
        return "nothing to compare with the baseline"
    best = max(others, key=lambda r: r[place])
    said = f"best: {', '.join(best[:3])} with {best[place]:.2f}"
    default = [r[place] for r in others if tuple(r[:3]) == DEFAULT]
    if not default:
        return f"the default was not run; {said}"
    met = "met" if default[0] >= GOAL else f"missed by {GOAL - default[0]:.2f}"
    return f"at least {GOAL:g} times less carbon with the default: {met} ({default[0]:.2f}); {said}"


def finished(configuration: Configuration, seed: int, folder: pathlib.Path, hours: int, flags: Sequence[str]) -> Run:
    """The run of one seed, run now or before.

    Raises:
      RuntimeError: the search failed, or the folder holds a run of other settings.
    """
    path = folder / f"{'_'.join(configuration).replace(':', '-')}_{seed}"
    run = read_run(path) if path.exists() else None
    if run is not None:
        wanted = {**configuration._asdict(), "hours": hours, "seed": seed}
        if any(run.config["config"].get(name) != value for name, value in wanted.items()):
            raise RuntimeError(f"{path} was run with other settings; choose another --runs")
    if run is None or run.meta.get("status") != "finished":
        named = [f"--{name}={value}" for name, value in configuration._asdict().items()]
        new = ["--runs", str(folder), "--name", path.name, *named, f"--hours={hours}", f"--seed={seed}", *flags]
        arguments = new if run is None else ["--resume", str(path)]
        command = [sys.executable, "-m", "jcenas.cli", "search", "--quiet", "--no-report", *arguments]
        done = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the search {path.name} ended with code {done.returncode}")
        run = read_run(path)
    return run


def measure(
    configurations: Sequence[Configuration], seeds: int, folder: pathlib.Path, hours: int, flags: Sequence[str] = ()
) -> list[list[Any]]:
    """Run what is missing, seed by seed, and return the rows, the baseline's first."""
    everyone = list(dict.fromkeys([BASELINE, *configurations]))
    outcomes: dict[Configuration, list[Outcome]] = {configuration: [] for configuration in everyone}
    for seed in range(seeds):
        for configuration in everyone:
            done = outcome(finished(configuration, seed, folder, hours, flags))
            outcomes[configuration].append(done)
            full, without = ratios(outcomes[BASELINE][seed], done)
            told = f"{done.final:.4f}  {done.total_g:.3g} g  ratio {full:.2f}, without set-up {without:.2f}"
            print(f"seed {seed}  {', '.join(configuration)}  hypervolume {told}", flush=True)
    return [row(configuration, found, outcomes[BASELINE]) for configuration, found in outcomes.items()]


def main(arguments: Sequence[str] | None = None) -> list[list[Any]]:
    """Measure, say whether the goal is met, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=pathlib.Path, help="folder that keeps the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--hours", type=int, default=SearchConfig.hours)
    for name, values in GRID.items():
        parser.add_argument(f"--{name}", nargs="+", default=values)
    parser.add_argument("--measured-in", type=pathlib.Path, help="JSON of `recording.environment()` on that machine")
    parser.add_argument("--note", action="append", default=[], help="what else a reader must know of the runs")
    parser.add_argument("--smoke", action="store_true", help="the default, one seed, few hours; records nothing")
    options = parser.parse_args(arguments)
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            rows = measure([DEFAULT], 1, pathlib.Path(folder), 4, SMOKE)
        print(verdict(rows))
        return rows
    if options.runs is None:
        parser.error("--runs FOLDER is missing")
    chosen = {name: getattr(options, name) for name in GRID}
    grid = itertools.product(*chosen.values())
    rows = measure([Configuration(*names) for names in grid], options.seeds, options.runs.resolve(), options.hours)
    print(verdict(rows))
    named = {"seeds": [options.seeds], "hours": [options.hours]} | chosen
    usual = {"hours": [SearchConfig.hours]} | GRID
    flags = [f"--{name} {' '.join(map(str, values))}" for name, values in named.items() if values != usual.get(name)]
    measured_in = None if options.measured_in is None else json.loads(options.measured_in.read_text(encoding="utf-8"))
    _record(rows, options, flags, measured_in)
    return rows


def _record(
    rows: list[list[Any]], options: argparse.Namespace, flags: Sequence[str], measured_in: dict[str, Any] | None
) -> None:
    seeds, hours = options.seeds, options.hours
    recording.record(
        NAME,
        title=f"Carbon of live searches to reach LaMOO's hypervolume of {hours} hours, digits, {seeds} seeds",
        command=" ".join(["python -m experiments.search.carbon_ratio --runs FOLDER", *flags]),
        columns=COLUMNS,
        rows=rows,
        notes=[
            "Live searches, defaults but for what is named; the baseline is the first row, paired by seed.",
            "Ratio: the baseline's emissions over those at which a search has reached its final hypervolume, "
            "everything charged; a search that never does counts as 0. Set-up: compiling and timing, which take most "
            "of a demonstration of two minutes; programs that an earlier run compiled come from the cache.",
            *options.note,
            verdict(rows),
        ],
        measured_in=measured_in,
        expected=f"a ratio of at least {GOAL:g} with the default configuration",
    )


if __name__ == "__main__":
    main()
