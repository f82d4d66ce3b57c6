"""EC-NAS's random search: draws from the search space of the release, in which most descriptions are no cell.

The released space has one switch for each edge, one label for each inner vertex and the budget, and two choices more
that were meant to be ranges, but of which the library that draws was told the ends only: 2 vertices or V, and at most 1
edge or all. With 2 vertices only the first switch counts. With V, edges are taken row by row up to their number; more
than nine, unused ones included, are too many. So 46.5 % (4V), 47 % (5V) and 32 % (7V) of the draws are cells, and three
quarters of those are the cell without inner vertices. An invalid draw counts as an evaluation, and so does a repeated
one.

The paper says that draws follow a Sobol sequence. The release starts a new, freshly scrambled sequence for every draw
and takes its first point, which is uniform and independent of the others; `sobol` is one sequence throughout.

Letters: V vertices of the space, E its edges, n draws, D = V - 2 + E + 3 choices.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.spaces.nasbench101 import MAX_EDGES, OPERATIONS, edges
from jcenas.tables.ecnas.dataset import BUDGETS


def choices(vertices: int) -> np.ndarray:
    """Number of values, int (D,), of each choice: labels, switches row by row, budget, vertices, edges."""
    return np.array([len(OPERATIONS)] * (vertices - 2) + [2] * len(edges(vertices)) + [len(BUDGETS), 2, 2])


def independent(key: jax.Array, n: int, dimensions: int) -> jax.Array:
    """Uniform points, float32 (n, D), as the release draws them."""
    return jax.random.uniform(key, (n, dimensions))


def sobol(key: jax.Array, n: int, dimensions: int) -> jax.Array:
    """The first n points, float32 (n, D), of one scrambled Sobol sequence. Works on the host, not under `jit`."""
    from scipy.stats import qmc  # here, because it takes half a second to load

    seed = np.asarray(jax.random.key_data(key)).ravel()
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    points = sequence.random_base2(max(n - 1, 1).bit_length())[:n]
    return jnp.asarray(np.minimum(points, np.nextafter(np.float32(1), np.float32(0))), jnp.float32)


def decode(points: jax.Array, vertices: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What points (n, D) of the unit cube describe.

    Returns:
      Genomes int32 (n, d) of the space's frame; indices of the budgets, int32 (n,); and the mask, bool (n,), of those
      with at most nine edges, used or not. Whether there is a path from input to output is for the catalog to say.
    """
    kinds = jnp.asarray(choices(vertices))[None, :]
    values = jnp.minimum((points * kinds).astype(jnp.int32), kinds - 1)
    inner, many = vertices - 2, len(edges(vertices))
    labels, switches = values[:, :inner], values[:, inner : inner + many]
    budget, large, whole = values[:, -3], values[:, -2] == 1, values[:, -1] == 1
    most = jnp.where(whole, many, 1)
    taken = switches * (jnp.cumsum(switches, axis=1) <= most[:, None])
    by_row = sorted(edges(vertices))  # the release numbers edges by their start, genomes by their end
    wires = taken[:, np.array([by_row.index(pair) for pair in edges(vertices)])]
    direct = np.array([pair == (0, vertices - 1) for pair in edges(vertices)], np.int32)
    wires = jnp.where(large[:, None], wires, switches[:, :1] * direct[None, :])
    return jnp.concatenate([wires, labels], axis=1), budget, jnp.sum(wires, axis=1) <= MAX_EDGES
