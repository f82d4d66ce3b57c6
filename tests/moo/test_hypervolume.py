import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcenas.moo import hypervolume

FRONT = [(-1, -3), (-2, -2), (-3, -1)]
GOLDEN = {
    "front": (FRONT, (0, 0), 6),
    "dominated": ([*FRONT, (-1.5, -0.5)], (0, 0), 6),
    "duplicate": ([*FRONT, (-2, -2)], (0, 0), 6),
    "outside": ([*FRONT, (1, -4)], (0, 0), 6),
    "nan": ([*FRONT, (np.nan, -9)], (0, 0), 6),
    "all outside": ([(1, 1)], (0, 0), 0),
    "on the reference": ([(0, -5)], (0, 0), 0),
    "three objectives": ([(-1, -2, -3), (-3, -1, -1)], (0, 0, 0), 8),
    "one beyond": ([(1, 3), (3, 1), (6, 6)], (4, 4), 5),
    "four objectives": ([(-1, -1, -1, -2), (-2, -1, -1, -1)], (0, 0, 0, 0), 3),
    "one objective": ([(-3,), (-1,)], (0,), 3),
}


@pytest.mark.accelerator
@pytest.mark.parametrize("name", GOLDEN)
def test_by_hand(name):
    points, reference, expected = GOLDEN[name]
    value = hypervolume(np.array(points, np.float32), np.array(reference, np.float32))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_gradient_by_hand():
    # Up to (4, 4): moving (2, 2) by one to the left adds the strip between its neighbours' heights, 3 - 2 = 1.
    points = np.array([(1, 3), (2, 2), (3, 1)], np.float32)
    got = jax.grad(hypervolume)(points, np.array([4.0, 4.0], np.float32))
    np.testing.assert_allclose(got, [(-1, -1), (-1, -1), (-1, -1)])


def test_mask_hides_rows_and_vmap_maps_fronts():
    points = np.array([FRONT, [(-9, -9), (-2, -2), (-1, -1)]], np.float32)
    masks = np.array([[True, True, True], [False, True, True]])
    values = jax.vmap(hypervolume, (0, None, 0))(points, np.zeros(2, np.float32), masks)
    np.testing.assert_allclose(values, [6, 4])


