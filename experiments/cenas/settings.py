"""What a change of stage costs, what a deadline does, and whole against fractional actions of the PPO allocator.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.settings [--smoke] [--seeds N]
Expected: 10 minutes a switch cost little, policies that switch often the most; a deadline costs hypervolume, and
          planning the least; discrete and continuous actions within each other's quartiles.
Cost:     52 seeds take about fifteen minutes on two cores, training of two policies included; data: JCENAS_DATA.

Switching: seconds that a device loses when it changes stage, without a carbon budget. Deadline: 10 kg may be spent
within 20 hours (within 80: `simulate_budgets`). Action: two policies trained alike but for the action (`jcenas
train-policy`, both accountings, other grids and months), under 10 and 30 kg. All in the released accounting but for
switching, which draws power in the full one only.
"""

import pathlib
import tempfile

import numpy as np

from experiments.cenas.common import HELD_OUT, METHODS, Method, Study, ours, quartiles, run
from jcenas.sim.config import TrainPolicyConfig
from jcenas.sim.train_policy import measure_accountings, train_policy

SWITCH_S = (0.0, 600.0)
DEADLINES_H = (20,)
SWITCHING = {
    "heuristic": METHODS["jcenas, heuristic"],
    "plan:0.35": METHODS["jcenas, plan"],
    "PPO": METHODS["jcenas, PPO"],
}
HURRIED = {
    "evaluate-all": METHODS["jcenas, always"],
    "heuristic": METHODS["jcenas, heuristic"],
    "plan": ours("plan:1"),
    "PPO": METHODS["jcenas, PPO"],
}
COLUMNS = (
    "study",
    "policy",
    "setting",
    "searches",
    "HV share, median",
    "q1",
    "q3",
    "evaluations",
    "emissions, kg",
    "switching, device-hours",
)


def outcome(result, benchmark) -> list:
    """The cells of a row behind its setting."""
    share = np.asarray(result.hypervolume, float) / float(benchmark.largest)
    switching = np.asarray(result.intervals.device_s["switching"], float).sum(axis=1) / 3600
    totals = [np.median(result.count), np.median(result.emissions_g) / 1000, np.median(switching)]
    return [len(share), *quartiles(share), *(float(x) for x in totals)]


def trained(folder: pathlib.Path, table: str, updates: int) -> dict[str, Method]:
    """Policies with discrete and continuous actions, trained alike."""
    methods, accountings = {}, measure_accountings(TrainPolicyConfig(table=table))
    for action in ("discrete", "continuous"):
        out = folder / f"{action}.npz"
        config = TrainPolicyConfig(out=out, table=table, updates=updates, action=action)
        train_policy(config, accountings=accountings)
        methods[f"PPO, {action}"] = ours(str(out))
    return methods


def main(arguments=None):
    study = Study.begin(
        "simulate_settings",
        __doc__,
        arguments,
        12,
        studies=("switching", "deadline", "action"),
        policies=tuple({**SWITCHING, **HURRIED}),
    )
    smoke, studies = study.options.smoke, study.options.studies
    seeds, hours, name = study.seeds, study.hours, study.table

    def chosen(methods):
        return [(label, method) for label, method in methods.items() if label in study.options.policies]

    if "switching" in studies:
        for label, method in chosen(SWITCHING)[: 1 if smoke else None]:
            for seconds in (600.0,) if smoke else SWITCH_S:
                done = run(method, "full", seeds, hours, name=name, switch_s=seconds)
                study.add("switching", label, f"{seconds:g} s", *outcome(*done))
    if "deadline" in studies and not smoke:
        for label, method in chosen(HURRIED):
            for most in DEADLINES_H:
                done = run(method, "released", seeds, most, name=name, budget_g=10_000.0)
                study.add("deadline, 10 kg", label, f"{most} h", *outcome(*done))
    if "action" in studies and not smoke:
        with tempfile.TemporaryDirectory() as folder:
            for label, method in trained(pathlib.Path(folder), name, 300).items():
                for kg in (10, 30):
                    done = run(method, "released", seeds, hours, name=name, budget_g=1000.0 * kg)
                    study.add("action", label, f"{kg} kg", *outcome(*done))
    return study.end(
        title="Switching, deadlines and kinds of action",
        columns=COLUMNS,
        expected="10 minutes a switch cost little; a deadline costs hypervolume; both kinds of action are alike",
        notes=[
            "NAS-Bench-201, 8 devices; switching: full accounting, 80 h, no budget; else: released accounting.",
            f"{HELD_OUT[:-1]}; true forecasts.",
        ],
    )


if __name__ == "__main__":
    main()
