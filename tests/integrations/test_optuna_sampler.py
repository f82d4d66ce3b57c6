"""Optuna's studies by the optimisers of jcenas."""

import pickle

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra `optuna`")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402
from optuna.trial import TrialState, create_trial  # noqa: E402

from jcenas.errors import InputError  # noqa: E402
from jcenas.integrations.optuna import MooSampler  # noqa: E402
from jcenas.integrations.optuna.variables import mixed, variable, variables  # noqa: E402

BOTH = ("maximize", "minimize")


def objective(trial):
    """Quality to be maximised and cost; the best of both have size 0 or more of x, kind "b" and y = 0."""
    x = trial.suggest_float("x", 0.0, 1.0)
    y = trial.suggest_int("y", 0, 20)
    harm = y / 20 + (trial.suggest_categorical("kind", ["a", "b", "c"]) != "b")
    return x - harm, x + harm


def study_of(optimizer="semoa", directions=BOTH, **values):
    return optuna.create_study(sampler=MooSampler(optimizer, **({"seed": 3} | values)), directions=directions)


def test_variables_by_hand():
    kind = variable("kind", CategoricalDistribution(("a", None, 3)))
    assert [kind.value(i) for i in range(3)] == ["a", None, 3]
    assert (kind.choice(3), kind.bend) == (2, None)
    depth = variable("depth", IntDistribution(2, 10, step=4))
    assert depth.values.tolist() == [2, 6, 10]
    assert (depth.choice(6), depth.value(2), depth.bend) == (1, 10, 0.0)
    width = variable("width", IntDistribution(2, 65, log=True))
    assert (len(width.values), width.bend) == (64, 0.5)
    rate = variable("rate", FloatDistribution(1e-4, 1e-2, log=True))
    assert len(rate.values) == 4097
    assert rate.value(2048) == pytest.approx(1e-3)
    assert rate.choice(1.0005e-3) == 2048
    share = variable("share", FloatDistribution(0.0, 0.5, step=0.25))
    assert [share.value(i) for i in range(3)] == [0.0, 0.25, 0.5]
    many = variable("many", IntDistribution(1, 10**6))
    assert len(many.values) == 4097
    assert (many.value(0), many.value(4096), type(many.value(7))) == (1, 10**6, int)
    space = mixed(variables({"kind": kind.distribution, "width": width.distribution}))
    assert (space.cardinalities, space.bends) == ((3, 64), (None, 0.5))


@pytest.mark.parametrize(
    "distribution",
    [
        IntDistribution(1, 10**9, log=True),
        IntDistribution(-7, 999_998, step=3),
        FloatDistribution(-1.0, 1e5, step=0.5),
        FloatDistribution(0.0, 0.3, step=0.1),
        FloatDistribution(1e-8, 1e8, log=True),
        CategoricalDistribution((True, False, "x", 1.5)),
    ],
)
def test_every_choice_is_a_value_of_the_distribution_and_found_again(distribution):
    one = variable("x", distribution)
    for choice in {0, 1, len(one.values) // 2, len(one.values) - 1}:
        value = one.value(choice)
        assert distribution._contains(distribution.to_internal_repr(value))
        assert one.choice(value) == choice


def test_a_study_of_two_directions_finds_better_than_its_start():
    study = study_of()
    study.optimize(objective, n_trials=60)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)

    def harm(trials):
        return np.mean([trial.values[1] - trial.values[0] for trial in trials]) / 2

    assert harm(study.trials[40:]) < harm(study.trials[:10]) / 2
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 60


def test_equal_seeds_are_equal_studies():
    def run(seed):
        study = study_of(seed=seed)
        study.optimize(objective, n_trials=14)
        return [trial.params for trial in study.trials]

    assert run(1) == run(1) != run(2)


def test_one_direction_is_a_study_too():
    study = study_of(directions=["maximize"])
    study.optimize(lambda trial: -((trial.suggest_float("x", -1, 1) - 0.5) ** 2), n_trials=40)
    assert abs(study.best_params["x"] - 0.5) < 0.1


def test_trials_of_another_sampler_are_a_warm_start():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), directions=BOTH)
    study.optimize(objective, n_trials=30)
    study.sampler = MooSampler("nsga2", seed=0)
    study.optimize(objective, n_trials=20)
    shares = [np.mean([t.params["kind"] == "b" for t in some]) for some in (study.trials[:30], study.trials[30:])]
    assert shares[0] < 0.6 < shares[1]  # from the first trial on


def test_constraints_are_kept():
    def constrained(trial):
        values = objective(trial)
        if hasattr(trial, "set_constraint"):
            trial.set_constraint("x", trial.params["x"] - 0.25)
        else:
            trial.study._storage.set_trial_system_attr(trial._trial_id, "constraints", (trial.params["x"] - 0.25,))
        return values

    study = study_of()
    study.optimize(constrained, n_trials=50)
    kept = [trial.params["x"] <= 0.25 for trial in study.trials]
    assert np.mean(kept[25:]) > 0.4  # of random draws a quarter are kept


def test_trials_that_run_at_once_are_different():
    study = study_of()
    study.optimize(objective, n_trials=12)
    asked = [study.ask() for _ in range(6)]
    for trial in asked:
        objective(trial)
    assert len({tuple(trial.params.values()) for trial in asked}) == 6


def test_threads_share_a_sampler():
    study = study_of("random")
    study.optimize(objective, n_trials=40, n_jobs=3)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 40


def test_a_pickled_sampler_goes_on():
    study = study_of()
    study.optimize(objective, n_trials=15)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(objective, n_trials=5)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 20


def test_failed_and_pruned_trials_are_not_tried_again():
    def fragile(trial):
        place = trial.suggest_int("place", 0, 19)
        if place % 3 == 0:
            raise optuna.TrialPruned
        if place % 3 == 1:
            raise ValueError("broken")
        return place, -place

    study = study_of(directions=("minimize", "minimize"), n_startup_trials=2)
    study.optimize(fragile, n_trials=30, catch=(ValueError,))
    began = next(i for i in range(30) if sum(t.state == TrialState.COMPLETE for t in study.trials[:i]) == 2)
    places = [trial.params["place"] for trial in study.trials]
    fresh = set(range(20)) - set(places[:began])
    assert set(places[began : began + len(fresh)]) == fresh  # every place that is left, once


def test_another_space_begins_another_search():
    study = study_of(n_startup_trials=3)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=6)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_int("n", 1, 4)), n_trials=3)
    study.add_trial(create_trial(params={}, distributions={}, values=[0.5, 0.5]))  # nothing in common any more
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_int("n", 1, 4)), n_trials=3)
    assert len(study.trials) == 13


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="semoa"):
        MooSampler("semao")
    with pytest.raises(InputError, match="at least 1"):
        MooSampler(n_startup_trials=0)


@pytest.mark.slow
def test_the_default_is_ahead_of_random_draws():
    def missed(sampler):
        study = optuna.create_study(sampler=sampler, directions=BOTH)
        study.optimize(objective, n_trials=40)
        return np.mean([trial.values[1] - trial.values[0] for trial in study.trials[20:]])

    assert missed(MooSampler(seed=1)) < missed(optuna.samplers.RandomSampler(seed=1)) / 3
