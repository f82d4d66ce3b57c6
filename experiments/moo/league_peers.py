"""Optuna, pymoo, botorch and SMAC3 behind the league's `ask` and `tell`; each is imported when it is made.

Letters: n proposals, d variables, m objectives.
"""

import functools
import warnings
from typing import Any

import numpy as np

from experiments.moo.league_problems import Problem
from experiments.moo.peers import PACKAGES

TORCH = PACKAGES["botorch"]
_POPULATION = 20
_INITIAL = 10  # uniform samples before a model
_POOL = 1024  # candidates of botorch's discrete optimisation


class Optuna:
    """A sampler of Optuna, asked for a batch of trials that are told together."""

    def __init__(self, sampler: str, problem: Problem, *, batch: int, evaluations: int, seed: int):
        import optuna

        del evaluations
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        samplers = optuna.samplers
        made = {
            # The constant liar is what its documentation advises for trials that run at once.
            "tpe": lambda: samplers.TPESampler(multivariate=True, constant_liar=batch > 1, seed=seed),
            "nsga2": lambda: samplers.NSGAIISampler(population_size=_POPULATION, seed=seed),
            "gp": lambda: samplers.GPSampler(seed=seed),
        }[sampler]()
        sizes = problem.space.cardinalities
        if problem.ordinal:
            self._space = {f"x{i}": optuna.distributions.IntDistribution(0, n - 1) for i, n in enumerate(sizes)}
        else:
            self._space = {
                f"x{i}": optuna.distributions.CategoricalDistribution(tuple(range(n))) for i, n in enumerate(sizes)
            }
        self._study = optuna.create_study(directions=["minimize"] * len(problem.reference), sampler=made)
        self._batch, self._trials = batch, []

    def ask(self) -> np.ndarray:
        """Genomes, int (batch, d)."""
        self._trials = [self._study.ask(self._space) for _ in range(self._batch)]
        return np.array([[trial.params[name] for name in self._space] for trial in self._trials])

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives of what was asked for."""
        for trial, values in zip(self._trials, objectives, strict=True):
            self._study.tell(trial, values.tolist())


class Pymoo:
    """NSGA-II or SMS-EMOA of pymoo: whole generations where the batch is the population, else one child at a time."""

    def __init__(self, name: str, problem: Problem, *, batch: int, evaluations: int, seed: int):
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.algorithms.moo.sms import SMSEMOA
        from pymoo.termination import get_termination

        del evaluations
        make: Any = {"nsga2": NSGA2, "sms": SMSEMOA}[name]
        self._problem, operators = _pymoo_problem(problem)
        self._algorithm = make(pop_size=_POPULATION, n_offsprings=batch, **operators)
        self._algorithm.setup(self._problem, termination=get_termination("n_gen", 10**9), seed=seed, verbose=False)
        self._asked: Any = None

    def ask(self) -> np.ndarray:
        """Genomes: of a whole population at first, then of a batch; none where no new child was found."""
        self._asked = self._algorithm.ask()
        rows = [] if self._asked is None else [_row(one.X) for one in self._asked]
        return np.array(rows, int).reshape(-1, self._problem.n_var)

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives of what was asked for."""
        if len(objectives):
            self._asked.set("F", objectives)
            self._algorithm.tell(infills=self._asked)


def _row(x: Any) -> list[int]:
    return [int(x[f"x{i}"]) for i in range(len(x))] if isinstance(x, dict) else [round(float(v)) for v in x]


def _pymoo_problem(problem: Problem) -> tuple[Any, dict[str, Any]]:
    """The problem as pymoo states it, and operators that suit its variables."""
    from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating, MixedVariableSampling
    from pymoo.core.problem import Problem as Stated
    from pymoo.core.variable import Choice
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    sizes, m = problem.space.cardinalities, len(problem.reference)
    if problem.ordinal:
        stated = Stated(n_var=len(sizes), n_obj=m, xl=0, xu=np.array(sizes) - 1, vtype=int)
        return stated, {
            "sampling": IntegerRandomSampling(),
            "crossover": SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
            "mutation": PM(eta=20, vtype=float, repair=RoundingRepair()),
            "eliminate_duplicates": True,
        }
    stated = Stated(vars={f"x{i}": Choice(options=list(range(n))) for i, n in enumerate(sizes)}, n_obj=m)
    alike = MixedVariableDuplicateElimination()
    return stated, {
        "sampling": MixedVariableSampling(),
        "mating": MixedVariableMating(eliminate_duplicates=alike),
        "eliminate_duplicates": alike,
    }


