"""Hypervolume under carbon budgets of 5, 10, 30 and 50 kg with the true, a forecast and no future.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.budgets [--smoke] [--seeds N]
Expected: PPO ahead of the heuristic and of the best static split at every budget, within 5 % of the oracle's level.
Cost:     52 seeds take about ten minutes on two cores, 208 four times as long; the data folder is JCENAS_DATA.

The released accounting, in which the paper's budgets are: 1 kW for each training device. Forecasts: the truth, or the
shipped model, which sees the week before each hour; without one (none) the policy is told that the intensity stays as
it is.
"""

import numpy as np

from experiments.cenas.common import HELD_OUT, METHODS, NOT_SEEN, Study, ours, quartiles, run

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
    "-ln(1 - share), mean",
    "standard error",
    "of the oracle's",
)
LEVEL, OF_ORACLE = len(COLUMNS) - 3, len(COLUMNS) - 1


def against_the_oracle(rows: list[list]) -> None:
    """Fill the last cell of each row: its mean level over the oracle's at the same budget; None without an oracle.

    The level, not the share of the largest hypervolume: near 1 all shares are within a few per cent of each other.
    """
    oracle = {row[0]: row[LEVEL] for row in rows if row[1] == "oracle"}
    for row in rows:
        row[OF_ORACLE] = row[LEVEL] / oracle[row[0]] if row[0] in oracle else None


def main(arguments=None):
    study = Study.begin("simulate_budgets", __doc__, arguments, 12, policies=tuple(POLICIES), budgets=BUDGETS_KG)
    smoke = study.options.smoke
    policies, budgets = (["oracle"], [2]) if smoke else (study.options.policies, study.options.budgets)
    for kg in budgets:
        for label in policies:
            for future in FORECASTS.get(label, ("actual",)):
                setting = {"forecast": future, "budget_g": 1000.0 * kg, "name": study.table}
                result, benchmark = run(POLICIES[label], "released", study.seeds, study.hours, **setting)
                share = np.asarray(result.hypervolume, float) / float(benchmark.largest)
                level = -np.log(np.maximum(1 - share, 1e-6))
                spread = float(np.mean(level)), float(np.std(level, ddof=1) / np.sqrt(study.seeds))
                middle = float(np.median(result.count))
                study.add(kg, label, future, study.seeds, *quartiles(share), middle, *spread, None)
    return study.end(
        against_the_oracle,
        title="Hypervolume under a carbon budget",
        columns=COLUMNS,
        expected="PPO ahead of the heuristic and of every static split at every budget, within 5 % of the oracle's",
        notes=[
            "Share: of the largest hypervolume. Near 1 the medians lie close together; the means of the logarithm of "
            "what is missing tell policies apart, their standard errors say whether they differ, and their ratio to "
            "the oracle's how far a policy is from knowing the future.",
            "NAS-Bench-201 with CE-NAS's columns, released accounting, 10 free evaluations, 8 devices, 80 h; "
            "predictor as cheap stage.",
            HELD_OUT,
            NOT_SEEN,
        ],
    )


if __name__ == "__main__":
    main()