JITTED = jax.jit(hypervolume)
MANY = jax.jit(jax.vmap(hypervolume, (0, None)))
# Rows and objectives: every algorithm with fewer and more rows than are unrolled; the sort of two only beyond 64 rows.
SIZES = [(5, 2), (20, 2), (80, 2), (5, 3), (80, 3), (5, 4), (20, 4), (20, 5)]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SIZES), st.booleans(), st.integers(0, 2**32 - 1))
def test_against_moocore(size, ties, seed):
    n, m = size
    random = np.random.default_rng(seed)
    points = (random.integers(0, 6, (n, m)) / 5 if ties else random.random((n, m))).astype(np.float32)
    expected = moocore.hypervolume(points.astype(float), ref=np.ones(m))
    np.testing.assert_allclose(JITTED(points, np.ones(m, np.float32)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("m", [2, 3, 4, 6])
def test_double_precision_and_thousands_of_fronts(m):
    n, fronts = (8, 300) if m == 6 else (16, 2000)
    points = np.random.default_rng(m).integers(0, 12, (fronts, n, m)) / 11  # ties, duplicates, points on the reference
    expected = [moocore.hypervolume(front, ref=np.ones(m)) for front in points]
    with jax.enable_x64(True):
        values = jax.jit(jax.vmap(hypervolume, (0, None)))(points, np.ones(m))
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)


def shaped_front(shape, n, m, random):
    """Points (n, m) in [0, 1] of the shapes of the WFG problems' fronts, a third of them dominated or duplicates."""
    weight = random.dirichlet(np.ones(m), n)
    front = {
        "linear": weight,
        "concave": np.sqrt(weight),
        "convex": weight**2,
        "mixed": weight + 0.1 * np.sin(6 * np.pi * weight),
        # WFG3: one curve through the space, all but the last objective in a fixed proportion.
        "degenerate": np.concatenate([weight[:, :1] * np.ones((n, m - 1)) / np.arange(1, m), 1 - weight[:, :1]], 1),
    }[shape]
    front[: n // 6] += 0.05
    front[n // 6 : n // 3] = front[-(n // 3 - n // 6) :]
    front[-1, 0] = 1.0  # on the reference
    return np.clip(front, 0, None)


@pytest.mark.accelerator
@pytest.mark.parametrize("shape", ["linear", "concave", "convex", "mixed", "degenerate"])
@pytest.mark.parametrize("m", [4, 5, 6])
def test_many_objectives_on_shaped_fronts(m, shape):
    n = {4: 40, 5: 24, 6: 15}[m]
    random = np.random.default_rng(m)
    fronts = np.stack([shaped_front(shape, n, m, random) for _ in range(8)])
    expected = [moocore.hypervolume(front, ref=np.ones(m)) for front in fronts]
    with jax.enable_x64(True):
        np.testing.assert_allclose(MANY(fronts, np.ones(m)), expected, rtol=1e-12, atol=1e-14)
    expected = [moocore.hypervolume(front.astype(np.float32).astype(float), ref=np.ones(m)) for front in fronts]
    np.testing.assert_allclose(MANY(fronts.astype(np.float32), np.ones(m, np.float32)), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("front", [3, 64, 65, 200, 290])
def test_most_of_many_points_are_dominated(front):
    random = np.random.default_rng(front)
    points = np.sqrt(random.dirichlet(np.ones(4), 290)).astype(np.float32)  # a concave front
    points[front:] = points[random.integers(0, front, 290 - front)] + random.choice([0.0, 0.05], (290 - front, 1))
    points = random.permutation(points)
    expected = moocore.hypervolume(points.astype(float), ref=np.ones(4))
    np.testing.assert_allclose(JITTED(points, np.ones(4, np.float32)), expected, rtol=1e-5)
    mask = random.random(290) < 0.5
    expected = moocore.hypervolume(points[mask].astype(float), ref=np.ones(4))
    np.testing.assert_allclose(JITTED(points, np.ones(4, np.float32), mask), expected, rtol=1e-5)


def test_the_gradient_goes_through_the_choice_of_a_size():
    points = np.ones((100, 4), np.float32)
    points[7], points[50] = (0.5, 0.5, 0.5, 0.0), (0.6, 0.6, 0.6, 0.5)  # the second is dominated
    got = jax.grad(hypervolume)(points, np.ones(4, np.float32))
    np.testing.assert_allclose(got[7], [-0.25, -0.25, -0.25, -0.125])
    assert np.abs(np.delete(got, 7, axis=0)).max() == 0


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"reference .* got \(3,\) for objectives \(5, 2\)"):
        hypervolume(jnp.zeros((5, 2)), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"objectives must have shape \(n, m\), got \(5,\)"):
        hypervolume(jnp.zeros(5), jnp.zeros(1))


@pytest.mark.parametrize("m", [2, 3, 4])
def test_an_objective_of_minus_infinity_is_an_infinite_volume(m):
    points = np.full((2, m), 0.5)
    points[0, 0] = points[1, 0] = -np.inf
    points[1, 1] = 0.7
    assert hypervolume(points, np.ones(m)) == np.inf
    points[:, 1] = 1.5  # beyond the reference
    assert hypervolume(points, np.ones(m)) == 0


def test_large_values_close_to_the_reference_keep_their_distance():
    assert hypervolume([[1e9 - 1, 0]], (1e9, 1)) == 1
    assert hypervolume(np.array([[10**9 - 1, 0]]), np.array([10**9, 1])) == 1
    assert hypervolume([[2**40 - 3, 0.5]], [2**40, 1.0]) == 1.5
