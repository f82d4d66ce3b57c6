"""Hypervolume under carbon budgets of 5, 10, 30 and 50 kg with the true, a forecast and no future.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.budgets [--smoke] [--seeds N]
Expected: PPO ahead of the heuristic and of the best static split at every budget, within 5 % of the oracle.
Cost:     52 seeds take about ten minutes on two cores, 208 four times as long; the data folder is JCENAS_DATA.

The released accounting, in which the paper's budgets are: 1 kW for each training device. Forecasts: the truth, or the
shipped model, which sees the week before each hour; without one (none) the policy is told that the intensity stays as
it is.
"""

import numpy as np

from experiments.cenas.common import HELD_OUT, METHODS, SEEN_BEFORE, Study, ours, quartiles, run

BUDGETS_KG = (5, 10, 30, 50)
POLICIES = {
    "heuristic": METHODS["jcenas, heuristic"],
    "static:0.125": ours("static:0.125"),
    "static:0.25": ours("static:0.25"),
    "static:0.5": ours("static:0.5"),
    "evaluate-all": METHODS["jcenas, always"],
    "plan": ours("plan:1"),
    "pace": ours("pace"),
    "PPO": METHODS["jcenas, PPO"],
    "oracle": ours("oracle:1"),
}
FORECASTS: dict[str, tuple[str, ...]] = dict.fromkeys(("plan", "pace", "PPO"), ("actual", "model", "none"))
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
    "-ln(1 - share), mean",
    "standard error",
)


def main(arguments=None):
    study = Study.begin(__doc__, arguments, 12, policies=tuple(POLICIES), budgets=BUDGETS_KG)
    smoke = study.options.smoke
    policies, budgets = (["oracle"], [2]) if smoke else (study.options.policies, study.options.budgets)
    for kg in budgets:
        shares = []
        for label in policies:
            for future in FORECASTS.get(label, ("actual",)):
                setting = {"forecast": future, "budget_g": 1000.0 * kg, "name": study.table}
                result, benchmark = run(POLICIES[label], "released", study.seeds, study.hours, **setting)
                share = np.asarray(result.hypervolume, float) / float(benchmark.largest)
                shares.append((label, share))
                level = -np.log(np.maximum(1 - share, 1e-6))
                spread = float(np.mean(level)), float(np.std(level, ddof=1) / np.sqrt(study.seeds))
                middle = float(np.median(result.count))
                study.add(kg, label, future, study.seeds, *quartiles(share), middle, None, *spread)
        best = [np.median(share) for label, share in shares if label == "oracle"]
        for row, (_, share) in zip(study.rows[-len(shares) :], shares, strict=True):
            row[COLUMNS.index("share of oracle")] = float(np.median(share) / best[0]) if best else None
    return study.end(
        "simulate_budgets",
        title="Hypervolume under a carbon budget",
        columns=COLUMNS,
        expected="PPO ahead of the heuristic and of every static split at every budget, within 5 % of the oracle",
        notes=[
            "Share: of the largest hypervolume. Near 1 the medians lie close together; the means of the logarithm of "
            "what is missing tell policies apart, and their standard errors say whether they differ.",
            "NAS-Bench-201 with CE-NAS's columns, released accounting, 10 free evaluations, 8 devices, 80 h; "
            "predictor as cheap stage.",
            HELD_OUT,
            SEEN_BEFORE,
        ],
    )


if __name__ == "__main__":
    main()
