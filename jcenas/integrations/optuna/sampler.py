"""The optimisers of jcenas as a sampler of Optuna's studies.

    study = optuna.create_study(sampler=MooSampler(), directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=100)

Any distributions, any number of directions from one on, constraints (`trial.set_constraint`), trials that run at once,
studies in a storage that several processes share, and trials of other samplers, which are a warm start.
"""

import secrets
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution  # pyright: ignore[reportMissingImports]
from optuna.samplers import BaseSampler, RandomSampler  # pyright: ignore[reportMissingImports]
from optuna.search_space import IntersectionSearchSpace  # pyright: ignore[reportMissingImports]
from optuna.study import Study, StudyDirection  # pyright: ignore[reportMissingImports]
from optuna.trial import FrozenTrial, TrialState  # pyright: ignore[reportMissingImports]

from jcenas import moo, registry
from jcenas.errors import InputError
from jcenas.integrations.optuna.variables import Variable, mixed, variables


class MooSampler(BaseSampler):
    """Proposes all parameters of a trial together; parameters that not every trial has are drawn at random."""

    def __init__(
        self,
        optimizer: str = "lamoo-ehvi",
        *,
        reference: list[float] | None = None,
        n_startup_trials: int = 10,
        seed: int | None = None,
    ):
        """Choose the optimiser; nothing is compiled before the start-up trials are over.

        Args:
            optimizer: a name of `jcenas list optimizer`.
            reference: what a trial's values must be better than to count, one for each direction. None takes it from
                the start-up trials (`jcenas.moo.goals.first_reference`).
            n_startup_trials: trials that are drawn at random; complete ones of other samplers count.
            seed: of all draws; None takes one from the system.

        Raises:
            InputError: an unknown optimiser, or no start-up trial.
        """
        registry.check("optimizer", optimizer)
        if n_startup_trials < 1:
            raise InputError(f"n_startup_trials {n_startup_trials}: must be at least 1")
        self._optimizer, self._reference, self._startup = optimizer, reference, n_startup_trials
        self._seed = secrets.randbits(31) if seed is None else seed
        self._random = RandomSampler(seed=self._seed)
        self._forget()

    def _forget(self) -> None:
        """Begin without a search; the next trial makes one, and tells it what the study holds."""
        self._common = IntersectionSearchSpace()
        self._known: tuple[Any, ...] = ()
        self._variables: dict[str, Variable] = {}
        self._study: moo.Study | None = None
        self._told: dict[int, TrialState] = {}
        self._one_at_a_time = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Settings and draws: a sampler that was pickled learns from the study again."""
        kept = ("_optimizer", "_reference", "_startup", "_seed", "_random")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As pickled."""
        for name, value in state.items():
            setattr(self, name, value)
        self._forget()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that all complete trials have, those apart that have but one value."""
        common = self._common.calculate(study)
        return {name: distribution for name, distribution in common.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of the parameters by the optimiser; none while there are start-up trials to come."""
        trials = study.get_trials(deepcopy=False)
        complete = sum(one.state == TrialState.COMPLETE for one in trials)
        if not search_space or complete < self._startup:
            return {}
        with self._one_at_a_time:
            search = self._search(study, search_space)
            for one in trials:
                if one.number != trial.number and one.state != TrialState.WAITING:
                    self._tell(search, one, len(study.directions))
            [genome] = search.ask().tolist()
            found = zip(self._variables.items(), genome, strict=True)
            return {name: one.value(choice) for (name, one), choice in found}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value drawn at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw other numbers from here on, in a search that is to be made too; one that threads share stays."""
        self._random.reseed_rng()
        self._seed = secrets.randbits(31)

    def _search(self, study: Study, space: Mapping[str, BaseDistribution]) -> moo.Study:
        """The search of this study and these parameters; another one begins anew, and is told all trials."""
        known = (study.study_name, *space.items())
        if self._study is None or known != self._known:
            self._known, self._variables, self._told = known, variables(space), {}
            self._study = moo.Study(
                mixed(self._variables),
                registry.load("optimizer", self._optimizer),
                reference=self._reference,
                maximise=[direction == StudyDirection.MAXIMIZE for direction in study.directions],
                constraints=1,
                seed=self._seed,
            )
        return self._study

    def _tell(self, search: moo.Study, trial: FrozenTrial, m: int) -> None:
        """Tell what is new of a trial; what runs, failed or was pruned as a failure, so that it is not tried again."""
        if self._told.get(trial.number) == trial.state or not self._variables.keys() <= trial.params.keys():
            return
        self._told[trial.number] = trial.state
        genome = [one.choice(trial.params[name]) for name, one in self._variables.items()]
        values = trial.values if trial.state == TrialState.COMPLETE else [np.nan] * m
        search.tell(np.array([genome]), np.array([values], float), np.array([_violation(trial)]))


def _violation(trial: FrozenTrial) -> float:
    """By how much a trial misses its constraints, all together."""
    stated = getattr(trial, "constraints", None)  # of Optuna 5; before, samplers left a list in the attributes
    values = trial.system_attrs.get("constraints") or () if stated is None else stated.values()
    return float(sum(max(value, 0.0) for value in values))
