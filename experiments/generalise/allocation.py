"""Allocation of devices where it was not tuned: regret to the offline optimum of every policy, by cell of a family.

Command:  JCENAS_DATA=FOLDER python -m experiments.generalise.allocation [--part development] [--curves FOLDER]
          [--smoke]
Expected: the regret of `price` at most half of the heuristic's on average, and in no cell above that of the best
          static share of that cell, chosen with hindsight.
Cost:     about 15 minutes on two quiet cores, of which 8 for the learning curves, which --curves keeps.

A scenario is a search on a cluster (hours, devices) on a grid, in an accounting, with a carbon budget as a share of
what all devices would emit, a learning curve and a kind of forecast; `jcenas.sim.allocation` plays it. The regret is
the bound of `jcenas.sim.optimum` less the final level -log(missing hypervolume). Without a budget carbon has the price
at which the optimum would emit half of what all devices do, and what was emitted is subtracted at that price. A cell
is all scenarios of two values of two dimensions. The parts share no country, no seed and no drawn curve: constants of
policies were set on fitting, policies chosen on development; the test part is for a release.
"""

import argparse
import itertools
import pathlib
from typing import NamedTuple

import jax
import numpy as np

from experiments.generalise.allocation_cases import (
    ACCOUNTINGS,
    DRAWN,
    SHAPES,
    TABLES,
    Cases,
    cases_of,
    curves_of,
    play,
)
from experiments.generalise.allocation_grids import PARTS, grids_of
from experiments.lib import recording
from jcenas.alloc.policies import policy_from_name
from jcenas.engine.grid import LEAD_H, PAST_H
from jcenas.runtime.process import keep_compiled_programs

STATIC = tuple(f"static:{share:g}" for share in (0.125, 0.25, 0.5, 0.75, 1.0))
CANDIDATE = "price"
POLICIES = (CANDIDATE, "heuristic", "plan", "pace", "ppo", *STATIC)
DIMENSIONS = ("budget", "accounting", "table", "forecast", "hours", "devices", "source")
FEWEST = 20  # scenarios of a cell
GRIDS, REPEATS = 12, 2
COLUMNS = (
    "policy",
    "scenarios",
    "regret",
    "standard error",
    "of the heuristic's",
    "cells",
    "cells above the best static share",
    "of them beyond 2 standard errors",
    "worst of them",
    "mean intensity paid",
    "budget spent, below need",
    "hypervolume share",
)


class Outcome(NamedTuple):
    """One policy on all scenarios, (N,) each."""

    regret: np.ndarray
    level: np.ndarray
    paid: np.ndarray  # over the mean intensity of the hours
    spent: np.ndarray  # of the budget; NaN without one


def outcome(cases: list[Cases], name: str) -> Outcome:
    """Play a policy by its name."""
    policy = policy_from_name(name)
    params = policy.init_params(jax.random.key(0))
    parts = []
    for some in cases:
        played = play(some, policy.apply, params)
        hours = np.asarray(some.case.episode.intensity)[:, PAST_H:-LEAD_H]
        budget = np.asarray(some.case.episode.budget_g, float)
        paid = played.emissions_g / np.maximum(played.energy, 1e-9) / hours.mean(axis=1)
        spent = np.where(np.isfinite(budget), played.emissions_g / budget, np.nan)
        parts.append((played.regret, played.level, np.where(played.energy > 0, paid, np.nan), spent))
    return Outcome(*(np.concatenate(values).astype(float) for values in zip(*parts, strict=True)))


def cells_of(labels: dict[str, np.ndarray]) -> dict[tuple, np.ndarray]:
    """Rows of every pair of values of two dimensions that has `FEWEST` scenarios or more."""
    found = {}
    for one, other in itertools.combinations(DIMENSIONS, 2):
        for values in itertools.product(np.unique(labels[one]), np.unique(labels[other])):
            rows = np.flatnonzero((labels[one] == values[0]) & (labels[other] == values[1]))
            if len(rows) >= FEWEST:
                found[one, str(values[0]), other, str(values[1])] = rows
    return found


class Above(NamedTuple):
    """Cells in which a policy's regret is above that of the static share that is best there."""

    cells: int
    significant: int  # by more than two standard errors of the paired differences
    worst: str


