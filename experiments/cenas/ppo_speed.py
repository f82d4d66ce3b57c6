"""Speed of PPO: environment steps a second, training included, on CartPole.

Command:  OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.ppo_speed [--smoke]
Expected: at least 226,000 steps/s with 4 environments and 259,000 with 8 on two cores; a mean return above 300.
Cost:     about two minutes on two cores.

128 steps, 4 epochs, 4 minibatches, two hidden layers of 64 units. Learning is checked before speed is reported.
stable-baselines3 is installed by this script and trained with the same settings. The goals are purejaxrl's figures,
measured once on a machine like CI's; its published release does not run with today's packages.
"""

import argparse
import pathlib

import jax
import numpy as np

from experiments.cenas.cartpole import cartpole
from experiments.forecast.speed import TORCH
from experiments.lib.recording import NOT_APPLICABLE, compile_timed, record, time_calls
from experiments.moo import peers as moo_peers
from jcenas.alloc.ppo import PpoConfig, make_train

COLUMNS = (
    "who",
    "environments",
    "environment steps",
    "compile s",
    "median s",
    "steps/s",
    "goal steps/s",
    "mean return, last tenth",
)
GOALS = {4: 226_000, 8: 259_000}
PEER = pathlib.Path(__file__).with_name("ppo_peer.py")
PEER_PACKAGES = (*TORCH, "stable-baselines3", "gymnasium", "cloudpickle", "farama-notifications")
PEER_STEPS = 100_000


def peer_row(environments: int) -> list:
    """stable-baselines3 with as many environments; None in every cell where it cannot be installed."""
    found = moo_peers.run_script("stable-baselines3", PEER, PEER_PACKAGES, environments, PEER_STEPS)
    if found is None:
        return ["stable-baselines3", environments, *[None] * (len(COLUMNS) - 2)]
    speed = found["steps"] / found["seconds"]
    who = f"stable-baselines3 {found['version']}"
    return [who, environments, found["steps"], NOT_APPLICABLE, found["seconds"], speed, NOT_APPLICABLE, found["return"]]


def our_row(environments: int, updates: int, repeats: int, *, least: float = 0.0) -> list:
    """Train on CartPole and time it.

    Raises:
      RuntimeError: the mean return of the last tenth of the updates is not above `least`.
    """
    config = PpoConfig(environments=environments, updates=updates, learning_rate=2.5e-3, normalise=False)
    train, compiling = compile_timed(make_train(config, cartpole()), jax.random.key(0))
    _, metrics = train(jax.random.key(0))
    last = float(np.nanmean(np.asarray(metrics.episode_return)[-max(updates // 10, 1) :]))
    if not last > least:
        raise RuntimeError(f"CartPole is not learnt: mean return {last:.0f}")
    timing = time_calls(train, jax.random.key(1), repeats=repeats, warmup=0)
    steps = updates * config.steps * environments
    compile_s = compiling["trace_s"] + compiling["compile_s"]
    speed, goal = steps / timing["median_s"], GOALS.get(environments, NOT_APPLICABLE)
    return ["jcenas", environments, steps, compile_s, timing["median_s"], speed, goal, last]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="few updates, nothing recorded, no check of learning")
    smoke = parser.parse_args(arguments).smoke
    rows = []
    for environments in (4,) if smoke else (4, 8):
        updates = 4 if smoke else 400_000 // (128 * environments)
        rows.append(our_row(environments, updates, 1 if smoke else 3, least=0 if smoke else 300))
        if not smoke:
            rows.append(peer_row(environments))
    for row in rows:
        print(*(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row), sep="\t", flush=True)
    if not smoke:
        record(
            "ppo_speed",
            title="Speed of PPO on CartPole",
            command="OPENBLAS_NUM_THREADS=1 python -m experiments.cenas.ppo_speed",
            columns=COLUMNS,
            rows=rows,
            expected="at least 226,000 steps/s with 4 environments and 259,000 with 8",
            notes=[
                "128 steps, 4 epochs, 4 minibatches, two layers of 64 units; training included; median of 3 runs.",
                f"stable-baselines3: one run of {PEER_STEPS:,} steps on one thread (on two it is slower).",
            ],
        )
    return rows


if __name__ == "__main__":
    main()
