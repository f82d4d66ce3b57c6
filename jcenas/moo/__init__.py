"""Multi-objective optimisation on device: Pareto tools, exact hypervolume and optimisers as (init, ask, tell)."""

from jcenas.moo.attainment import attainment_surface
from jcenas.moo.bayesian import bayesian, ms_ehvi
from jcenas.moo.box import Box
from jcenas.moo.contribution import contributions, improvement
from jcenas.moo.expected import expected_improvement
from jcenas.moo.fidelity import Budgeted
from jcenas.moo.history import History
from jcenas.moo.hypervolume import hypervolume
from jcenas.moo.indicators import additive_epsilon, extremes, igd_plus, knee
from jcenas.moo.lamoo import LamooConfig, lamoo
from jcenas.moo.nsga2 import nsga2
from jcenas.moo.pareto import crowding_distance, dominance_number, dominates, non_dominated, ranks
from jcenas.moo.random_search import random_search
from jcenas.moo.semoa import semoa
from jcenas.moo.sh_emoa import ShEmoaConfig, sh_emoa
from jcenas.moo.surrogate import SurrogateConfig
from jcenas.moo.svm import SvmConfig
from jcenas.moo.types import Optimizer, Space

__all__ = [
    "Box",
    "Budgeted",
    "History",
    "LamooConfig",
    "Optimizer",
    "ShEmoaConfig",
    "Space",
    "SurrogateConfig",
    "SvmConfig",
    "additive_epsilon",
    "attainment_surface",
    "bayesian",
    "contributions",
    "crowding_distance",
    "dominance_number",
    "dominates",
    "expected_improvement",
    "extremes",
    "hypervolume",
    "igd_plus",
    "improvement",
    "knee",
    "lamoo",
    "ms_ehvi",
    "non_dominated",
    "nsga2",
    "random_search",
    "ranks",
    "semoa",
    "sh_emoa",
]


def __dir__() -> list[str]:
    return __all__
