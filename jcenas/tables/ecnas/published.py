"""The published energy surrogate of EC-NAS: a plain network on the numbered graph (arXiv 2210.06015, section 3.2).

Five dense layers, 36 -> 128 -> 64 -> 32 -> 32 -> 1, with GELU between. Inputs: the upper triangle with diagonal of the
7x7 matrix, cells with fewer vertices in its upper left; a code for each vertex; millions of parameters. Output: energy
of four epochs in Wh. It is kept as the reference to compare with: its outputs depend on the numbering of the vertices,
and may be negative for small cells.
"""

import functools
import os
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.nets.nasbench101 import cost as network
from jcenas.spaces.nasbench101 import MAX_VERTICES, edges, pruned

WIDTHS = (128, 64, 32, 32)
INPUTS = 36
_CODES = (3, 2, 4)  # of conv3x3, conv1x1, maxpool; 0 is padding, 1 the input, 5 the output


class PublishedNet(nn.Module):
    """Wh of four epochs, float32 (...), of inputs (..., 36)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply."""
        for i, width in enumerate(WIDTHS):
            x = nn.gelu(nn.Dense(width, name=f"fc{i + 1}")(x), approximate=False)
        return nn.Dense(1, name="fc5")(x)[..., 0]


def load_params(path: str | os.PathLike) -> dict:
    """Weights of the published network from `ecnas_7V_energy_surrogate_mlp_h128.npz`."""
    with np.load(pathlib.Path(path)) as file:
        layers = {
            f"fc{i}": {"kernel": jnp.asarray(file[f"fc{i}_weight"].T), "bias": jnp.asarray(file[f"fc{i}_bias"])}
            for i in range(1, 6)
        }
    return {"params": layers}


@functools.partial(jax.jit, static_argnames="vertices")
def inputs(genomes: jax.Array, vertices: int = MAX_VERTICES) -> jax.Array:
    """Inputs, float32 (n, 36), of genomes (n, d) whose unconnected vertices come last, as a catalog has them."""
    genomes = jnp.asarray(genomes)
    matrix, used = pruned(genomes, vertices)
    size = jnp.sum(used, axis=-1)
    slots = jnp.arange(MAX_VERTICES)
    # Slot size - 1 holds the output, slots before it the vertices in order; later ones are padding.
    source = jnp.where(slots[None, :] == size[:, None] - 1, vertices - 1, jnp.minimum(slots, vertices - 1)[None, :])
    there = slots[None, :] < size[:, None]
    small = jnp.take_along_axis(matrix, source[:, :, None], axis=1)
    small = jnp.take_along_axis(small, source[:, None, :], axis=2) & there[:, :, None] & there[:, None, :]
    codes = jnp.asarray(_CODES)[genomes[:, len(edges(vertices)) :]]
    ends = jnp.ones((len(genomes), 1), codes.dtype)
    codes = jnp.take_along_axis(jnp.concatenate([ends, codes, 5 * ends], axis=1), source, axis=1) * there
    rows, columns = np.triu_indices(MAX_VERTICES)
    millions = network.parameters(genomes, vertices)[:, None] / 1e6
    return jnp.concatenate([small[:, rows, columns], codes, millions], axis=1).astype(jnp.float32)


def published_split(n: int = 4310, seed: int = 42) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the published training, validation and test sets (70, 10 and 20 %), in the order of the measured table.

    The release shuffles by swapping row i with one of the rows i, ..., n - 1, chosen by the next 32-bit number of a
    Mersenne twister modulo n - i.
    """
    twister = np.random.RandomState(seed)
    rows = np.arange(n)
    for i, number in enumerate(twister.randint(0, 2**32, n - 1, dtype=np.uint64)):
        j = i + int(number) % (n - i)
        rows[i], rows[j] = rows[j], rows[i]
    train, valid = int(0.7 * n), int(0.1 * n)
    return rows[:train], rows[train : train + valid], rows[train + valid :]
