"""Descent on losses whose lowest points are known."""

import jax.numpy as jnp
import numpy as np

from jcenas.moo.descent import descend, steady


def test_finds_the_bottom_of_a_bowl():
    start = {"a": 0.0, "b": jnp.zeros(2)}
    found = descend(lambda p: (p["a"] - 3) ** 2 + jnp.sum((p["b"] + 1) ** 2), start, steady(0.1), steps=200)
    np.testing.assert_allclose(found["a"], 3, atol=0.05)
    np.testing.assert_allclose(found["b"], [-1, -1], atol=0.05)


def test_moves_about_the_rate_in_a_step_however_steep_the_loss_is():
    assert abs(float(descend(lambda x: 1e9 * x, jnp.float32(0.0), steady(0.25), steps=1)) + 0.25) < 1e-3


def test_stays_where_it_is_when_the_loss_breaks_down():
    assert float(descend(lambda x: jnp.sqrt(x - 1), jnp.float32(0.5), steady(0.1), steps=5)) == 0.5  # NaN at once
    stopped = descend(lambda x: jnp.log(x), jnp.float32(0.35), steady(0.1), steps=20)  # falls until it is undefined
    assert np.isfinite(stopped)
