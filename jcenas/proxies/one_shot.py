"""One-shot score of an architecture: its error in a single-path supernet (Guo et al., arXiv 1904.00420).

Batch statistics are used instead of the running ones, because those of a supernet belong to a mixture of paths.
"""

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.moo.types import Space, is_valid
from jcenas.proxies.zero_shot import Proxy
from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, Trainer, TrainState, make_trainer

Score = Callable[[TrainState, jax.Array, ImageSet], jax.Array]
SCORE_IMAGES = 1000


def make_score(network: nn.Module, *, images: int = SCORE_IMAGES, together: int = 1) -> Score:
    """Return score(supernet state, genomes int32 (n, d), data) -> validation error float32 (n,).

    Args:
        network: the supernet's module.
        images: at most so many images of the validation part, always the same ones.
        together: genomes evaluated side by side: 1 on CPU, where branches run one path only; more on accelerators.
    """

    def score(state: TrainState, genomes: jax.Array, data: ImageSet) -> jax.Array:
        part = jax.tree.map(lambda x: x[:images], data.validation)
        batch = scale(part.images, data)

        def error(genome: jax.Array) -> jax.Array:
            return path_error(network, state.variables, batch, part.labels, genome)

        return jax.lax.map(error, genomes, batch_size=together if together > 1 else None)

    return score


def path_error(
    network: nn.Module, variables: dict[str, Any], images: jax.Array, labels: jax.Array, genome: jax.Array
) -> jax.Array:
    """Share of wrong answers of one path, float32 (), on scaled images (B, H, W, C), with their statistics."""
    chex.assert_rank(images, 4, custom_message="images")
    chex.assert_shape(labels, images.shape[:1], custom_message="labels")
    logits: Any = network.apply(variables, images, genome, statistics="batch")
    return jnp.mean(jnp.argmax(logits, -1) != labels, dtype=jnp.float32)


def supernet_paths(space: Space, state: TrainState, steps: int) -> jax.Array:
    """The paths that a supernet trains in its next `steps` steps, int32 (steps, d), uniform; from its key and step."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, 2**31 - 1), state.step)
    return space.sample(key, steps)


def with_choice(space: Space, paths: jax.Array, variable: int, choice: jax.Array | int) -> jax.Array:
    """Paths int32 (n, d) with one variable set, but for those that the space would not have then."""
    chosen = paths.at[:, variable].set(choice)
    return jnp.where(is_valid(space, chosen)[:, None], chosen, paths)


def train_supernet(
    trainer: Trainer,
    space: Space,
    state: TrainState,
    data: ImageSet,
    *,
    epochs: int,
    fixed: tuple[int, jax.Array] | None = None,
) -> TrainState:
    """Train a supernet for some epochs in one program.

    Args:
        trainer: of the supernet's module.
        space: whose architectures it holds.
        state: as it starts; its schedule should be as long as `epochs`.
        data: the images.
        epochs: how many.
        fixed: (variable, choice): that variable always has that choice; None leaves all of them free.
    """

    def chunk(state: TrainState, _) -> tuple[TrainState, jax.Array]:
        paths = supernet_paths(space, state, trainer.chunk_steps)
        if fixed is not None:
            paths = with_choice(space, paths, *fixed)
        return trainer.chunk(state, paths, data)

    return jax.lax.scan(chunk, state, length=epochs * trainer.steps_per_epoch // trainer.chunk_steps)[0]


def one_shot(
    network: nn.Module,
    space: Space,
    config: TrainConfig,
    data: ImageSet,
    *,
    epochs: int,
    images: int = SCORE_IMAGES,
    together: int = 1,
) -> Proxy:
    """Minus the one-shot error as a proxy: preparing it trains the supernet. `data` gives the shapes only."""
    trainer = make_trainer(network, config, data)
    score = make_score(network, images=images, together=together)

    def prepare(key: jax.Array, data: ImageSet) -> tuple[TrainState, ImageSet]:
        state = trainer.init(key, jnp.int32(epochs * trainer.steps_per_epoch))
        return train_supernet(trainer, space, state, data, epochs=epochs), data

    return Proxy(prepare, lambda memory, genomes: -score(memory[0], genomes, memory[1]))
