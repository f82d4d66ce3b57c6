"""Optuna studies in greener hours: a trial waits for its hour, and a study ends at its carbon budget.

    green = GreenTrials(zone="DE", work="6h", deadline="24h", budget_g=500)
    study = optuna.create_study(sampler=green.sampler(optuna.samplers.TPESampler()))
    study.optimize(objective, n_trials=100, callbacks=[green])

A callback of Optuna is called after a trial only, so it is the sampler that waits before one. Trials are not
interrupted. With `n_jobs`, trials that run at once are one time of work of one machine; each process of a distributed
study has an account of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution  # pyright: ignore[reportMissingImports]
from optuna.samplers import BaseSampler, TPESampler  # pyright: ignore[reportMissingImports]
from optuna.study import Study  # pyright: ignore[reportMissingImports]
from optuna.trial import FrozenTrial, TrialState  # pyright: ignore[reportMissingImports]

from jcenas import units
from jcenas.errors import InputError
from jcenas.live.greener.account import Account
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.terminal import say_to_stderr
from jcenas.live.greener.waiting import GreenWait

EMISSIONS = "jcenas:emissions_g"  # attribute of the study


class GreenTrials:
    """Callback of `Study.optimize`, and maker of the sampler that waits.

    Attributes:
        waiting: the grid, the plan and the account; the time to the deadline begins when this object is made.
    """

    def __init__(
        self,
        *,
        budget_g: float | None = None,
        say: Callable[[str], None] = say_to_stderr,
        waiting: GreenWait | None = None,
        **values: Any,
    ):
        """Read the grid.

        Args:
            budget_g: the study stops after the trial with which so many gCO2eq were emitted.
            say: told what happens, a line each.
            waiting: for tests and other grids; None makes one of the values.
            **values: fields of `GreenerConfig`, as the flags of `jcenas run`: `work`, of all trials together, and
                `deadline` at least.

        Raises:
            InputError: a value that cannot be, or a grid that cannot be read.
        """
        if budget_g is not None and not 0 < budget_g < float("inf"):
            raise InputError(f"budget_g {budget_g}: must be a positive number")
        self._budget_g, self._say, self._begun = budget_g, say, {}
        self.waiting = waiting or GreenWait(GreenerConfig(**values), say=say)

    def sampler(self, sampler: BaseSampler | None = None) -> BaseSampler:
        """A sampler that waits before each trial, and else does what the given one does (TPE if none is)."""
        return _WaitingSampler(self, sampler or TPESampler())

    def begin(self, trial: FrozenTrial) -> None:
        """Wait for a green hour; the trial begins then."""
        self.waiting.wait()
        self._begun[trial.number] = self.waiting.now_s()

    def account(self) -> Account:
        """What the trials that have ended emitted, beside the same from the begin on."""
        return self.waiting.account()

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Charge a trial that has ended, and stop the study where the budget is spent."""
        now_s = self.waiting.now_s()
        begin_s = self._begun.pop(trial.number, None)
        if begin_s is None:  # another sampler: it began when Optuna says
            seconds = trial.duration.total_seconds() if trial.duration is not None else 0.0
            begin_s = now_s - seconds * units.SECONDS_PER_HOUR / self.waiting.config.hour_seconds
        self.waiting.ran(max(begin_s, self.waiting.begin_s), now_s)
        spent_g = self.account().spent_g
        study.set_user_attr(EMISSIONS, spent_g)
        if self._budget_g is not None and spent_g >= self._budget_g:
            self._say(f"the carbon budget of {self._budget_g:g} g is spent ({spent_g:.3g} g): the study stops")
            study.stop()


class _WaitingSampler(BaseSampler):
    """Another sampler, behind a wait."""

    def __init__(self, green: GreenTrials, sampler: BaseSampler):
        self._green, self._sampler = green, sampler

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler."""
        return self._sampler.sample_relative(study, trial, dict(search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Wait, then as the sampler."""
        self._green.begin(trial)
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the sampler."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """As the sampler."""
        self._sampler.reseed_rng()
