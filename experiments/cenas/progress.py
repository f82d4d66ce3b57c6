"""Search progress over hours and over emissions: PPO, heuristic, vanilla LaMOO, one-shot LaMOO, random search.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.progress [--smoke] [--seeds N]
Expected: with the predictor as cheap stage, ahead of vanilla LaMOO at every hour; per gram the most with planning.
Cost:     52 seeds take about fifteen minutes on two cores; the data folder is JCENAS_DATA.
"""

import numpy as np

from experiments.cenas.common import HELD_OUT, METHODS, Study, quartiles, run

HOURS = (10, 20, 40, 80)
KILOGRAMS = (2, 5, 10, 20)
COMPARED = (
    "random search",
    "vanilla LaMOO",
    "one-shot LaMOO",
    "CE-NAS heuristic",
    "jcenas, always",
    "jcenas, heuristic",
    "jcenas, plan",
    "jcenas, PPO",
)
COLUMNS = (
    "method",
    "searches",
    *(f"log HV difference, {h} h" for h in HOURS),
    *(f"log HV difference, {kg} kg" for kg in KILOGRAMS),
    "evaluations",
    "emissions, kg",
    "HV share, median",
    "q1",
    "q3",
)


def at_emissions(result, missing: np.ndarray, grams: float) -> float | None:
    """Median over all searches of `missing` (n, H) at the last hour in which they had emitted no more than so much.

    Every search counts, whatever it emits, so that all methods are compared on the same ones. None where half of them
    never emit so much: that would be their end.
    """
    spent = np.cumsum(np.asarray(result.intervals.emissions_g, float), axis=1)
    rows = [m[max(np.searchsorted(s, grams, side="right") - 1, 0)] for s, m in zip(spent, missing, strict=True)]
    return float(np.median(rows)) if (spent[:, -1] >= grams).mean() > 0.5 else None


def main(arguments=None):
    study = Study.begin("simulate_progress", __doc__, arguments, 10, methods=COMPARED)
    hours = study.hours
    for label in ["random search"] if study.options.smoke else study.options.methods:
        result, benchmark = run(METHODS[label], "full", study.seeds, hours, name=study.table)
        largest = float(benchmark.largest)
        missing = np.log(np.maximum(largest - np.asarray(result.intervals.hypervolume, float), 1e-3))
        by_hour = [float(np.median(missing[:, h - 1])) if h <= hours else None for h in HOURS]
        by_gram = [at_emissions(result, missing, 1000 * kg) for kg in KILOGRAMS]
        totals = [float(np.median(result.count)), float(np.median(result.emissions_g)) / 1000]
        study.add(label, study.seeds, *by_hour, *by_gram, *totals, *quartiles(result.hypervolume / largest))
    return study.end(
        title="Search progress over hours and over emissions",
        columns=COLUMNS,
        expected="ahead of vanilla LaMOO at every hour with the predictor; per gram the most with planning",
        notes=[
            "NAS-Bench-201 on CIFAR-10, error against FPGA energy; 8 devices, 80 h, full accounting; medians.",
            f"{HELD_OUT[:-1]}; true forecasts.",
            "By emissions all searches count, one that emits less with its end; a cell is empty where half of them "
            "never emit so much.",
        ],
    )


if __name__ == "__main__":
    main()
