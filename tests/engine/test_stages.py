"""Stages by name, and the orders that need no predictor, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.engine import stages
from jcenas.engine.candidates import Candidates, Evaluated, Goal, Inputs, Moment
from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError


def order(stage, estimates, costs, mask, n):
    k = len(estimates)
    none = Inputs(jnp.zeros((k, 0)), jnp.zeros((k, 0)))
    evaluated = Evaluated(Inputs(jnp.zeros((1, 0)), jnp.zeros((1, 0))), jnp.full((1, 2), jnp.inf), jnp.zeros(1, bool))
    candidates = Candidates(none, jnp.array(costs)[:, None], jnp.array(estimates), jnp.ones(k), jnp.array(mask))
    moment = Moment(Goal(jnp.array([1.0, 1.0]), jnp.float32(1.0)), candidates.at(jnp.zeros(0, int)))
    places, counts = stage.rank(evaluated, candidates, moment, n)
    return np.asarray(places)[np.asarray(counts)].tolist()


def test_fewest_dominators_first_by_hand():
    # 3 and 2 are on the front, 1 has one dominator (3), 0 has three.
    estimates, costs = [0.5, 0.2, 0.4, 0.1], [5.0, 3.0, 1.0, 2.0]
    everybody = [True] * 4
    assert order(stages.one_shot(), estimates, costs, everybody, 4) == [2, 3, 1, 0]
    assert order(stages.one_shot(), estimates, costs, everybody, 2) == [2, 3]  # the worst fall out
    assert order(stages.few_shot(), estimates, costs, [True, True, True, False], 4) == [1, 2, 0]
    assert order(stages.zero_shot("synflow"), estimates, costs, [False] * 4, 4) == []


def test_ties_go_to_the_older_and_what_has_no_estimate_comes_last():
    ties = order(stages.one_shot(), [0.5, 0.5, jnp.inf, 0.6], [1.0, 1.0, 0.5, 1.5], [True] * 4, 4)
    assert ties[:2] == [0, 1]
    assert set(ties[2:]) == {2, 3}


def test_without_a_stage_nobody_waits():
    assert order(stages.none(), [0.1, 0.2], [1.0, 2.0], [True, True], 2) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zero-shot", "stage 'zero-shot' needs a NAME after a colon: zero-shot:NAME"),
        ("zero-shot:", "needs a NAME after a colon"),
        ("zero-shot:synflw", "unknown proxy 'synflw'; did you mean 'synflow'"),
        ("oneshot", "unknown stage 'oneshot'; did you mean 'one-shot'.*zero-shot:NAME, predictor"),
        ("", "unknown stage ''; the stages are none, one-shot, few-shot"),
        ("none:3", "stage 'none' takes nothing after a colon"),
    ],
)
def test_bad_names_are_one_line(text, message):
    with pytest.raises(InputError, match=message) as refused:
        stage_from_name(text)
    assert "\n" not in str(refused.value)


def test_what_the_names_mean():
    named = {name: stage_from_name(name) for name in ("none", "one-shot", "few-shot", "zero-shot:naswot", "predictor")}
    assert [stage.name for stage in named.values()] == list(named)
    assert [stage.score for stage in named.values()] == ["", "one-shot", "few-shot", "naswot", "synflow"]
    assert [stage.supernet for stage in named.values()] == [False, True, True, False, False]
    assert [stage.at_once for stage in named.values()] == [False, False, False, True, True]
    assert [name for name, stage in named.items() if stage.refits] == ["predictor"]
