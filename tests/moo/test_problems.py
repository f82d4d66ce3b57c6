import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.moo import non_dominated, problems

ALL = [getattr(problems, name) for name in ("zdt1", "zdt2", "zdt3", "zdt4", "zdt6", *(f"dtlz{i}" for i in range(1, 8)))]
# Values of the tail variables that reach the front.
TAIL = {"zdt4": 0.5, "dtlz1": 0.5, "dtlz2": 0.5, "dtlz3": 0.5, "dtlz4": 0.5, "dtlz5": 0.5}


@pytest.mark.parametrize("make", ALL, ids=lambda f: f.__name__)
def test_front_is_mutually_non_dominated_and_never_beaten(make, key):
    problem = make()
    front = problem.front(60)
    assert front.shape == (60, problem.objectives)
    x = jax.random.uniform(key, (400, problem.variables))
    values = jax.vmap(problem.evaluate)(x)
    assert np.all(np.isfinite(values))
    both = np.asarray(non_dominated(jnp.concatenate([front, values])))
    assert both[:60].all()


@pytest.mark.parametrize("make", ALL, ids=lambda f: f.__name__)
def test_points_with_the_right_tail_lie_on_the_front(make, key):
    problem = make()
    heads = problem.objectives - 1
    x = jnp.full((20, problem.variables), TAIL.get(make.__name__, 0.0))
    x = x.at[:, :heads].set(jax.random.uniform(key, (20, heads)))
    values = np.asarray(jax.vmap(problem.evaluate)(x))
    name = make.__name__
    if name == "dtlz1":
        np.testing.assert_allclose(values.sum(1), 0.5, rtol=1e-3)
    elif name.startswith("dtlz") and name != "dtlz7":
        np.testing.assert_allclose((values**2).sum(1), 1.0, rtol=1e-3)
    elif name in ("zdt1", "zdt4"):
        np.testing.assert_allclose(values[:, 1], 1 - np.sqrt(values[:, 0]), atol=1e-4)
    elif name in ("zdt2", "zdt6"):
        np.testing.assert_allclose(values[:, 1], 1 - values[:, 0] ** 2, atol=1e-4)
    else:  # fronts in pieces: no point may dominate the front
        front = problem.front(200)
        assert np.asarray(non_dominated(jnp.concatenate([front, jnp.asarray(values)])))[:200].mean() > 0.97


def test_zdt1_by_hand():
    # g = 1 + 9 * 0.25 = 3.25; f2 = 3.25 - sqrt(0.25 * 3.25).
    x = jnp.full(30, 0.25)
    np.testing.assert_allclose(problems.zdt1().evaluate(x), [0.25, 3.25 - np.sqrt(0.8125)], rtol=1e-5)


def test_dtlz2_by_hand():
    # Right angles times 0 and 1: the point lies on the second axis, scaled by 1 + 10 * 0.25.
    x = jnp.zeros(12).at[1].set(1.0)
    np.testing.assert_allclose(problems.dtlz2().evaluate(x), [0, 3.5, 0], atol=1e-5)
