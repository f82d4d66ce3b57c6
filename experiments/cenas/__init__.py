"""CE-NAS studies: searches simulated under carbon traces and budgets, and the speed of simulator and PPO."""
