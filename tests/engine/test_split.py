"""Who evaluates in an hour, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.alloc.devices import devices_for_share
from jcenas.engine.split import split

SHARES = jnp.array([0.0, 0.01, 0.3, 0.5, 0.8125, 0.99, 1.0, -3.0, 7.0], jnp.float32)


@pytest.mark.parametrize("devices", [4, 8])
def test_several_devices_are_whole(devices):
    who = jax.jit(jax.vmap(lambda share: split(share, devices)))(SHARES)
    np.testing.assert_array_equal(who.evaluating, devices_for_share(SHARES, devices))
    np.testing.assert_array_equal(who.evaluating + who.sampling, devices)
    assert (np.asarray(who.turn) == 1).all()  # nobody turns within the hour


def test_eight_devices_by_hand():
    who = jax.vmap(lambda share: split(share, 8))(SHARES)
    np.testing.assert_array_equal(who.evaluating, [0, 1, 2, 4, 7, 7, 8, 0, 8])


def test_one_device_slices_its_hour():
    who = jax.jit(jax.vmap(lambda share: split(share, 1)))(SHARES)
    np.testing.assert_array_equal(who.evaluating, [0, 1, 1, 1, 1, 1, 1, 0, 1])
    np.testing.assert_array_equal(who.sampling, [1, 1, 1, 1, 1, 1, 0, 1, 0])
    np.testing.assert_allclose(who.turn, [1, 0.99, 0.7, 0.5, 0.1875, 0.01, 1, 1, 1], rtol=1e-6, atol=1e-6)


def test_two_devices_by_hand():
    who = jax.jit(jax.vmap(lambda share: split(share, 2)))(SHARES)
    np.testing.assert_array_equal(who.evaluating, [0, 1, 1, 1, 2, 2, 2, 0, 2])
    np.testing.assert_array_equal(who.sampling, [2, 2, 2, 1, 1, 1, 0, 2, 0])
    np.testing.assert_allclose(who.turn, [1, 0.98, 0.4, 1, 0.375, 0.02, 1, 1, 1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_few_devices_keep_any_share(devices):
    shares = jnp.linspace(0, 1, 301, dtype=jnp.float32)
    who = jax.jit(jax.vmap(lambda share: split(share, devices)))(shares)
    evaluating, sampling = np.asarray(who.evaluating), np.asarray(who.sampling)
    slicing = evaluating + sampling - devices
    assert set(slicing) <= {0, 1}
    np.testing.assert_allclose(evaluating - slicing * np.asarray(who.turn), devices * shares, atol=1e-5)
