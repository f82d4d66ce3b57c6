"""Multi-objective optimisation on device: Pareto tools, exact hypervolume and optimisers as (init, ask, tell)."""

from jcenas.moo.contribution import contributions, improvement
from jcenas.moo.history import History
from jcenas.moo.hypervolume import hypervolume
from jcenas.moo.lamoo import LamooConfig, lamoo
from jcenas.moo.pareto import crowding_distance, dominance_number, dominates, non_dominated, ranks
from jcenas.moo.random_search import random_search
from jcenas.moo.types import Optimizer, Space

__all__ = [
    "History",
    "LamooConfig",
    "Optimizer",
    "Space",
    "contributions",
    "crowding_distance",
    "dominance_number",
    "dominates",
    "hypervolume",
    "improvement",
    "lamoo",
    "non_dominated",
    "random_search",
    "ranks",
]
