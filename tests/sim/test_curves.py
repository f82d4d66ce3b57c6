"""Learning curves by width: by hand, and the order that recorded ones must have."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.sim import curves
from jcenas.sim.config import TableChoice
from jcenas.sim.curves import Curves, advance, hypervolume_of, levels_of, measure, pooled

LEVELS = jnp.array([[0.0, 2.0, 4.0, 6.0], [0.0, 1.0, 2.0, 3.0]])
CURVE = Curves(LEVELS, jnp.array([1.0, 4.0]), jnp.float32(1.0), jnp.float32(0.0))


def level_after(level, width, finished):
    return float(advance(CURVE, jnp.float32(level), jnp.int32(width), jnp.float32(finished)))


def test_a_width_moves_along_its_own_curve():
    assert level_after(2.0, 1, 1.5) == pytest.approx(5.0)
    assert level_after(2.0, 4, 1.0) == pytest.approx(3.0)
    assert level_after(2.0, 2, 1.0) == pytest.approx(3.5)  # two is half-way between one and four
    assert level_after(2.0, 8, 1.0) == pytest.approx(3.0)  # wider than recorded
    assert level_after(2.0, 0, 0.0) == pytest.approx(2.0)
    assert level_after(5.0, 4, 1.0) == pytest.approx(5.0)  # a curve that ends lower takes nothing away
    assert float(hypervolume_of(jnp.log(4.0))) == pytest.approx(0.75)


def test_levels_by_hand():
    # Two evaluations an hour reach half, then three quarters, of the hypervolume; a dip is no loss.
    levels = levels_of(np.array([[2, 4, 6]]), np.array([[0.5, 0.75, 0.7]]))
    np.testing.assert_allclose(levels[0], -np.log([1, 0.75, 0.5, 0.375, 0.25, 0.25, 0.25]))


def test_a_padded_curve_stays():
    found = CURVE.padded(6)
    once, twice = curves.SLOPE, 2 * curves.SLOPE
    expected = [[0, 2, 4, 6, 6 + once, 6 + twice], [0, 1, 2, 3, 3 + once, 3 + twice]]
    np.testing.assert_allclose(found.levels, expected, rtol=1e-6)
    assert (jnp.diff(found.levels, axis=1) > 0).all()


def test_curves_that_cross_by_chance_are_pooled():
    levels = np.array([[3.0, 1.0], [4.0, 2.0], [1.0, 3.0], [2.0, 0.0]])
    np.testing.assert_allclose(pooled(levels), [[3.5, 2.0], [3.5, 2.0], [1.5, 2.0], [1.5, 0.0]])


@pytest.fixture
def own_table(tmp_path):
    """A user's file of 64 architectures: the deeper, the better and the slower."""
    path, sizes = tmp_path / "mine.csv", range(1, 9)
    lines = [f"{d},{w},{40 / d + 8 / w},{d * w},{600 * d}" for d in sizes for w in sizes]
    path.write_text("\n".join(["depth,width,error,ms,s", *lines]))
    return {"table": str(path), "genome": ("depth", "width"), "error": "error", "cost": ("ms",), "seconds": "s"}


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_recorded_curves_rise(monkeypatch, own_table, own):
    monkeypatch.setattr(curves, "WIDTHS", (1, 2))
    monkeypatch.setattr(curves, "DEVICE_HOURS", 24)
    found = measure(TableChoice(**own_table) if own else TableChoice(table="toy"), 2, 0, "full")
    assert found.levels.shape[:2] == (curves.RESAMPLES, 2)
    assert (jnp.diff(found.levels, axis=2) > 0).all()
    assert float(found.levels[0, 0, -1]) > 1  # 63 % of the hypervolume
    assert (found.levels[:, 0] >= found.levels[:, 1]).all()
    assert 0 < float(found.train_s) < 36_000
    assert 0 < float(found.scatter) < 3
