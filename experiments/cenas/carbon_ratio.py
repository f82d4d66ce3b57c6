"""Carbon to reach what vanilla LaMOO reaches at the end of 80 hours, as a ratio, split into its two causes.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.carbon_ratio [--smoke] [--seeds N]
Expected: at least 7.22 in the released accounting and 3 in the full one at the median (the paper claims up to 7.22).
Cost:     52 seeds take about fifteen minutes on two cores; the data folder is JCENAS_DATA.

The ratio is vanilla's emissions over the emissions at the end of the evaluation with which a search reaches vanilla's
final hypervolume on the same hours. It is the product of *fewer evaluations* (how many vanilla finished over how many
were needed) and *greener hours* (emissions of an evaluation there and here; idling counts in the full accounting). A
search that never gets there has no ratio and counts as 0 in the quartiles. The last column asks for 99.5 % of vanilla's
hypervolume, of vanilla too: the end of a search is a lottery among cells that differ by less than their noise.

What brought it (six seeds, outside the simulator, ratio of evaluation time in the full and the released accounting): a
process on genomes alone never got there; a trend in synflow and multiply-adds and the choice by gain a second 3.0 and
0; picks of an hour conditioned on each other and failed trainings set aside 3.9 and 8.2. Few-shot estimates added
nothing to that and NASWOT little (4.1 and 8.2).
"""

import numpy as np

from experiments.cenas.common import HELD_OUT, METHODS, Study, quartiles, run
from jcenas.sim.many import carbon_to_reach

COLUMNS = (
    "accounting",
    "method",
    "searches",
    "reach it, %",
    "carbon ratio, median",
    "q1",
    "q3",
    "fewer evaluations, median",
    "greener hours, median",
    "ratio for 99.5 % of it, median",
)
NEARLY = 0.995
COMPARED = (
    "vanilla LaMOO",
    "one-shot LaMOO",
    "CE-NAS heuristic",
    "jcenas, always",
    "jcenas, heuristic",
    "jcenas, plan",
    "jcenas, oracle",
    "jcenas, PPO",
)


def ratios(vanilla, other, benchmark, share: float = 1.0):
    """Carbon ratio and its two factors for `share` of vanilla's hypervolume, float64 (n,) each; 0 where not reached."""
    grams, needed = carbon_to_reach(other, benchmark, share * vanilla.hypervolume)
    total, finished = np.asarray(vanilla.emissions_g, float), np.asarray(vanilla.count, float)
    reached = needed > 0
    safe = np.where(reached, grams, 1.0), np.where(reached, needed, 1.0)
    fewer = np.where(reached, finished / safe[1], np.nan)
    whole = np.where(reached, total / safe[0], 0.0)
    return whole, fewer, np.where(reached, whole / fewer, np.nan)


def main(arguments=None):
    study = Study.begin(
        "simulate_carbon_ratio", __doc__, arguments, 12, accountings=("released", "full"), methods=COMPARED
    )
    smoke, name = study.options.smoke, {"name": study.table}
    methods = ["jcenas, always"] if smoke else study.options.methods
    for accounting in ["full"] if smoke else study.options.accountings:
        vanilla, benchmark = run(METHODS["vanilla LaMOO"], accounting, study.seeds, study.hours, **name)
        for label in methods:
            other, _ = run(METHODS[label], accounting, study.seeds, study.hours, **name)
            whole, fewer, greener = ratios(vanilla, other, benchmark)
            reach = float(100 * np.mean(whole > 0))
            some = [float(np.nanmedian(x)) if reach else None for x in (fewer, greener)]
            nearly = float(np.median(ratios(vanilla, other, benchmark, NEARLY)[0]))
            study.add(accounting, label, study.seeds, reach, *quartiles(whole), *some, nearly)
    return study.end(
        title="Carbon to reach vanilla LaMOO's hypervolume of 80 hours",
        columns=COLUMNS,
        expected="a ratio of at least 7.22 in the released accounting and 3 in the full one, with PPO",
        notes=[
            "NAS-Bench-201 on CIFAR-10, 8 devices; released: CE-NAS's accuracy column, edge-GPU energy (modelled "
            "but for 45 cells) and 1 kW for each training device; full: mean test errors, measured FPGA energy, "
            "idling, switching (60 s), supernet training and PUE.",
            f"{HELD_OUT[:-1]}; true forecasts.",
            "Ratios of searches that do not reach the target count as 0.",
            "The predictor's constants were set on this benchmark, with six other seeds, outside the simulator.",
        ],
    )


if __name__ == "__main__":
    main()
