"""stable-baselines3's PPO on CartPole: the peer of `experiments/cenas/ppo_speed.py`.

Run by that script in a Python that has stable-baselines3; prints one JSON line: seconds of a training, its environment
steps, the mean return of the last tenth of its episodes, and the version. One thread: on two it is slower.
"""

import json
import sys
import time

import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecMonitor


class Returns(stable_baselines3.common.callbacks.BaseCallback):
    """Keeps the return of every episode."""

    def _on_training_start(self):
        self.returns = []

    def _on_step(self):
        self.returns += [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        return True


def main(environments: int, steps: int) -> None:
    """Train once and report."""
    torch.set_num_threads(1)
    games = VecMonitor(make_vec_env("CartPole-v1", n_envs=environments, monitor_dir=None))
    batch, length = 128 * environments // 4, 128
    model = PPO(
        "MlpPolicy", games, n_steps=length, batch_size=batch, n_epochs=4, learning_rate=2.5e-3, device="cpu", seed=0
    )
    seen = Returns()
    began = time.perf_counter()
    model.learn(steps, callback=seen)
    seconds = time.perf_counter() - began
    last = float(np.mean(seen.returns[-max(len(seen.returns) // 10, 1) :]))
    found = {"seconds": seconds, "steps": model.num_timesteps, "return": last, "version": stable_baselines3.__version__}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
