"""Maximised objectives and constraints, by hand and as constrained domination."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import Box, Goals, bayesian, hypervolume, ms_ehvi, nsga2_by_reference, semoa, with_goals
from jcenas.moo.goals import first_reference


def test_losses_by_hand():
    # Accuracy, more is better, against 80; milliseconds against 20.
    goals = Goals.of([80.0, 20.0], maximise=[True, False])
    losses = goals.losses(np.array([[88.0, 10.0], [60.0, 25.0]]), xp=np)
    np.testing.assert_allclose(losses, [[-0.1, -0.5], [0.25, 0.25]])


def test_constrained_losses_by_hand():
    goals = Goals.of([10.0, 10.0], constraints=2)
    objectives = np.array([[5.0, 20.0], [30.0, 9.0], [1.0, 1.0], [np.nan, 1.0], [1.0, np.inf], [2.0, 2.0]])
    violations = np.array([[0.0, -3.0], [-1.0, 0.0], [0.5, 2.0], [0.25, -1.0], [0.0, 0.0], [np.nan, 0.0]])
    losses = goals.losses(objectives, violations, xp=np)
    np.testing.assert_allclose(
        losses,
        [[-0.5, 1 / 2], [2 / 3, -0.1], [3.5, 3.5], [1.25, 1.25], [-0.9, np.nan], [np.nan, np.nan]],
    )


def test_losses_order_as_constrained_domination_does():
    rng = np.random.default_rng(3)
    goals = Goals.of([0.0, 1.0, -2.0], maximise=[False, True, False], constraints=1)
    objectives, violations = rng.normal(size=(60, 3)) * 5, np.maximum(rng.normal(size=(60, 1)), -0.5)
    losses = goals.losses(objectives, violations, xp=np)
    minimised = objectives * np.array([1, -1, 1])
    for i in range(60):
        for j in range(60):
            vi, vj = max(violations[i, 0], 0), max(violations[j, 0], 0)
            if vi == vj == 0:
                wanted = (minimised[i] <= minimised[j]).all() and (minimised[i] < minimised[j]).any()
            else:
                wanted = vi < vj
            found = (losses[i] <= losses[j]).all() and (losses[i] < losses[j]).any()
            assert found == wanted, (i, j)


def test_volumes_of_feasible_results_stay():
    goals, plain = Goals.of([4.0, 4.0], constraints=1), Goals.of([4.0, 4.0])
    objectives = np.array([[1.0, 3.0], [3.0, 1.0], [5.0, 0.5], [0.0, 0.0]])
    losses = goals.losses(objectives, np.array([[0.0], [0.0], [0.0], [1.0]]), xp=np)
    expected = hypervolume(plain.losses(objectives[:3], xp=np), np.zeros(2))
    np.testing.assert_allclose(hypervolume(losses, np.zeros(2)), expected, rtol=1e-6)
    np.testing.assert_allclose(expected, 5 / 16, rtol=1e-6)  # 3 + 3 - 1 of 4 x 4


@pytest.mark.parametrize("factory", [nsga2_by_reference, semoa])
def test_an_optimiser_with_goals_is_pure_and_finds_the_feasible_corner(factory):
    # Maximise x and minimise y where x + y <= 0.3, as for 1 in 22 uniform draws: the best is x = 0.3, y = 0.
    box = Box(variables=2, levels=65)
    goals = Goals.of([0.0, 1.0], maximise=[True, False], constraints=1)
    optimizer = with_goals(functools.partial(factory, box, capacity=200, batch=10), goals)

    def step(state, key):
        state, genomes = optimizer.ask(key, state)
        x = box.features(genomes)
        told = jnp.concatenate([x, jnp.sum(x, axis=1, keepdims=True) - 0.3], axis=1)
        return optimizer.tell(state, genomes, told), told

    @jax.jit
    def run(key):
        return jax.lax.scan(step, optimizer.init(key), jax.random.split(key, 20))[1]

    told = np.asarray(run(jax.random.key(0))).reshape(-1, 3)
    late = told[100:]
    assert (late[:, 2] <= 0).mean() > 0.15 > (told[:20, 2] <= 0).mean()
    best = late[late[:, 2] <= 0]
    assert (best[:, 0] - best[:, 1]).max() > 0.25


def test_a_width_that_does_not_fit_is_refused():
    optimizer = with_goals(functools.partial(semoa, Box(variables=2), capacity=8, batch=1), Goals.of([1.0, 1.0]))
    state = optimizer.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"\(n, 2 \+ 0\)"):
        optimizer.tell(state, jnp.zeros((1, 2), jnp.int32), jnp.zeros((1, 3)))


@pytest.mark.parametrize("factory", [ms_ehvi, bayesian])
def test_an_optimiser_that_knows_objectives_is_refused(factory):
    known = functools.partial(factory, Box(variables=2), known=(None, lambda g: g[:, 0] * 1.0), capacity=8, batch=1)
    with pytest.raises(ValueError, match="known objectives are not losses"):
        with_goals(known, Goals.of([1.0, 1.0]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"reference": [np.nan, 1.0]}, "finite"),
        ({"reference": []}, "finite"),
        ({"reference": [1.0, 1.0], "maximise": [True]}, "each of the 2"),
        ({"reference": [1.0], "constraints": -1}, "0 or more"),
        ({"reference": [1.0], "unit": [0.0]}, "positive"),
    ],
)
def test_goals_that_cannot_be_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        Goals.of(**values)


def test_a_first_reference_by_hand():
    # Errors with a tail: best 10, median 12, worst 90 is taken for 12 + 4 x 2 = 20, and a tenth of 10 comes on top.
    # Accuracies, more is better: best 90, worst 50, median 70: 50 - 0.1 x 40. All equal: as large as itself.
    values = np.array([[10, 90, 3], [12, 70, 3], [90, 50, 3]], float)
    reference, unit = first_reference(values, [False, True, False])
    np.testing.assert_allclose(reference, [21, 46, 3.3])
    np.testing.assert_allclose(unit, [10, 40, 3])
