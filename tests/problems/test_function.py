"""A user's function as a problem: what is asked about architectures, and what is refused in one line."""

import functools
import math

import jax
import numpy as np
import pytest

from jcenas import InputError, Problem
from jcenas.problems import EvaluationBudget
from jcenas.problems.budget import PausedEvaluation
from jcenas.problems.function import with_reference
from jcenas.spaces import NasBench201

SPACE = {"depth": [2, 4, 8], "criterion": ["gini", "entropy"], "trees": [10, 30, 100, 300]}


def evaluate(genome, seed, budget, folder):
    return 0.5


def nodes(genome):
    return genome["trees"] * 2.0 ** genome["depth"]


@pytest.fixture
def problem():
    return Problem.from_function(SPACE, evaluate, costs={"nodes": nodes})


def test_what_is_known_of_an_architecture_by_hand(problem):
    genomes = np.array([[0, 1, 0], [2, 0, 3]])
    assert problem.given(genomes[1]) == {"depth": 8, "criterion": "gini", "trees": 300}
    assert problem.to_string((0, 1, 0)) == "depth=2 criterion=entropy trees=10"
    np.testing.assert_array_equal(problem.costs(genomes), [[40.0], [76800.0]])
    np.testing.assert_array_equal(problem.sizes(genomes), [[0, 0], [2, 3]])  # not of the names
    np.testing.assert_array_equal(problem.has(np.array([[2, 1, 3], [3, 0, 0], [0, -1, 0]])), [True, False, False])
    distances = np.sum((problem.computes(genomes[:1]) - problem.computes(genomes[1:])) ** 2)
    assert distances == pytest.approx(3 * 0.98)  # about 1 for each choice that differs
    assert problem.cost_names == ("nodes",)
    assert problem.name.endswith("test_function.evaluate")
    assert (0, 0, 0) in set(map(tuple, problem.population.tolist()))
    assert (2, 1, 3) in set(map(tuple, problem.population.tolist()))


def test_the_reference_point_lies_beyond_the_dearest(problem):
    assert with_reference(problem, 0.9).reference == pytest.approx((0.9, 1.1 * 76800))
    given = Problem.from_function(SPACE, evaluate, costs={"nodes": nodes}, reference=(0.4, 1e3))
    assert with_reference(given, 0.9).reference == (0.4, 1e3)
    assert given.largest == pytest.approx(400.0)


@pytest.mark.parametrize(("scale", "unit"), [(1e33, "larger"), (1e-40, "smaller")])
def test_units_beyond_32_bits_are_refused(scale, unit):
    message = f"error, nodes: hypervolumes of up to .* are beyond what 32 bits hold; give one of them in a {unit} unit"
    with pytest.raises(InputError, match=message):
        Problem.from_function(SPACE, evaluate, costs={"nodes": nodes}, reference=(scale * 1e5, 1e3))
    many = Problem.from_function(SPACE, evaluate, costs={"nodes": functools.partial(scaled, scale)})
    with pytest.raises(InputError, match=message):
        with_reference(many, 90.0)


def scaled(scale, genome):
    return scale * nodes(genome)


def credit(genome):
    return -100.0 * genome["depth"]


def test_a_negative_cost_has_a_hypervolume_of_at_most_one():
    given = Problem.from_function(SPACE, evaluate, costs={"credit": credit, "nodes": nodes}, reference=(0.5, 200, 10))
    assert given.largest == pytest.approx(0.5 * (200 + 800) * 10)


def test_expected_seconds():
    def of(seconds):
        return Problem.from_function(SPACE, evaluate, costs={"nodes": nodes}, seconds=seconds).seconds(np.zeros((2, 3)))

    np.testing.assert_array_equal(of(None), [1, 1])
    np.testing.assert_array_equal(of(7.5), [7.5, 7.5])
    np.testing.assert_array_equal(of(nodes), [40, 40])


def test_a_space_of_the_package_gives_tuples():
    problem = Problem.from_function(NasBench201(), evaluate, costs={"zeros": len})
    assert problem.given(np.arange(6) % 5) == (0, 1, 2, 3, 4, 0)
    assert problem.to_string((0,) * 6).startswith("|none~0|")
    assert problem.sizes(np.zeros((4, 6), int)).shape == (4, 0)
    genome = problem.space.sample(jax.random.key(0), 1)
    np.testing.assert_array_equal(problem.costs(genome), [[6.0]])


class Unhashable(NasBench201):
    __hash__ = None