class Botorch:
    """qLogNEHVI of botorch over a random pool; a Hamming kernel where variables are names, else a Matérn one."""

    def __init__(self, problem: Problem, *, batch: int, evaluations: int, seed: int):
        import torch

        del evaluations
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self._problem, self._batch, self._random = problem, batch, np.random.default_rng(seed)
        self._sizes = np.array(problem.space.cardinalities)
        self._x, self._y = np.zeros((0, len(self._sizes)), int), np.zeros((0, len(problem.reference)))
        self._asked = self._x

    def ask(self) -> np.ndarray:
        """Genomes, int (batch, d): uniform at first."""
        size = _POOL if len(self._x) >= _INITIAL else self._batch
        pool = self._problem.nearest(self._random.integers(0, self._sizes, (size, len(self._sizes))))
        if size == _POOL:
            known = {row.tobytes() for row in self._x}
            fresh = [row for row in np.unique(pool, axis=0) if row.tobytes() not in known]
            pool = self._chosen(np.array(fresh if len(fresh) >= self._batch else pool))
        self._asked = pool.astype(int)
        return self._asked

    def _chosen(self, pool: np.ndarray) -> np.ndarray:
        import torch
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import MixedSingleTaskGP, ModelListGP, SingleTaskGP
        from botorch.models.transforms import Standardize
        from botorch.optim import optimize_acqf_discrete
        from gpytorch.mlls import SumMarginalLogLikelihood

        scale = torch.tensor(np.maximum(self._sizes - 1, 1), dtype=torch.double)
        x, y = torch.tensor(self._x).double() / scale, -torch.tensor(self._y)
        names = list(range(len(self._sizes)))
        kind = SingleTaskGP if self._problem.ordinal else functools.partial(MixedSingleTaskGP, cat_dims=names)
        model = ModelListGP(*(kind(x, y[:, i : i + 1], outcome_transform=Standardize(1)) for i in range(y.shape[1])))
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model, ref_point=(-self._problem.reference).tolist(), X_baseline=x, prune_baseline=True
        )
        choices = torch.tensor(pool).double() / scale
        found, _ = optimize_acqf_discrete(acquisition, q=self._batch, choices=choices, unique=True)
        return np.rint((found * scale).numpy())

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives of what was asked for."""
        self._x, self._y = np.concatenate([self._x, self._asked]), np.concatenate([self._y, objectives])


class Smac:
    """SMAC3's facade for hyper-parameters (a random forest) with ParEGO for several objectives."""

    def __init__(self, problem: Problem, *, batch: int, evaluations: int, seed: int):
        import tempfile

        import ConfigSpace
        from smac import HyperparameterOptimizationFacade, Scenario
        from smac.multi_objective import ParEGO

        space = ConfigSpace.ConfigurationSpace(seed=seed)
        for i, n in enumerate(problem.space.cardinalities):
            if problem.ordinal and n > 1:
                space.add(ConfigSpace.UniformIntegerHyperparameter(f"x{i}", 0, n - 1))
            else:
                space.add(ConfigSpace.CategoricalHyperparameter(f"x{i}", list(range(n))))
        self._names = [f"objective_{i}" for i in range(len(problem.reference))]
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            space,
            objectives=self._names,
            n_trials=100 * evaluations,
            seed=seed,
            deterministic=True,
            output_directory=self._folder.name,
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: {}, multi_objective_algorithm=ParEGO(scenario), logging_level=False
        )
        self._variables, self._batch, self._asked = len(problem.space.cardinalities), batch, []

    def ask(self) -> np.ndarray:
        """Genomes, int (batch, d)."""
        self._asked = [self._smac.ask() for _ in range(self._batch)]
        return np.array([[int(one.config[f"x{i}"]) for i in range(self._variables)] for one in self._asked])

    def tell(self, objectives: np.ndarray) -> None:
        """Take in the objectives of what was asked for."""
        from smac.runhistory.dataclasses import TrialValue

        for info, values in zip(self._asked, objectives, strict=True):
            self._smac.tell(info, TrialValue(cost=values.tolist()))
