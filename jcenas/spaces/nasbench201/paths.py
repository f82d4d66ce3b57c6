"""What a predictor sees of a NAS-Bench-201 cell: the computations on its paths, the same for isomorphic cells.

The path encoding of BANANAS (White et al., arXiv 1910.11858, section 3) with two simplifications that the space
allows: a path with a `none` computes nothing and is left out, and a skip is no step. So a path is a word of zero to
three letters out of {1x1, 3x3, pool}, one of 1 + 3 + 9 + 27 = 40, and a cell is how often each word occurs among its
four paths.
"""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jcenas.spaces.nasbench201.cells import CONV_1X1, CONV_3X3, EDGES, NONE, OPERATIONS, PATHS, POOL, SKIP

WORDS = tuple(word for n in range(4) for word in itertools.product((CONV_1X1, CONV_3X3, POOL), repeat=n))


def _words(length: int) -> np.ndarray:
    """Index into WORDS of each sequence of operations, int32 (5,) * length; -1 where one is `none`."""
    table = np.full((len(OPERATIONS),) * length, -1, np.int32)
    for path in itertools.product(range(len(OPERATIONS)), repeat=length):
        if NONE not in path:
            table[path] = WORDS.index(tuple(op for op in path if op != SKIP))
    return table


_TABLES = {length: _words(length) for length in (1, 2, 3)}


def path_counts(genomes: np.ndarray) -> np.ndarray:
    """How often each word occurs among the paths of a cell, float32 (n, 40), on the host; genomes int (n, 6)."""
    counts = np.zeros(
        (len(genomes), len(WORDS) + 1), np.float32
    )  # the last column takes the paths that compute nothing
    for path in PATHS:
        word = _TABLES[len(path)][tuple(np.asarray(genomes)[:, e] for e in path)]
        np.add.at(counts, (np.arange(len(genomes)), word), 1.0)
    return counts[:, :-1]


def cell_features(genomes: jax.Array) -> jax.Array:
    """Count of each word, then whether there is one, float32 (n, 80), of genomes int32 (n, 6)."""
    chex.assert_shape(genomes, (None, len(EDGES)), custom_message="genomes")
    counts = jnp.zeros((genomes.shape[0], len(WORDS)), jnp.float32)
    for path in PATHS:
        word = jnp.asarray(_TABLES[len(path)])[tuple(genomes[:, e] for e in path)]
        counts += jax.nn.one_hot(word, len(WORDS))  # of -1: zeros
    return jnp.concatenate([counts, (counts > 0).astype(jnp.float32)], axis=1)
