import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas import registry
from jcenas.alloc.devices import devices_for_share
from jcenas.alloc.names import check_policy, policy_names
from jcenas.alloc.policies import policy_from_name
from jcenas.errors import InputError

KINDS = registry.built_in("policy")
NAMES = ["static:0.3" if kind == "static" else kind for kind in KINDS]


@functools.cache
def compiled(name):
    """A policy whose `apply` is one program, made once, and not one for each of its operations."""
    policy = policy_from_name(name)
    return policy._replace(apply=jax.jit(policy.apply))


@pytest.fixture(params=NAMES)
def policy(request):
    return compiled(request.param)


@pytest.fixture
def decide(key, observe):
    """The share of a named policy."""

    def share(name, **seen):
        policy = compiled(name)
        observation = observe(**{"intensity_now": 150, "window": [100, 200], **seen})
        return float(policy.apply(key, policy.init_params(key), observation))

    return share


# The contract of every policy.


@pytest.fixture
def hostile(observe):
    """Observations at the edges: constant, zero or unknown window, now outside it, empty or overfull queue."""
    rows = [
        {"intensity_now": 200.0, "window": [200.0, 200.0]},
        {"intensity_now": 0.0, "window": [0.0, 0.0]},
        {"intensity_now": 500.0, "window": [100.0, 200.0], "queue": 99},
        {"intensity_now": 5.0, "window": [100.0, 200.0], "half_finished": 3},
        {"intensity_now": 150.0, "window": [100.0, 200.0], "window_mask": [False, False]},
        {"intensity_now": 150.0, "window": [100.0, np.nan], "window_mask": [True, False], "capacity": 0},
    ]
    return [observe(**row) for row in rows]


def test_share_is_a_float32_scalar_in_range(policy, key, hostile):
    params = policy.init_params(key)
    for observation in hostile:
        share = policy.apply(key, params, observation)
        assert (share.shape, share.dtype, share.weak_type) == ((), jnp.float32, False)
        assert 0 <= float(share) <= 1


def test_vmap_equals_each_and_compiles_once(policy, key, hostile):
    params = policy.init_params(key)
    traces = 0

    def counted(key, params, observation):
        nonlocal traces
        traces += 1
        return policy.apply(key, params, observation)

    many = jax.tree.map(lambda *rows: jnp.stack(rows), *hostile)
    keys = jax.random.split(key, len(hostile))
    run = jax.jit(jax.vmap(counted, (0, None, 0)))
    got = run(keys, params, many)
    run(keys, jax.tree.map(lambda p: p * 0.5, params), many)
    assert traces == 1
    each = [policy.apply(k, params, o) for k, o in zip(keys, hostile, strict=True)]
    np.testing.assert_array_equal(got, each)


def test_padding_of_the_window_is_not_seen(policy, key, observe):
    params = policy.init_params(key)
    short = policy.apply(key, params, observe(150, [100.0, 300.0]))
    padded = policy.apply(key, params, observe(150, [100.0, 300.0, -9e9], window_mask=[True, True, False]))
    assert float(short) == float(padded)


def test_name_is_kept(policy):
    assert policy.name in NAMES


def test_a_policy_that_looks_at_the_coming_hours_says_so(policy, key, observe):
    """What a policy does not declare as a need changes nothing: a runner that lacks it may leave it out."""
    params = policy.init_params(key)
    usual = {"intensity_now": 200.0, "window": [100.0, 300.0], "time_left": 0.5, "hours_left": 24.0, "queue": 5}
    usual |= {"affordable": 2000.0, "carbon_left": 0.5, "hypervolume": 0.9, "evaluations": 40}
    cleaner, dirtier = ([200.0] + [later] * 23 for later in (50.0, 400.0))
    falling, rising = ({"forecast": [[x] * 3 for x in hours], "future": hours} for hours in (cleaner, dirtier))
    assert policy.needs <= {"forecast", "budget", "future"}
    for need in ("forecast", "future"):
        now, later = (observe(**usual, **falling | {need: one[need]}) for one in (falling, rising))
        differs = float(policy.apply(key, params, now)) != float(policy.apply(key, params, later))
        assert differs == (need in policy.needs)


# Numbers by hand.


@pytest.mark.parametrize(("now", "share"), [(100, 1.0), (125, 0.75), (200, 0.0), (50, 1.0), (300, 0.0)])
def test_heuristic_by_hand(decide, now, share):
    assert decide("heuristic", intensity_now=now) == share


def test_heuristic_of_a_constant_window_is_half(decide):
    assert decide("heuristic", intensity_now=7, window=[7, 7]) == 0.5


def test_threshold_by_hand(decide):
    assert [decide("threshold:0.25", intensity_now=now) for now in (100, 125, 126, 200)] == [1, 1, 0, 0]


def test_queue_rules_override(decide):
    for name in ("heuristic-queue", "threshold-queue"):
        assert decide(name, intensity_now=100, queue=0, half_finished=0) == 0.0
        assert decide(name, intensity_now=100, queue=0, half_finished=1) == 1.0
        assert decide(name, intensity_now=200, queue=10, capacity=10) == 1.0
    assert decide("heuristic-queue", intensity_now=125, queue=5) == 0.75


def test_constants(decide):
    assert [decide(name) for name in ("static:0.25", "evaluate-all", "sample-all")] == [0.25, 1.0, 0.0]
    assert [decide("sample-all:0.5", time_left=t) for t in (0.6, 0.5, 0.1)] == [0.0, 1.0, 1.0]


# Names.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("heuristc", "did you mean 'heuristic'.*static:SHARE"),
        ("", "unknown policy ''; the policies are"),
        ("static", "needs a number"),
        ("static:", "needs a number"),
        ("static:1.5", r"1.5 is not in \[0, 1\]"),
        ("static:nan", r"nan is not in"),
        ("heuristic:0.5", "takes nothing after a colon"),
    ],
)
def test_bad_names(text, message):
    with pytest.raises(InputError, match=message):
        policy_from_name(text)


def test_names_list_every_kind():
    assert len(policy_names()) == len(KINDS)
    choice = check_policy("threshold")
    assert (choice.entry.name, choice.arguments) == ("threshold", (0.5,))
    assert check_policy("heuristic").arguments == ()


def test_policy_files(tmp_path):
    with pytest.raises(InputError, match=r"missing\.npz: there is no such file"):
        check_policy(str(tmp_path / "missing.npz"))
    file = tmp_path / "mine.npz"
    file.touch()
    assert check_policy(str(file)) is None


# Whole devices.


def test_devices_by_hand():
    shares = jnp.array([0.0, 0.01, 0.49, 0.5, 0.8125, 0.99, 1.0, -3.0, 7.0], jnp.float32)
    np.testing.assert_array_equal(devices_for_share(shares, 8), [0, 1, 4, 4, 7, 7, 8, 0, 8])
    np.testing.assert_array_equal(devices_for_share(shares[:4], 1), [0, 0, 0, 1])
    np.testing.assert_array_equal(devices_for_share(jnp.array([0.1, 0.9], jnp.float32), 2), [1, 1])
    with pytest.raises(ValueError, match="at least one device"):
        devices_for_share(shares, 0)
