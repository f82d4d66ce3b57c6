import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jcenas.nets import CellNetwork
from jcenas.proxies import zero_shot
from jcenas.train import images


class SmallCell(nn.Module):
    """Six edges side by side from the image to the classifier, each with the weights of five operations; 0 is none."""

    @nn.compact
    def __call__(self, images, genome, *, statistics="running"):
        x = images.reshape(images.shape[0], -1)
        kernels = self.param("kernels", nn.initializers.normal(0.05), (6, 5, x.shape[-1], 16))
        live = (genome > 0)[:, None, None]
        edges = jnp.where(live, nn.relu(jnp.einsum("bp,epc->ebc", x, kernels[jnp.arange(6), genome])), 0)
        return nn.Dense(10)(edges.sum(axis=0))


@pytest.fixture(scope="session")
def small_cell():
    return SmallCell()


@pytest.fixture(scope="session")
def digits():
    return images.load_images("digits", [])


@pytest.fixture(scope="session")
def network():
    return CellNetwork(10, channels=4, cells=1)


@pytest.fixture(scope="session")
def start(network, digits):
    """Fresh weights and sixteen digits."""
    proxy = zero_shot.make_proxy(lambda *_: 0.0, network, images=16)
    return jax.jit(proxy.prepare)(jax.random.key(0), digits)