def broken(genome):
    raise KeyError("depth")


def test_what_cannot_work_is_refused_in_one_line():
    def inner(genome, seed, budget, folder):
        return 0.0

    costs = {"nodes": nodes}
    cases = [
        ((SPACE, inner), {}, "cannot be sent to worker processes: define it at the top level of a module"),
        ((SPACE, lambda *a: 0.0), {}, "define it at the top level of a module"),
        ((SPACE, functools.partial(evaluate, folder=".")), {"retries": -1}, "retries -1: must be at least 0"),
        ((SPACE, 3), {}, "evaluate must be a function"),
        (({}, evaluate), {}, "no variables"),
        (({"a": 3}, evaluate), {}, r"space\['a'\] must be a list"),
        (({"a": [1, 1]}, evaluate), {}, r"space\['a'\] holds a value twice"),
        (({"a": [[1], [2]]}, evaluate), {}, r"space\['a'\]: unhashable type"),
        (({"a": [1]}, evaluate), {}, "no variable of the space has a choice"),
        (([1, 2], evaluate), {}, "the space has no cardinalities, sample"),
        ((Unhashable(), evaluate), {}, "make it a frozen dataclass"),
        ((SPACE, evaluate), {"costs": {}}, "costs must name a second objective"),
        ((SPACE, evaluate), {"costs": dict.fromkeys("abcd", nodes)}, "costs names 4"),
        ((SPACE, evaluate), {"costs": {"nodes": 3}}, r"costs\['nodes'\] must be a function"),
        ((SPACE, evaluate), {"costs": {"ms": None}}, r"give reference=\(error, ms\)"),
        ((SPACE, evaluate), {"reference": (1.0,)}, r"reference \(1.0,\): must be \(error, nodes\)"),
        (
            (SPACE, evaluate),
            {"costs": {"seconds": nodes}},
            r"costs\['seconds'\]: no name of a cost, or that of another",
        ),
        ((SPACE, evaluate), {"costs": {"": nodes}}, r"costs\[''\]: no name of a cost"),
        ((SPACE, evaluate), {"costs": {1: nodes}}, r"costs\[1\]: no name of a cost"),
        (({1: [1, 2]}, evaluate), {}, r"space\[1\]: a variable's name must be a text"),
        (({"a\nb": [1, 2]}, evaluate), {}, r"space\['a\\nb'\]: a variable's name must be a text on one line"),
        ((SPACE, evaluate), {"reference": (1.0, "x")}, r"reference \(1.0, 'x'\): must be \(error, nodes\)"),
        ((SPACE, evaluate), {"reference": 5}, r"reference 5: must be \(error, nodes\), positive numbers"),
        ((SPACE, evaluate), {"retries": 1.5}, "retries 1.5: must be an integer"),
        ((SPACE, evaluate), {"time_limit_s": None}, "time_limit_s None: must be a positive number"),
        ((SPACE, evaluate), {"seconds": "x"}, "seconds 'x': must be a positive number"),
        ((SPACE, evaluate), {"time_limit_s": 0}, "time_limit_s 0"),
        ((SPACE, evaluate), {"seconds": -1}, "seconds -1"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            Problem.from_function(*arguments, **{"costs": costs} | options)
        assert "\n" not in str(caught.value)


def test_a_formula_that_fails_is_named_with_its_genome():
    for formula, message in (
        (broken, "raised KeyError: 'depth'"),
        (lambda genome: math.nan, "is nan; it must be a finite number"),
        (lambda genome: -1e39, r"is -1e\+39; it must be a finite number of 32 bits"),
    ):
        problem = Problem.from_function(SPACE, evaluate, costs={"ms": formula})
        with pytest.raises(InputError, match=rf"costs\['ms'\] of {{'depth': 2, .*}} {message}"):
            with_reference(problem, 1.0)


def test_a_budget_counts_down_and_is_over_when_the_search_stops():
    stopped = []
    budget = EvaluationBudget(epochs=3, left_s=50.0, stopped=lambda: bool(stopped))
    assert 49 < budget.left_s() <= 50
    assert not budget.over()
    stopped.append(True)
    assert budget.over()
    assert EvaluationBudget(epochs=3, left_s=-1.0, stopped=lambda: False).over()
    with pytest.raises(PausedEvaluation) as caught:
        budget.pause(1.5)
    assert caught.value.done == 1.0
    assert not isinstance(caught.value, Exception)  # a function's own `except Exception` lets it pass
