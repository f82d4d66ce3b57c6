"""Search progress over hours and over emissions: PPO, heuristic, vanilla LaMOO, one-shot LaMOO, random search.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.simulate_progress [--smoke] [--seeds N]
Expected: with the predictor as cheap stage, ahead of vanilla LaMOO at every hour; per gram the most with planning.
Cost:     52 seeds take about fifteen minutes on two cores; the data folder is JCENAS_DATA.
"""

import argparse

import numpy as np

from experiments.recording import record
from experiments.simulate_common import METHODS, quartiles, run, use_all_cores

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
    """Median over the searches that emitted so much of `missing` (n, H) at the last hour that was not dearer."""
    spent = np.cumsum(np.asarray(result.intervals.emissions_g, float), axis=1)
    rows = [m[max(np.searchsorted(s, grams, side="right") - 1, 0)] for s, m in zip(spent, missing, strict=True)]
    enough = spent[:, -1] >= grams
    return float(np.median(np.array(rows)[enough])) if enough.mean() > 0.5 else None


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="the toy table, two searches, 10 hours, nothing recorded")
    parser.add_argument("--seeds", type=int, default=52)
    parser.add_argument("--methods", nargs="+", default=list(COMPARED))
    parser.add_argument("--dry", action="store_true", help="print, but record nothing")
    options = parser.parse_args(arguments)
    use_all_cores()
    seeds, hours, name = (2, 10, "toy") if options.smoke else (options.seeds, 80, "nasbench201")
    rows = []
    for label in ["random search"] if options.smoke else options.methods:
        result, benchmark = run(METHODS[label], "full", seeds, hours, name=name)
        largest = float(benchmark.largest)
        missing = np.log(np.maximum(largest - np.asarray(result.intervals.hypervolume, float), 1e-3))
        by_hour = [float(np.median(missing[:, h - 1])) if h <= hours else None for h in HOURS]
        by_gram = [at_emissions(result, missing, 1000 * kg) for kg in KILOGRAMS]
        totals = [float(np.median(result.count)), float(np.median(result.emissions_g)) / 1000]
        rows.append([label, seeds, *by_hour, *by_gram, *totals, *quartiles(result.hypervolume / largest)])
        print(*(f"{c:.4g}" if isinstance(c, float) else c for c in rows[-1]), sep="\t", flush=True)
    if not options.smoke and not options.dry:
        record(
            "simulate_progress",
            title="Search progress over hours and over emissions",
            command="OPENBLAS_NUM_THREADS=1 python -m experiments.simulate_progress",
            columns=COLUMNS,
            rows=rows,
            expected="ahead of vanilla LaMOO at every hour with the predictor; per gram the most with planning",
            notes=[
                "NAS-Bench-201 on CIFAR-10, error against FPGA energy; 8 devices, 80 h, full accounting; medians.",
                "California, PJM, Texas and Germany in turn, starts in July to December 2023; true forecasts.",
                "A cell by emissions is empty where half of the searches never emit so much.",
            ],
        )
    return rows


if __name__ == "__main__":
    main()
