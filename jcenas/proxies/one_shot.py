"""One-shot score of a cell: its error with the weights of a single-path supernet (Guo et al., arXiv 1904.00420).

Batch statistics are used instead of the running ones, because those of a supernet belong to a mixture of paths.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.spaces import NasBench201
from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainState

Score = Callable[[TrainState, jax.Array, ImageSet], jax.Array]


def make_score(network: nn.Module, *, images: int = 1000, together: int = 1) -> Score:
    """Return score(supernet state, genomes int32 (n, 6), data) -> validation error float32 (n,).

    Args:
        network: the supernet's module.
        images: at most so many images of the validation part, always the same ones.
        together: genomes evaluated side by side: 1 on CPU, where branches run one path only; more on accelerators.
    """

    def score(state: TrainState, genomes: jax.Array, data: ImageSet) -> jax.Array:
        part = jax.tree.map(lambda x: x[:images], data.validation)
        batch = scale(part.images, data)
        variables = {"params": state.params, "batch_stats": state.batch_stats}

        def error(genome: jax.Array) -> jax.Array:
            logits: Any = network.apply(variables, batch, genome, statistics="batch")
            return jnp.mean(jnp.argmax(logits, -1) != part.labels, dtype=jnp.float32)

        return jax.lax.map(error, genomes, batch_size=together if together > 1 else None)

    return score


def supernet_paths(state: TrainState, steps: int) -> jax.Array:
    """The cells that a supernet trains in its next `steps` steps, int32 (steps, 6), uniform; from its key and step."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, 2**31 - 1), state.step)
    return NasBench201().sample(key, steps)
