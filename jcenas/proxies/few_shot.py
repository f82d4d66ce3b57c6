"""Few-shot score of a cell: its error with the weights of one of five sub-supernets (Zhao et al., ICML 2021).

One supernet is trained, then split on an edge: each sub-supernet inherits all its weights, keeps one operation on that
edge, and trains on. Paths that differ on that edge no longer share weights (section 3.2, "supernet transfer").
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jcenas.errors import InputError
from jcenas.proxies.one_shot import SCORE_IMAGES, path_error, train_supernet
from jcenas.proxies.zero_shot import Proxy
from jcenas.spaces.nasbench201 import EDGES, OPERATIONS
from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.training import TrainConfig, TrainState, make_trainer


def split(state: TrainState, total: jax.Array) -> TrainState:
    """Five states on axis 0: the weights of a supernet with a fresh optimiser and schedule, and a key each."""
    n = len(OPERATIONS)
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
    config: TrainConfig,
    data: ImageSet,
    *,
    epochs: tuple[int, int],
    edge: int = 0,
    images: int = SCORE_IMAGES,
    together: int = 1,
) -> Proxy:
    """Minus the error in the sub-supernet of a cell as a proxy; preparing it trains all supernets.

    Args:
        network: the supernet's module.
        config: the recipe of every training.
        data: only its shapes are used here.
        epochs: of the supernet before the split, and of each sub-supernet after it.
        edge: index into `EDGES` of the edge to split.
        images: at most so many images of the validation part.
        together: genomes evaluated side by side.

    Raises:
        InputError: there is no such edge.
    """
    if not 0 <= edge < len(EDGES):
        raise InputError(f"edge {edge}: a NAS-Bench-201 cell has the edges 0 to {len(EDGES) - 1}")
    trainer = make_trainer(network, config, data)
    steps = trainer.steps_per_epoch

    def prepare(key: jax.Array, data: ImageSet) -> tuple[TrainState, ImageSet]:
        first, later = epochs
        whole = train_supernet(trainer, trainer.init(key, jnp.int32(first * steps)), data, epochs=first)
        parts = split(whole, jnp.int32(later * steps))

        def train_part(xs: tuple[TrainState, jax.Array]) -> TrainState:
            state, operation = xs
            return train_supernet(trainer, state, data, epochs=later, fixed=(edge, operation))

        operations = jnp.arange(len(OPERATIONS), dtype=jnp.int32)
        return jax.lax.map(train_part, (parts, operations)), data

    def score(memory: tuple[TrainState, ImageSet], genomes: jax.Array) -> jax.Array:
        states, data = memory
        part = jax.tree.map(lambda x: x[:images], data.validation)
        batch = scale(part.images, data)

        def error(genome: jax.Array) -> jax.Array:
            variables = jax.tree.map(lambda x: x[genome[edge]], states.variables)
            return path_error(network, variables, batch, part.labels, genome)

        return -jax.lax.map(error, genomes, batch_size=together if together > 1 else None)

    return Proxy(prepare, score)
