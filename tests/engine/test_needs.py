"""A policy is refused in one line where a runner cannot tell it what it decides by."""

import pytest

from jcenas.alloc.policies import Policy, constant, policy_from_name, static
from jcenas.engine.needs import check_needs
from jcenas.errors import InputError

ALL = {"forecast", "budget", "future"}


@pytest.mark.parametrize(
    ("name", "available", "message"),
    [
        ("oracle", {"forecast", "budget"}, "jcenas search cannot tell it the true coming intensities, .* use plan"),
        ("plan", {"budget", "future"}, "cannot tell it a forecast of the coming hours; choose another --forecast"),
        ("pace:0.25", set(), "--policy pace:0.25: jcenas search cannot tell it a forecast"),
        ("ppo", {"future"}, "--policy ppo: .* a forecast"),
    ],
)
def test_what_is_missing_and_the_remedy(name, available, message):
    with pytest.raises(InputError, match=message) as refused:
        check_needs(policy_from_name(name), available, where="jcenas search")
    assert "\n" not in str(refused.value)


def test_a_policy_of_ones_own():
    mine = Policy("mine", constant(0.5), static, frozenset({"budget", "weather"}))
    with pytest.raises(InputError, match="--policy mine: here cannot tell it a carbon budget; set --carbon-budget"):
        check_needs(mine, ALL - {"budget"}, where="here")
    with pytest.raises(InputError, match="cannot tell it weather"):  # a need that only the user knows
        check_needs(mine, ALL, where="here")


@pytest.mark.parametrize("name", ["heuristic", "static:0.5", "threshold", "plan", "oracle", "ppo"])
def test_nothing_is_refused_that_can_be_told(name):
    policy = policy_from_name(name)
    check_needs(policy, ALL, where="jcenas simulate")
    if not policy.needs:
        check_needs(policy, frozenset(), where="jcenas search")
