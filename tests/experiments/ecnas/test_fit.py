"""The published training of the EC-NAS energy network."""

import jax
import jax.numpy as jnp
import pytest

from experiments.ecnas.surrogate import fit_published
from jcenas.tables.ecnas import published


@pytest.mark.slow
def test_published_training_learns():
    x = jax.random.uniform(jax.random.key(0), (256, 36))
    y = 10 + 5 * x[:, 0]
    params = fit_published(jax.random.key(1), x, y, epochs=40)
    error = jnp.mean(jnp.abs(published.PublishedNet().apply(params, x) - y))
    assert float(error) < 0.6  # a constant makes 1.25
