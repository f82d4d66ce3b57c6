"""Multi-objective optimisation on device: Pareto tools, exact hypervolume and optimisers as (init, ask, tell)."""

from jcenas.moo.attainment import attainment_surface
from jcenas.moo.bayesian import bayesian, ms_ehvi
from jcenas.moo.box import Box
from jcenas.moo.contribution import contributions, improvement
from jcenas.moo.expected import expected_improvement
from jcenas.moo.fidelity import Budgeted
from jcenas.moo.goals import Goals, with_goals
from jcenas.moo.history import History
from jcenas.moo.hypervolume import hypervolume
from jcenas.moo.indicators import additive_epsilon, extremes, igd_plus, knee
from jcenas.moo.lamoo import LamooConfig, lamoo, lamoo_ehvi
from jcenas.moo.nsga2 import nsga2, nsga2_by_reference
from jcenas.moo.pareto import crowding_distance, dominance_number, dominates, non_dominated, ranks
from jcenas.moo.random_search import random_by_reference, random_search
from jcenas.moo.semoa import semoa
from jcenas.moo.sh_emoa import ShEmoaConfig, sh_emoa
from jcenas.moo.study import Results, Study
from jcenas.moo.surrogate import SurrogateConfig
from jcenas.moo.svm import SvmConfig
from jcenas.moo.types import Optimizer, Space

__all__ = [
    "Box",
    "Budgeted",
    "Goals",
    "History",
    "LamooConfig",
    "Optimizer",
    "Results",
    "ShEmoaConfig",
    "Space",
    "Study",
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
    "lamoo_ehvi",
    "ms_ehvi",
    "non_dominated",
    "nsga2",
    "nsga2_by_reference",
    "random_by_reference",
    "random_search",
    "ranks",
    "semoa",
    "sh_emoa",
    "with_goals",
]


def __dir__() -> list[str]:
    return __all__
