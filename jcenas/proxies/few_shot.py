"""Few-shot score of an architecture: its error in one of several sub-supernets (Zhao et al., ICML 2021).

One supernet is trained, then split on a variable, such as the operation of an edge: each sub-supernet inherits all its
weights, keeps one choice of that variable, and trains on. Paths that differ in it no longer share weights (section 3.2,
"supernet transfer").
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.errors import InputError
from jcenas.moo.types import Space
from jcenas.proxies.one_shot import SCORE_IMAGES, path_error, train_supernet
from jcenas.proxies.zero_shot import Proxy
from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, TrainState, make_trainer


def split(state: TrainState, total: jax.Array, n: int) -> TrainState:
    """N states on axis 0: the weights of a supernet with a fresh optimiser and schedule, and a key each."""
    keys = jax.vmap(lambda i: jax.random.fold_in(state.key, 2**31 - 3 - i))(jnp.arange(n))
    fresh = state.replace(
        momentum=jax.tree.map(jnp.zeros_like, state.momentum),
        step=jnp.zeros((), jnp.int32),
        total=jnp.asarray(total, jnp.int32),
        key=None,
    )
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), fresh).replace(key=keys)


def few_shot(
    network: nn.Module,
    space: Space,
    config: TrainConfig,
    data: ImageSet,
    *,
    epochs: tuple[int, int],
    variable: int = 0,
    images: int = SCORE_IMAGES,
) -> Proxy:
    """Minus the error in the sub-supernet of an architecture as a proxy; preparing it trains all supernets.

    Args:
        network: the supernet's module.
        space: whose architectures it holds.
        config: the recipe of every training.
        data: only its shapes are used here.
        epochs: of the supernet before the split, and of each sub-supernet after it.
        variable: of the genome, whose choices get a sub-supernet each.
        images: at most so many images of the validation part.

    Raises:
        InputError: there is no such variable.
    """
    many = len(space.cardinalities)
    if not 0 <= variable < many:
        raise InputError(f"variable {variable}: a genome of this space has the variables 0 to {many - 1}")
    choices = space.cardinalities[variable]
    trainer = make_trainer(network, config, data)
    steps = trainer.steps_per_epoch

    def prepare(key: jax.Array, data: ImageSet) -> tuple[TrainState, ImageSet]:
        first, later = epochs
        whole = train_supernet(trainer, space, trainer.init(key, jnp.int32(first * steps)), data, epochs=first)
        parts = split(whole, jnp.int32(later * steps), choices)

        def train_part(xs: tuple[TrainState, jax.Array]) -> TrainState:
            state, choice = xs
            return train_supernet(trainer, space, state, data, epochs=later, fixed=(variable, choice))

        return jax.lax.map(train_part, (parts, jnp.arange(choices, dtype=jnp.int32))), data

    def score(memory: tuple[TrainState, ImageSet], genomes: jax.Array) -> jax.Array:
        states, data = memory
        part = jax.tree.map(lambda x: x[:images], data.validation)
        batch = scale(part.images, data)

        def error(genome: jax.Array) -> jax.Array:
            variables = jax.tree.map(lambda x: x[genome[variable]], states.variables)
            return path_error(network, variables, batch, part.labels, genome)

        return -jax.lax.map(error, genomes)

    return Proxy(prepare, score)
