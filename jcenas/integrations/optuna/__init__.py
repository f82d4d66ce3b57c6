"""Optuna: its trials in greener hours (`GreenTrials`), and the optimisers of jcenas as a sampler (`MooSampler`)."""

import importlib.util

if importlib.util.find_spec("optuna") is None:
    raise ImportError("jcenas.integrations.optuna needs Optuna; pip install 'jcenas[optuna]'")

from jcenas.integrations.optuna.greener import EMISSIONS, GreenTrials
from jcenas.integrations.optuna.sampler import MooSampler

__all__ = ["EMISSIONS", "GreenTrials", "MooSampler"]