def above_static(found: dict[str, Outcome], name: str, cells: dict[tuple, np.ndarray]) -> Above:
    """Compare a policy with the best static share of each cell."""
    count, significant, worst, text = 0, 0, 0.0, "none"
    for cell, rows in cells.items():
        best = min((found[static].regret[rows] for static in STATIC), key=np.mean)
        difference = found[name].regret[rows] - best
        excess, error = float(np.mean(difference)), float(np.std(difference, ddof=1) / np.sqrt(len(rows)))
        if excess > 1e-4:
            count, significant = count + 1, significant + (excess > 2 * error)
            if excess > worst:
                worst, text = excess, f"{' '.join(cell)}: +{excess:.3f} ± {error:.3f}"
    return Above(count, significant, text)


def rows_of(found: dict[str, Outcome], labels: dict[str, np.ndarray]) -> list[list]:
    """The table, a row for each policy."""
    cells, rows = cells_of(labels), []
    short = np.isfinite(labels["budget"]) & (labels["budget"] < 1)
    for name, one in found.items():
        above = above_static(found, name, cells)
        n = len(one.regret)
        rows.append(
            [
                name,
                n,
                float(np.mean(one.regret)),
                float(np.std(one.regret, ddof=1) / np.sqrt(n)),
                float(np.mean(one.regret) / np.mean(found["heuristic"].regret)),
                len(cells),
                above.cells,
                above.significant,
                above.worst,
                float(np.nanmean(one.paid)),
                float(np.mean(one.spent[short])),
                float(np.mean(-np.expm1(-one.level))),
            ]
        )
    return rows


def verdicts(rows: list[list]) -> list[str]:
    """What the goals of the candidate came to."""
    row = next(row for row in rows if row[0] == CANDIDATE)
    ratio, significant = (
        row[COLUMNS.index("of the heuristic's")],
        row[COLUMNS.index("of them beyond 2 standard errors")],
    )
    half = "met" if ratio <= 0.5 else f"missed by {ratio - 0.5:.2f}"
    never = "met" if significant == 0 else f"missed in {significant} of {row[COLUMNS.index('cells')]} cells"
    return [
        f"Goal: regret of {CANDIDATE} at most half of the heuristic's: {half} ({ratio:.3f}).",
        f"Goal: in no cell above the best static share of that cell by more than two standard errors: {never}.",
    ]


def main(arguments=None) -> list[list]:
    """Play, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS, default="development", help="of the family")
    parser.add_argument("--curves", type=pathlib.Path, help="folder that keeps recorded learning curves")
    parser.add_argument("--tables", nargs="+", help=f"instead of the part's; {DRAWN} needs no recording")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), help="of `jcenas list policy`")
    parser.add_argument("--smoke", action="store_true", help="one small shape, drawn curves, nothing recorded")
    options = parser.parse_args(arguments)
    keep_compiled_programs()
    tables = tuple(options.tables or ((DRAWN,) if options.smoke else TABLES[options.part]))
    shapes, count, repeats = (((6, 2),), 1, 2) if options.smoke else (SHAPES, GRIDS, REPEATS)
    curves = {(t, a): curves_of(options.part, t, a, options.curves) for t in tables for a in ACCOUNTINGS}
    grids = grids_of(options.part, count)
    cases = cases_of(options.part, repeats=repeats, grids=grids, curves=curves, shapes=shapes, tables=tables)
    labels = {name: np.concatenate([some.labels[name] for some in cases]) for name in cases[0].labels}
    found = {}
    for name in options.policies:
        found[name] = outcome(cases, name)
        print(name, f"regret {np.mean(found[name].regret):.4f}", flush=True)
    rows = rows_of(found, labels)
    for line in verdicts(rows):
        print(line)
    if not options.smoke and tuple(options.policies) == POLICIES:
        recording.record(
            "generalise_allocation" + ("" if options.part == "development" else f"_{options.part}"),
            title=f"Allocation where it was not tuned: regret to the offline optimum, {options.part} part",
            command=f"python -m experiments.generalise.allocation --part {options.part}"
            + (f" --tables {' '.join(tables)}" if options.tables else ""),
            columns=COLUMNS,
            rows=rows,
            expected="the regret of `price` at most half of the heuristic's, in no cell above the best static share's",
            notes=[
                *verdicts(rows),
                "Regret: the offline optimum's bound less the final level, -ln(1 - share of the largest hypervolume); "
                "without a budget less emissions at the price of half of all carbon.",
                f"Tables: {', '.join(tables)} ({DRAWN}: learning curves drawn at random). "
                f"{len(set(labels['zone'].tolist()))} zones, half of them real hours, half perturbed typical years.",
                "A cell is a pair of values of two dimensions with 20 scenarios or more; best static share of five "
                "with hindsight.",
            ],
        )
    return rows


if __name__ == "__main__":
    main()
