"""Low-fidelity score: accuracy after a short training on few images with a small network (arXiv 1808.05377, section 4).

How small the network is, `network` says; how short the training, the arguments. All genomes train from the same weights
with the same batches: their differences are the architectures'.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.proxies.zero_shot import Proxy
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, make_trainer

Curves = Callable[[Any, jax.Array], jax.Array]


def make_curves(
    network: nn.Module, config: TrainConfig, data: ImageSet, *, epochs: int, images: int, together: int = 1
) -> tuple[Callable[[jax.Array, ImageSet], Any], Curves]:
    """Functions prepare(key, data) -> memory and curves(memory, genomes (n, d)) -> accuracies (n, epochs).

    An epoch in which a loss is not finite has accuracy 0: a training that diverged is the worst.

    Args:
        network: the module, smaller than the one that is meant.
        config: the recipe; its schedule ends with the last epoch.
        data: only its shapes are used here.
        epochs: length of the training.
        images: at most so many of the training part, and of the validation part, are used.
        together: genomes trained side by side.
    """
    trainer = make_trainer(network, config, jax.eval_shape(lambda d: fewer(d, images), data))

    def prepare(key: jax.Array, data: ImageSet) -> tuple[jax.Array, ImageSet]:
        return key, fewer(data, images)

    def curve(memory: tuple[jax.Array, ImageSet], genome: jax.Array) -> jax.Array:
        key, small = memory
        path = jnp.tile(genome, (trainer.chunk_steps, 1))

        def epoch(state, _):
            chunks = trainer.steps_per_epoch // trainer.chunk_steps
            state, losses = jax.lax.scan(lambda s, _: trainer.chunk(s, path, small), state, length=chunks)
            right = trainer.accuracy(state, genome, small.validation, small)
            return state, jnp.where(jnp.isfinite(losses).all(), right, 0.0)

        state = trainer.init(key, jnp.int32(epochs * trainer.steps_per_epoch))
        return jax.lax.scan(epoch, state, length=epochs)[1]

    def curves(memory: tuple[jax.Array, ImageSet], genomes: jax.Array) -> jax.Array:
        side_by_side = together if together > 1 else None
        return jax.lax.map(lambda g: curve(memory, g), genomes, batch_size=side_by_side)

    return prepare, curves


def low_fidelity(
    network: nn.Module, config: TrainConfig, data: ImageSet, *, epochs: int, images: int, together: int = 1
) -> Proxy:
    """The last accuracy of each curve as a proxy; arguments as for `make_curves`."""
    prepare, curves = make_curves(network, config, data, epochs=epochs, images=images, together=together)
    return Proxy(prepare, lambda memory, genomes: curves(memory, genomes)[:, -1])


def fewer(data: ImageSet, images: int) -> ImageSet:
    """The first `images` of the training and of the validation part; the split has shuffled them."""
    train, validation = (jax.tree.map(lambda x: x[:images], part) for part in (data.train, data.validation))
    return data.replace(train=train, validation=validation)
