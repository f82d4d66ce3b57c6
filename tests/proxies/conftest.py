import jax
import pytest

from jcenas.nets import CellNetwork
from jcenas.proxies import zero_shot
from jcenas.train import images


@pytest.fixture(scope="session")
def digits():
    return images.load("digits", [])


@pytest.fixture(scope="session")
def network():
    return CellNetwork(10, channels=4, cells=1)


@pytest.fixture(scope="session")
def start(network, digits):
    """Fresh weights and sixteen digits."""
    proxy = zero_shot.make_proxy(lambda *_: 0.0, network, images=16)
    return jax.jit(proxy.prepare)(jax.random.key(0), digits)
