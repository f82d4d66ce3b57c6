"""Hypervolume under carbon budgets of 5, 10, 30 and 50 kg with the true, a forecast and no future.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.simulate_budgets [--smoke] [--seeds N]
Expected: PPO ahead of the heuristic and of the best static split at every budget, within 5 % of the oracle.
Cost:     52 seeds take about twenty minutes on two cores; the data folder is JCENAS_DATA.

The released accounting, in which the paper's budgets are: 1 kW for each training device. Forecasts: the shipped model,
which sees the week before each hour, or persistence, every hour as the day before; without one (none) the policy is
told that the intensity stays as it is.
"""

import argparse

import numpy as np

from experiments.recording import record
from experiments.simulate_common import METHODS, Method, quartiles, run, use_all_cores

BUDGETS_KG = (5, 10, 30, 50)
POLICIES = {
    "heuristic": METHODS["jcenas, heuristic"],
    "static:0.25": Method("lamoo", "predictor", "static:0.25"),
    "static:0.5": Method("lamoo", "predictor", "static:0.5"),
    "evaluate-all": METHODS["jcenas, always"],
    "plan": Method("lamoo", "predictor", "plan:1"),
    "PPO": METHODS["jcenas, PPO"],
    "oracle": Method("lamoo", "predictor", "oracle:1"),
}
FORECASTS = dict.fromkeys(("plan", "PPO"), ("actual", "model", "persistence", "none"))
COLUMNS = (
    "budget, kg",
    "policy",
    "future",
    "searches",
    "HV share, median",
    "q1",
    "q3",
    "evaluations",
    "share of oracle",
)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="the toy table, two searches, 12 hours, nothing recorded")
    parser.add_argument("--seeds", type=int, default=52)
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--budgets", nargs="+", type=float, default=list(BUDGETS_KG))
    parser.add_argument("--dry", action="store_true", help="print, but record nothing")
    options = parser.parse_args(arguments)
    use_all_cores()
    seeds, hours, name = (2, 12, "toy") if options.smoke else (options.seeds, 80, "nasbench201")
    policies, budgets = (["oracle"], [2.0]) if options.smoke else (options.policies, options.budgets)
    rows = []
    for kg in budgets:
        shares = []
        for label in policies:
            for future in FORECASTS.get(label, ("actual",)):
                setting = {"forecast": future, "budget_g": 1000.0 * kg, "name": name}
                result, benchmark = run(POLICIES[label], "released", seeds, hours, **setting)
                share = np.asarray(result.hypervolume, float) / float(benchmark.largest)
                shares.append((label, share))
                rows.append([kg, label, future, seeds, *quartiles(share), float(np.median(result.count)), None])
                print(*(f"{c:.4g}" if isinstance(c, float) else c for c in rows[-1]), sep="\t", flush=True)
        best = [np.median(share) for label, share in shares if label == "oracle"]
        for row, (_, share) in zip(rows[-len(shares) :], shares, strict=True):
            row[-1] = float(np.median(share) / best[0]) if best else None
    if not options.smoke and not options.dry:
        record(
            "simulate_budgets",
            title="Hypervolume under a carbon budget",
            command="OPENBLAS_NUM_THREADS=1 python -m experiments.simulate_budgets",
            columns=COLUMNS,
            rows=rows,
            expected="PPO ahead of the heuristic and of every static split at every budget, within 5 % of the oracle",
            notes=[
                "NAS-Bench-201 with CE-NAS's columns, released accounting, 10 free evaluations, 8 devices, 80 h; "
                "predictor as cheap stage.",
                "California, PJM, Texas and Germany in turn, starts in July to December 2023.",
            ],
        )
    return rows


if __name__ == "__main__":
    main()
