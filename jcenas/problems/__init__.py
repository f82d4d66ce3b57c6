"""What a search is about: a space with its costs and features, and how one architecture is evaluated."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.problems.budget import EvaluationBudget as EvaluationBudget
    from jcenas.problems.darts import DartsProblem as DartsProblem
    from jcenas.problems.function import FunctionProblem as FunctionProblem
    from jcenas.problems.mobilenet import MobileNetProblem as MobileNetProblem
    from jcenas.problems.nasbench101 import NasBench101Problem as NasBench101Problem
    from jcenas.problems.nasbench201 import NasBench201Problem as NasBench201Problem
    from jcenas.problems.nasnet import NasNetProblem as NasNetProblem
    from jcenas.problems.network import NetworkProblem as NetworkProblem
    from jcenas.problems.network import Skeleton as Skeleton
    from jcenas.problems.problem import Problem as Problem
    from jcenas.problems.table import TableProblem as TableProblem
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)
