"""Speed of the simulator: 64 complete searches of 80 hours on 8 devices in one call; compilation apart.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.simulator_speed [--smoke]
Expected: at most 32 s for 64 searches on two cores (0.5 s each), compilation at most 30 s.
Cost:     about three minutes on two cores; the data folder is JCENAS_DATA.

Before anything is timed, every search's emissions are compared with the intensities that its hours paid.
"""

import argparse
import time

import jax
import numpy as np

from experiments.cenas.common import METHODS, runner, scenarios, use_all_cores
from experiments.lib.recording import record

COLUMNS = (
    "method",
    "searches",
    "hours",
    "first call s (with compilation)",
    "call s",
    "s a search",
    "evaluations, median",
)
SCENARIOS = 64  # different ones


def measure(label: str, n: int, hours: int, name: str, *, together: int = 1) -> list:
    """The row of `n` searches, `together` of them side by side on a device; beyond 64 the scenarios come again.

    Raises:
      AssertionError: emissions are not those of the intensities that the hours paid.
    """
    method = METHODS[label]
    many, policy, benchmark = runner(method, "released", hours, name, together)
    params, seeds = policy.init_params(jax.random.key(0)), scenarios(method, "released", min(n, SCENARIOS), hours)
    seeds = jax.tree.map(lambda x: x[np.arange(n) % SCENARIOS], seeds)

    def call(key):
        return jax.block_until_ready(many(jax.random.split(key, n), params, benchmark, seeds))

    start = time.perf_counter()
    result = call(jax.random.key(0))
    first = time.perf_counter() - start
    paid = np.sum(np.asarray(result.intervals.energy_kwh) * np.asarray(seeds.intensity), axis=1)
    np.testing.assert_allclose(result.emissions_g, paid, rtol=1e-4)
    start = time.perf_counter()
    result = call(jax.random.key(1))
    again = time.perf_counter() - start
    return [label, n, hours, first, again, again / n, float(np.median(result.count))]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="the toy table, two searches, 10 hours, nothing recorded")
    parser.add_argument("--methods", nargs="+", default=["vanilla LaMOO", "jcenas, plan"])
    options = parser.parse_args(arguments)
    use_all_cores()
    n, hours, name = (2, 10, "toy") if options.smoke else (64, 80, "nasbench201")
    rows = []
    for label in ["random search"] if options.smoke else options.methods:
        rows.append(measure(label, n, hours, name))
        print(*(f"{c:.4g}" if isinstance(c, float) else c for c in rows[-1]), sep="\t", flush=True)
    if not options.smoke:
        record(
            "simulator_speed",
            title="Speed of the simulator",
            command="OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.simulator_speed",
            columns=COLUMNS,
            rows=rows,
            expected="64 searches of 80 h in at most 32 s, compilation at most 30 s",
            notes=["NAS-Bench-201, 8 devices, LaMOO with its full tree rebuilt in every hour that trains."],
        )
    return rows


if __name__ == "__main__":
    main()
