"""Studies of Optuna in greener hours: trials wait, and a study ends at its budget."""

import datetime

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra `optuna`")

from jcenas.carbon.trace import CarbonTrace  # noqa: E402
from jcenas.engine.grid import GridHours  # noqa: E402
from jcenas.errors import InputError  # noqa: E402
from jcenas.integrations.optuna import EMISSIONS, GreenTrials  # noqa: E402
from jcenas.live.greener import waiting  # noqa: E402
from jcenas.live.greener.config import GreenerConfig  # noqa: E402
from jcenas.live.greener.known import ask_here  # noqa: E402
from jcenas.live.greener.virtual import VirtualClock  # noqa: E402

HOUR = 3600.0


@pytest.fixture
def green_of(monkeypatch):
    """Makes the companion of a study on a toy grid and a clock that jumps, and what it said."""

    def make(values, *, budget_g=None, **given):
        trace = CarbonTrace(
            start=datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), intensity_g_per_kwh=np.array(values, float)
        )
        monkeypatch.setattr(waiting, "open_grid", lambda *given: (GridHours(trace, np.zeros(0), 1.0), 0.0))
        config = GreenerConfig(
            **{"forecast": "actual", "margin": "0s", "pause_cost": "0s", "power": 1000, "pue": 1} | given
        )
        said = []
        clock = VirtualClock()
        wait = waiting.GreenWait(config, say=said.append, clock=clock, ask=ask_here)
        return GreenTrials(budget_g=budget_g, say=said.append, waiting=wait), clock, said

    return make


def study_of(green, clock, begins, *, sampler=None, hours=1.0):
    """A study whose trials take so many hours, and note when they begin."""

    def objective(trial):
        begins.append(clock.now_s() / HOUR)
        clock.advance(hours * HOUR)
        return trial.suggest_float("x", 0, 1)

    return optuna.create_study(sampler=green.sampler(sampler)), objective


def test_trials_wait_for_green_hours(green_of):
    green, clock, _ = green_of([900, 100, 900, 100, 900, 100, 900], work="3h", deadline="7h")
    begins = []
    study, objective = study_of(green, clock, begins)
    study.optimize(objective, n_trials=3, callbacks=[green])
    assert begins == [1, 3, 5]
    account = green.account()
    assert (account.spent_g, account.at_once_g) == pytest.approx((300, 1900))
    assert study.user_attrs[EMISSIONS] == pytest.approx(300)


def test_the_deadline_bounds_the_wait(green_of):
    green, clock, _ = green_of([900, 900, 900, 100, 100, 100], work="2h", deadline="3h")
    begins = []
    study, objective = study_of(green, clock, begins)
    study.optimize(objective, n_trials=4, callbacks=[green])
    assert begins == [0, 1, 2, 3]  # more trials than the work that was named: they wait no more


def test_a_study_stops_at_its_budget(green_of):
    green, clock, said = green_of([100] * 9, work="8h", deadline="9h", budget_g=250)
    begins = []
    study, objective = study_of(green, clock, begins)
    study.optimize(objective, n_trials=8, callbacks=[green])
    assert len(study.trials) == 3
    assert said == ["the carbon budget of 250 g is spent (300 g): the study stops"]


def test_the_callback_alone_charges_without_waiting(green_of):
    green, clock, _ = green_of([900, 100, 100], work="1h", deadline="3h")
    clock.advance(HOUR)

    def objective(trial):
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=2, callbacks=[green])
    assert 0 < green.account().spent_g < 1
    assert clock.now_s() == HOUR


def test_a_failed_trial_is_charged(green_of):
    green, clock, _ = green_of([100] * 4, work="2h", deadline="4h")

    def objective(trial):
        clock.advance(HOUR)
        raise ValueError("nothing learnt")

    study = optuna.create_study(sampler=green.sampler())
    study.optimize(objective, n_trials=1, callbacks=[green], catch=ValueError)
    assert green.account().spent_g == pytest.approx(100)


def test_proposals_are_those_of_the_given_sampler(green_of):
    green, *_ = green_of([100] * 40, work="30h", deadline="40h")
    studies = []
    for sampler in (optuna.samplers.TPESampler(seed=3), green.sampler(optuna.samplers.TPESampler(seed=3))):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: (trial.suggest_float("x", -1, 1) - 0.3) ** 2, n_trials=20)
        studies.append([trial.params["x"] for trial in study.trials])
    assert studies[0] == studies[1]


def test_threads_share_one_account(green_of):
    green, *_ = green_of([100] * 9, work="8h", deadline="9h")
    study = optuna.create_study(sampler=green.sampler(optuna.samplers.RandomSampler(seed=0)))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=8, n_jobs=4, callbacks=[green])
    assert len(study.trials) == 8
    assert green.account().spent_g == 0


def test_bad_input():
    with pytest.raises(InputError, match="budget_g -1"):
        GreenTrials(work="1h", deadline="3h", budget_g=-1)
    with pytest.raises(InputError, match="--deadline 1h cannot be met"):
        GreenTrials(work="3h", deadline="1h")
