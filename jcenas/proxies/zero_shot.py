"""Scores of untrained networks: one random initialisation and one batch of images for every architecture.

A measure is a function `(network, start, genome (d,)) -> score, float32 ()`, larger for what should train better. The
architecture is data, so one program scores every one; `make_proxy` runs it over many genomes.

The common ground of the measures is Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from jcenas.train.augment import scale
from jcenas.train.images import ImageSet
from jcenas.train.recipe import cross_entropy, initialisation_key


class Start(struct.PyTreeNode):
    """What every untrained score starts from."""

    variables: dict[str, Any]  # params and batch_stats, freshly drawn
    images: jax.Array  # (B, H, W, C) float32, normalised
    labels: jax.Array  # (B,) int32
    key: jax.Array  # () typed key, for measures that draw


Measure = Callable[[nn.Module, Start, jax.Array], jax.Array]


class Proxy(NamedTuple):
    """A cheap estimate of quality; every kind has this form.

    Attributes:
        prepare: (key, data) -> memory: all that is done once, whatever the number of architectures.
        score: (memory, genomes int32 (n, d)) -> float32 (n,), larger is better. -inf is the score of an architecture
            that passes nothing on where the measure's docstring says so; NaN and +inf are errors of the measure.
    """

    prepare: Callable[[jax.Array, ImageSet], Any]
    score: Callable[[Any, jax.Array], jax.Array]


def make_proxy(
    measure: Measure, network: nn.Module, *, images: int = 64, together: int = 1, variables: int = 6
) -> Proxy:
    """A proxy of one measure on one network.

    Args:
        measure: what to compute for one genome.
        network: `(images, genome, statistics=...) -> logits`.
        images: the first so many training images are the batch; the split has shuffled them.
        together: genomes computed side by side: 1 on CPU, where branches run one operation only; more on accelerators.
        variables: d, of a genome; 6 in NAS-Bench-201.
    """

    def prepare(key: jax.Array, data: ImageSet) -> Start:
        init_key, key = jax.random.split(key)
        part = jax.tree.map(lambda x: x[:images], data.train)
        batch = scale(part.images, data)
        weights: Any = network.init(initialisation_key(init_key), batch[:1], jnp.zeros(variables, jnp.int32))
        return Start(variables=weights, images=batch, labels=part.labels, key=key)

    def score(start: Start, genomes: jax.Array) -> jax.Array:
        chex.assert_rank(genomes, 2, custom_message="genomes")

        def one(genome: jax.Array) -> jax.Array:
            return measure(network, start, genome)

        return jax.lax.map(one, genomes, batch_size=together if together > 1 else None)

    return Proxy(prepare, score)


def loss_gradient(network: nn.Module, start: Start, genome: jax.Array) -> Any:
    """Gradient of the batch's mean cross entropy by the weights, with batch statistics; zero where an operation is not
    in the cell.
    """  # noqa: D205

    def loss(params):
        variables = start.variables | {"params": params}
        logits: Any = network.apply(variables, start.images, genome, statistics="batch")
        return cross_entropy(logits, start.labels)

    return jax.grad(loss)(start.variables["params"])


def total(tree: Any) -> jax.Array:
    """Sum of all entries of all arrays of a tree, float32 ()."""
    return jnp.sum(jnp.stack([jnp.sum(x) for x in jax.tree.leaves(tree)]))
